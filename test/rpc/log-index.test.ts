// Subscriptions to logs are found by an index: the same ones as by looking at each, and none after it was removed.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DEFAULT_RPC_LIMITS, MAX_CONNECTION_LOG_TERMS } from "#rpc/limits.ts";
import { createLogIndex, termsOf } from "#rpc/log-index.ts";
import type { LogCriteria } from "#rpc/log-query.ts";
import { createSubscriptionHub } from "#rpc/subscriptions.ts";
import { address, hash } from "#types/ids.ts";
import type { Log } from "#types/receipt.ts";
import { fakeNode } from "./fake-node.ts";

const nothing = () => undefined;
const at = (n: number) => address(`0x${n.toString(16).padStart(40, "0")}`);
const topic = (n: number) => hash(`0x${n.toString(16).padStart(64, "0")}`);

const addresses = fc.uniqueArray(fc.integer({ min: 0, max: 3 }).map(at), { maxLength: 3 });
const position = fc.uniqueArray(fc.integer({ min: 0, max: 3 }).map(topic), { maxLength: 3 });
const criteria: fc.Arbitrary<LogCriteria> = fc.record({
  addresses,
  topics: fc.array(position, { maxLength: 4 }),
});
const log: fc.Arbitrary<Log> = fc.record({
  address: fc.integer({ min: 0, max: 3 }).map(at),
  topics: fc.array(fc.integer({ min: 0, max: 3 }).map(topic), { maxLength: 4 }),
  data: fc.constant(new Uint8Array(0)),
});

/** The rule as Ethereum's clients have it, word for word. */
function fits(wanted: LogCriteria, { address: emitter, topics }: Log): boolean {
  if (wanted.addresses.length > 0 && !wanted.addresses.includes(emitter)) return false;
  if (wanted.topics.length > topics.length) return false;
  return wanted.topics.every((any, i) => any.length === 0 || any.includes(topics[i] as never));
}

test("finds whom looking at each would find, once each", () => {
  fc.assert(
    fc.property(
      fc.array(criteria, { maxLength: 12 }),
      fc.array(log, { maxLength: 6 }),
      fc.nat(),
      (all, logs, drop) => {
        const index = createLogIndex<number>();
        const removals = all.map((one, i) => index.add(one, i));
        const gone = all.length === 0 ? -1 : drop % all.length;
        removals[gone]?.();
        expect(index.size).toBe(all.length - (gone === -1 ? 0 : 1));
        for (const one of logs) {
          const expected = all.flatMap((wanted, i) => (i !== gone && fits(wanted, one) ? [i] : []));
          const found = [...index.candidates(one)].flatMap(({ value, fits: fit }) => (fit ? [value] : []));
          expect(found.sort((a, b) => a - b)).toEqual(expected);
        }
      },
    ),
    { seed: 20_261_121 },
  );
});

test("what subscriptions name is bounded for a connection and for all, and is free again", () => {
  const limits = { ...DEFAULT_RPC_LIMITS, maxAllSubscriptions: 25 };
  const hub = createSubscriptionHub(fakeNode().ports, limits);
  const wide: LogCriteria = { addresses: Array.from({ length: 1_000 }, (_, i) => at(i)), topics: [] };
  expect(termsOf(wide)).toBe(1_000);
  const most = MAX_CONNECTION_LOG_TERMS / 1_000;
  const one = hub.connect(nothing, nothing);
  expect(() => {
    for (let i = 0; i < limits.maxAllSubscriptions; i++) one.subscribe({ kind: "newHeads" });
  }).not.toThrow();
  const other = hub.connect(nothing, nothing);
  expect(() => other.subscribe({ kind: "newHeads" })).toThrow("too many subscriptions");
  one.close();
  const roomy = createSubscriptionHub(fakeNode().ports, DEFAULT_RPC_LIMITS);
  const greedy = roomy.connect(nothing, nothing);
  const ids = Array.from({ length: most }, () => greedy.subscribe({ kind: "logs", criteria: wide }));
  expect(() => greedy.subscribe({ kind: "logs", criteria: wide })).toThrow("too many addresses and topics");
  greedy.unsubscribe(ids[0] as string);
  expect(greedy.subscribe({ kind: "logs", criteria: wide })).toBeString();
  const others = Array.from({ length: 9 }, () => roomy.connect(nothing, nothing));
  for (const each of others) for (let i = 0; i < most; i++) each.subscribe({ kind: "logs", criteria: wide });
  const last = roomy.connect(nothing, nothing);
  expect(() => last.subscribe({ kind: "logs", criteria: wide })).toThrow("too many addresses and topics");
  others[0]?.close();
  expect(last.subscribe({ kind: "logs", criteria: wide })).toBeString();
});
