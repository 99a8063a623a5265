// What is held against peers: offences add up, time halves them, the bound blocks for longer each time, and doubts alone
// never block a member of the allow-list.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { identityFromSeed } from "#crypto/identity.ts";
import { BLOCK_SCORE, createScores, OFFENCES, type Offence } from "#net/score.ts";

const [alice, bob] = [1, 2].map((i) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey) as [
  ReturnType<typeof identityFromSeed>["publicKey"],
  ReturnType<typeof identityFromSeed>["publicKey"],
];
const MINUTE = 60_000;

test("a proven fault blocks at once, longer each time, and a first time again after hours of peace", () => {
  let now = 0;
  const scores = createScores(() => now);
  const blocks = Array.from({ length: 9 }, () => {
    now += MINUTE;
    return scores.add(alice, "malformed", false);
  });
  expect(blocks).toEqual([60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
  expect(scores.of(bob)).toBe(0);
  now += 3 * 3_600_000;
  expect(scores.add(alice, "malformed", false)).toBe(60);
});

test("a member of the allow-list is back within minutes whatever it did", () => {
  let now = 0;
  const scores = createScores(() => now);
  for (let i = 0; i < 10; i++) {
    now += MINUTE;
    expect(scores.add(alice, "badSignature", true)).toBeLessThanOrEqual(600);
  }
});

test("doubts add up and fade; enough of them block a stranger and never a member", () => {
  let now = 0;
  const scores = createScores(() => now);
  for (let i = 0; i < 4; i++) expect(scores.add(alice, "uselessReply", false)).toBeUndefined();
  expect(scores.of(alice)).toBeCloseTo(80);
  now += MINUTE;
  expect(scores.of(alice)).toBeCloseTo(40);
  for (let i = 0; i < 2; i++) expect(scores.add(alice, "uselessReply", false)).toBeUndefined();
  expect(scores.add(alice, "uselessReply", false)).toBe(60);
  for (let i = 0; i < 1_000; i++) expect(scores.add(bob, "uselessReply", true)).toBeUndefined();
  expect(scores.of(bob)).toBeLessThan(BLOCK_SCORE);
  expect(scores.add(bob, "malformed", true)).toBe(60);
});

test("a stranger that floods for long is blocked, a member is not, nor who was behind for seconds", () => {
  let now = 0;
  const scores = createScores(() => now);
  /** Seconds above the quota on so many channels at once, until a block. */
  const flood = (peer: typeof alice, channels: number, listed: boolean, most: number): number | undefined => {
    for (let second = 1; second <= most; second++) {
      now += 1_000;
      for (let i = 0; i < channels; i++)
        if (scores.add(peer, "overQuota", listed) !== undefined) return second;
    }
    return undefined;
  };
  expect(flood(alice, 1, false, 10)).toBeUndefined();
  now += 10 * MINUTE;
  expect(flood(alice, 1, false, 60)).toBeLessThanOrEqual(31);
  expect(flood(bob, 5, false, 60)).toBeLessThanOrEqual(6);
  now += 3 * 3_600_000;
  expect(flood(alice, 5, true, 600)).toBeUndefined();
});

test("whatever happens, a score is between none and the bound", () => {
  const offence = fc.constantFrom(...(Object.keys(OFFENCES) as Offence[]));
  const step = fc.record({ offence, listed: fc.boolean(), wait: fc.nat(200_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let now = 0;
      const scores = createScores(() => now);
      for (const { offence: kind, listed, wait } of steps) {
        now += wait;
        const seconds = scores.add(alice, kind, listed);
        expect(scores.of(alice)).toBeLessThan(BLOCK_SCORE);
        expect(scores.of(alice)).toBeGreaterThanOrEqual(0);
        if (seconds !== undefined) expect(seconds).toBeGreaterThanOrEqual(60);
      }
    }),
  );
});
