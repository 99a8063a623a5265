// Final blocks far above the tip: by runs where somebody has them, otherwise back through the bodies, a leg at a time,
// and nothing is called durable that is not.
import { expect, test } from "bun:test";
import { ALL_RULES } from "#consensus/rules.ts";
import { createBodies } from "#node/consensus/bodies.ts";
import { createDelivery } from "#node/consensus/delivery.ts";
import { createVerifier } from "#node/consensus/verifier.ts";
import type { Certificate } from "#types/certificate.ts";
import { ZERO_HASH } from "#types/ids.ts";
import { createSimChain, GENESIS, makeBody, newChainDisk, type SimBody } from "../../sim/chain.ts";
import { createStandIn } from "../../sim/stand-in.ts";

const BLOCKS = 200;
const clock = { now: () => 0, wall: () => 0, alarm: () => {} };
const crypto = createStandIn(1, "identity", ALL_RULES);

function chainOf(count: number): SimBody[] {
  const made: SimBody[] = [];
  for (let height = 1; height <= count; height++) {
    const parent = made.at(-1)?.facts.digest ?? GENESIS;
    const place = { epoch: 0, view: height, parentView: height - 1, prevRandao: ZERO_HASH, timestamp: 0 };
    made.push(makeBody({ parent, height, ...place }, false, height));
  }
  return made;
}

/** A node without blocks, which holds `bodies` in its journal; `runs` are the blocks that others' archives have. */
function rig(bodies: readonly SimBody[], runs: () => readonly SimBody[]) {
  const disk = newChainDisk(GENESIS);
  const none = (): void => {};
  const application = createSimChain(disk, GENESIS, {
    pulse: none,
    after: (_, run) => queueMicrotask(run),
    buildTime: () => 0,
    verifyTime: () => 0,
    // Later, as a commit is.
    finalizeTime: () => 1,
    wall: () => 0,
    salt: () => 0,
    finalized: none,
    durable: none,
  });
  const held = new Map(bodies.map((body) => [body.facts.digest, body]));
  const kept = createBodies<SimBody>({
    n: 4,
    me: 0,
    fetchTimeout: 1,
    now: clock.now,
    request: none,
    stored: (digest) => held.get(digest) ?? application.body(digest),
  });
  const verifier = createVerifier(application, kept, crypto.port(undefined, none), clock, ALL_RULES);
  const asked: number[] = [];
  const durable: number[] = [];
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const delivery = createDelivery(application, kept, verifier, {
    afterDurable: true,
    halt: (reason) => expect(reason).toBe("never"),
    acknowledged(view) {
      expect(application.tip().height).toBeGreaterThanOrEqual(view);
      durable.push(view);
      if (view === BLOCKS) resolve();
    },
    catchUp(height, back) {
      asked.push(height);
      queueMicrotask(() => {
        for (const body of runs().slice(disk.blocks.length, height)) {
          disk.blocks.push(body);
          disk.heights.set(body.facts.digest, body.facts.height);
        }
        back();
      });
    },
  });
  const finalize = ({ facts: { digest, view } }: SimBody): void => {
    const certificate: Partial<Certificate> = { kind: "finalize", epoch: 0, view, payload: digest };
    delivery.finalized(certificate as Certificate);
  };
  return { finalize, asked, durable, done, disk };
}

test("where nobody has runs, the bodies at hand are walked, and runs asked for again in between", async () => {
  const blocks = chainOf(BLOCKS);
  const { finalize, asked, durable, done, disk } = rig(blocks, () => []);
  finalize(blocks.at(-1)!);
  await done;
  expect(disk.blocks).toEqual(blocks);
  expect(durable).toEqual(blocks.map(({ facts }) => facts.view));
  expect(asked).toEqual([200, 136, 72]);
});

test("what runs bring is not walked, and what they lack is", async () => {
  const blocks = chainOf(BLOCKS);
  const { finalize, asked, durable, done, disk } = rig(blocks.slice(150), () => blocks.slice(0, 150));
  finalize(blocks.at(-1)!);
  await done;
  expect(disk.blocks).toEqual(blocks);
  expect(asked).toEqual([200]);
  expect(durable).toEqual(blocks.slice(150).map(({ facts }) => facts.view));
});

test("runs that somebody has later are taken, and the walk begins anew above them", async () => {
  const blocks = chainOf(BLOCKS);
  let times = 0;
  const { finalize, asked, durable, done, disk } = rig(blocks.slice(100), () =>
    ++times === 1 ? [] : blocks,
  );
  finalize(blocks.at(-1)!);
  await done;
  expect(disk.blocks).toEqual(blocks);
  expect(asked).toEqual([200, 136]);
  expect(durable).toEqual(blocks.slice(135).map(({ facts }) => facts.view));
});
