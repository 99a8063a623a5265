// When a follower asks, when it takes what is announced, and what it says of itself meanwhile.
import { expect, test } from "bun:test";
import type { Announced } from "#node/validators/announce.ts";
import { type Pursuit, startPursuit } from "#node/validators/follower.ts";
import type { FinalRun } from "#node/validators/marshal.ts";
import { type Hash, hash } from "#types/ids.ts";
import { until } from "../../support/kora.ts";

const hashAt = (height: number): Hash => hash(`0x${height.toString(16).padStart(64, "0")}`);
const announced = (number: number): Announced =>
  ({
    wire: { header: { number, parentHash: hashAt(number - 1) }, transactions: [] },
    hash: hashAt(number),
    certificate: {},
  }) as unknown as Announced;

interface Rig {
  readonly pursuit: Pursuit;
  /** Heights of blocks that were applied, in order. */
  readonly applied: number[];
  /** Answers the question under way: the height that fetching reaches, or that nobody answered. */
  answer(reached: number | "silence"): Promise<void>;
  readonly asked: () => number;
  /** Lets the blocks that were handed over be executed. */
  execute(): Promise<void>;
  readonly failures: unknown[];
}

function rig(start = 0): Rig {
  let tip = start;
  let asked = 0;
  let pending: ((answered: boolean) => void) | undefined;
  const applied: number[] = [];
  const failures: unknown[] = [];
  const waiting: (() => void)[] = [];
  const ledger = { tip: () => ({ header: { number: tip }, hash: hashAt(tip) }) };
  const sync = {
    apply({ blocks }: FinalRun) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(() => {
        for (const { wire } of blocks) {
          applied.push(wire.header.number);
          tip = wire.header.number;
        }
        resolve();
      });
      return promise;
    },
    exhaust() {
      asked++;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      pending = resolve;
      return promise;
    },
    progress: () => undefined,
  };
  const pursuit = startPursuit({ ledger } as never, sync, (error) => failures.push(error));
  return {
    pursuit,
    applied,
    failures,
    asked: () => asked,
    async answer(reached) {
      const resolve = await until("a question", () => pending);
      pending = undefined;
      if (reached !== "silence") tip = reached;
      resolve(reached !== "silence");
      await Bun.sleep(0);
    },
    async execute() {
      for (const each of waiting.splice(0)) each();
      await Bun.sleep(0);
    },
  };
}

async function end({ pursuit, answer }: Rig): Promise<void> {
  const ended = pursuit[Symbol.asyncDispose]();
  await Promise.race([ended, answer("silence")]);
  await ended;
}

test("it asks at once, and counts as syncing until somebody has told where the chain ends", async () => {
  const node = rig(7);
  expect(node.asked()).toBe(1);
  expect(node.pursuit.progress()).toEqual({ startingBlock: 7, currentBlock: 7, highestBlock: 7 } as never);
  await node.answer("silence");
  expect([node.pursuit.heard, node.pursuit.progress() === undefined]).toEqual([false, false]);
  // A peer connects.
  node.pursuit.ask();
  await node.answer(90);
  expect([node.pursuit.heard, node.pursuit.progress()]).toEqual([true, undefined]);
  await end(node);
});

test("an announced block that follows is taken, others behind it queue up, none is asked for", async () => {
  const node = rig();
  await node.answer(0);
  for (const number of [1, 2, 3]) node.pursuit.announced(announced(number));
  await node.execute();
  expect(node.applied).toEqual([1, 2, 3]);
  expect(node.asked()).toBe(1);
  await end(node);
});

test("an announced block with a gap below it makes it ask, and it is behind until the gap is closed", async () => {
  const node = rig();
  node.pursuit.announced(announced(40));
  expect(node.pursuit.progress()).toMatchObject({ currentBlock: 0, highestBlock: 40 });
  // Whoever answers first knows less than was announced.
  await node.answer(20);
  expect(node.pursuit.heard).toBeFalse();
  await until("another question", () => node.asked() === 2);
  await node.answer(40);
  expect([node.pursuit.heard, node.applied]).toEqual([true, []]);
  await end(node);
});

test("what waits for execution is bounded; the rest is fetched", async () => {
  const node = rig();
  await node.answer(0);
  for (let number = 1; number <= 100; number++) node.pursuit.announced(announced(number));
  await until("a question", () => node.asked() === 2);
  await node.execute();
  expect(node.applied).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  await node.answer(100);
  await end(node);
  expect(node.failures).toEqual([]);
});
