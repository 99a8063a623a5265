// Reminders against a plain list: what is due and waits goes out again, in order, ever more rarely, a bounded piece.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createReminder, MAX_REMINDED, MAX_REMINDED_BYTES, MAX_WATCHED } from "#node/validators/reminder.ts";
import { type Hash, hash } from "#types/ids.ts";

const hashOf = (i: number): Hash => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, i);
  return hash(bytes);
};
const rawOf = (i: number, size: number): Uint8Array => {
  const raw = new Uint8Array(size);
  raw.set([i >> 16, (i >> 8) & 255, i & 255]);
  return raw;
};
const indexOf = (raw: Uint8Array): number =>
  ((raw[0] as number) << 16) | ((raw[1] as number) << 8) | (raw[2] as number);

function rig() {
  const pooled = new Map<Hash, Uint8Array>();
  const relayed: { readonly at: number; readonly index: number }[] = [];
  let now = 0;
  const reminder = createReminder({
    waiting: (hash) => pooled.get(hash),
    relay: (raw) => relayed.push({ at: now, index: indexOf(raw) }),
    now: () => now,
  });
  return {
    pooled,
    relayed,
    add(index: number, size = 3) {
      pooled.set(hashOf(index), rawOf(index, size));
      reminder.watch(hashOf(index));
    },
    /** Ticks four times a second until `end`. */
    run(end: number) {
      for (; now < end; now += 250) reminder.tick();
    },
  };
}

test("what waits is relayed again, each time after twice the pause; what was included is not", () => {
  const { pooled, relayed, add, run } = rig();
  add(1);
  add(2);
  run(3_000);
  expect(relayed).toEqual([1, 2].map((index) => ({ at: 2_000, index })));
  pooled.delete(hashOf(1));
  run(100_000);
  const times = relayed.filter(({ index }) => index === 2).map(({ at }) => at);
  expect(times).toEqual([2_000, 6_000, 14_000, 30_000, 62_000, 94_000]);
  expect(relayed.filter(({ index }) => index === 1)).toHaveLength(1);
});

test("only so many go out in a tick, and all of them in the end, in order", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 2, max: 7 }), (count, gone) => {
      const { pooled, relayed, add, run } = rig();
      for (let i = 0; i < count; i++) add(i);
      for (let i = 0; i < count; i += gone) pooled.delete(hashOf(i));
      run(6_000);
      const expected = Array.from({ length: count }, (_, i) => i).filter((i) => i % gone !== 0);
      expect(relayed.slice(0, expected.length).map(({ index }) => index)).toEqual(expected);
      const perTick = new Map<number, number>();
      for (const { at } of relayed) perTick.set(at, (perTick.get(at) ?? 0) + 1);
      for (const number of perTick.values()) expect(number).toBeLessThanOrEqual(MAX_REMINDED);
    }),
  );
});

test("no more are looked after than the bound says; places come free", () => {
  const { pooled, relayed, add, run } = rig();
  for (let i = 0; i <= MAX_WATCHED; i++) add(i);
  pooled.clear();
  run(4_000);
  expect(relayed).toEqual([]);
  add(MAX_WATCHED + 1);
  run(8_000);
  expect(relayed.map(({ index }) => index)).toEqual([MAX_WATCHED + 1]);
});

test("of large ones fewer go out in a tick, and one at least", () => {
  const { relayed, add, run } = rig();
  for (let i = 0; i < 6; i++) add(i, MAX_REMINDED_BYTES / 2);
  add(6, 2 * MAX_REMINDED_BYTES);
  run(2_250);
  expect(relayed.map(({ index }) => index)).toEqual([0, 1]);
  run(3_000);
  expect(relayed.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
});
