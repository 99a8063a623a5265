// The key index against a Map, and SipHash against a second implementation in bigints.
import { describe, expect, test } from "bun:test";
import { createKeyIndex } from "#state/keyindex.ts";
import { createFingerprinter } from "#state/siphash.ts";
import { createRng } from "../support/rng.ts";

const MASK = 2n ** 64n - 1n;

function sipHash13(secret: Uint8Array, message: Uint8Array): bigint {
  const word = (bytes: Uint8Array, at: number): bigint =>
    new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & MASK;
  let [a, b, c, d] = [
    word(secret, 0) ^ 0x736f6d6570736575n,
    word(secret, 8) ^ 0x646f72616e646f6dn,
    word(secret, 0) ^ 0x6c7967656e657261n,
    word(secret, 8) ^ 0x7465646279746573n,
  ];
  const round = (): void => {
    a = (a + b) & MASK;
    b = rotate(b, 13n) ^ a;
    a = rotate(a, 32n);
    c = (c + d) & MASK;
    d = rotate(d, 16n) ^ c;
    a = (a + d) & MASK;
    d = rotate(d, 21n) ^ a;
    c = (c + b) & MASK;
    b = rotate(b, 17n) ^ c;
    c = rotate(c, 32n);
  };
  const words = Array.from({ length: message.length / 8 }, (_, i) => word(message, i * 8));
  for (const m of [...words, BigInt(message.length) << 56n]) {
    d ^= m;
    round();
    a ^= m;
  }
  c ^= 0xffn;
  round();
  round();
  round();
  return a ^ b ^ c ^ d;
}

test("fingerprints are SipHash-1-3", () => {
  const rng = createRng(1);
  for (let i = 0; i < 500; i++) {
    const secret = rng.bytes(16);
    const data = rng.bytes(40);
    const out = new Uint32Array(2);
    createFingerprinter(secret, out)(data, 8);
    expect((BigInt(out[0]!) << 32n) | BigInt(out[1]!)).toBe(sipHash13(secret, data.slice(8)));
  }
});

describe("key index", () => {
  test.each([0, 2 ** 32 - 500, 2 ** 40])("against a Map, floor at %d", (floor) => {
    const rng = createRng(2);
    const index = createKeyIndex();
    index.setFloor(floor);
    // Few distinct words: long runs, equal fingerprints, wrap-around.
    const word = (): number => (rng.chance(0.5) ? 2 ** 32 - 1 - rng.below(4) : rng.below(2 ** 32));
    const held = new Map<string, { high: number; low: number; sns: number[] }>();
    let next = floor;
    for (let step = 0; step < 20_000; step++) {
      const roll = rng.unit();
      const entries = [...(roll < 0.5 ? [] : held.values())];
      if (entries.length === 0) {
        const high = word();
        const low = word();
        const name = `${high}/${low}`;
        const entry = held.get(name) ?? { high, low, sns: [] };
        held.set(name, entry);
        if (entry.sns.length > 20) continue;
        entry.sns.push(next);
        index.insert(high, low, next++);
        continue;
      }
      if (step % 50 !== 0 && roll < 0.9) continue;
      const entry = rng.pick(entries);
      const sn = rng.pick(entry.sns);
      entry.sns.splice(entry.sns.indexOf(sn), 1);
      if (roll < 0.75) {
        entry.sns.push(next);
        index.replace(entry.high, entry.low, sn, next++);
      } else {
        index.remove(entry.high, entry.low, sn);
        if (entry.sns.length === 0) held.delete(`${entry.high}/${entry.low}`);
      }
    }
    const check = (): void => {
      let size = 0;
      for (const { high, low, sns } of held.values()) {
        size += sns.length;
        const found = sns.map((_, nth) => index.find(high, low, nth)).sort((x, y) => x - y);
        expect(found).toEqual([...sns].sort((x, y) => x - y));
        expect(index.find(high, low, sns.length)).toBe(-1);
      }
      expect(index.size).toBe(size);
    };
    check();
    const dumped = index.dump().map((shard) => shard.slice());
    index.clear();
    expect(index.size).toBe(0);
    expect(index.load(dumped)).toBe(true);
    check();
    expect(index.load(dumped.slice(1))).toBe(false);
  });
});
