// The ceremony's arithmetic: against published numbers, against the signing door, and on malformed input.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { openBls } from "#crypto/bls.ts";
import { blsSharing as createBlsSharing } from "#crypto/dkg/polynomial.ts";
import type { Commitment } from "#crypto/dkg/scheme.ts";
import { concatBytes, utf8 } from "#lib/bytes.ts";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";
import { standinScheme } from "./standin.ts";

const bls = await openBls();
const blsSharing = createBlsSharing(bls);
const CONTEXT = utf8("context");
const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const pointsOf = (bytes: Uint8Array): Uint8Array[] => [0, 1, 2].map((i) => bytes.slice(48 * i, 48 * (i + 1)));
const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

interface VectorCase {
  readonly variant: string;
  readonly threshold: number;
  readonly public_polynomial: readonly string[];
  readonly group_public_key: string;
  readonly shares: readonly {
    readonly index: number;
    readonly share: string;
    readonly public_share: string;
  }[];
}

describe("public polynomials and shares of the vectors", () => {
  const dir = vectorsDir();
  if (dir === undefined) {
    reportSkipped("threshold", 4);
    return;
  }
  const file = join(dir, "crypto/threshold-synthetic/threshold.json");
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: VectorCase[] };
  const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
  for (const [i, entry] of cases.filter(({ variant }) => variant === "min_pk").entries()) {
    test(`case ${i}: ${entry.threshold} of ${entry.shares.length}`, () => {
      const polynomial = concatBytes(...entry.public_polynomial.map(bytes));
      const commitment = blsSharing.openCommitment(polynomial, entry.threshold) as Commitment;
      expect(blsSharing.publicKey(commitment).toHex()).toBe(entry.group_public_key);
      for (const { index, share, public_share: expected } of entry.shares) {
        expect(blsSharing.publicShare(commitment, index).toHex()).toBe(expected);
        expect(blsSharing.isShare(commitment, index, bytes(share))).toBe(true);
        expect(blsSharing.isShare(commitment, index + 1, bytes(share))).toBe(false);
      }
    }, 30_000);
  }
});

for (const [name, scheme] of [
  ["BLS12-381", blsSharing],
  ["the stand-in", standinScheme],
] as const) {
  describe(`${name}: dealing`, () => {
    const dealings = indices(3).map((i) => scheme.deal(seedOf(i + 1), CONTEXT, 3));
    const commitments = dealings.map(({ commitment }) => commitment);
    const sum = scheme.sumCommitments(commitments) as Commitment;
    const shareOf = (index: number): Uint8Array => scheme.sumShares(dealings.map((one) => one.share(index)));

    test("is the same for the same seed and context, and for no other", () => {
      expect(scheme.deal(seedOf(1), CONTEXT, 3).commitment.bytes).toEqual(
        (commitments[0] as Commitment).bytes,
      );
      expect(scheme.deal(seedOf(1), utf8("another"), 3).commitment.bytes).not.toEqual(
        (commitments[0] as Commitment).bytes,
      );
    });
    test("sums to shares of the summed polynomial, any q of which sign", () => {
      const message = utf8("message");
      for (const index of indices(4)) expect(scheme.isShare(sum, index, shareOf(index))).toBe(true);
      const partial = (index: number) => ({ index, partial: scheme.signPartial(shareOf(index), message) });
      for (const { index, partial: signature } of indices(4).map(partial)) {
        expect(scheme.verifyPartial(sum, index, message, signature)).toBe(true);
        expect(scheme.verifyPartial(sum, (index + 1) % 4, message, signature)).toBe(false);
      }
      const signatures = [
        [0, 1, 2],
        [1, 3, 2],
        [3, 0, 1],
      ].map((set) => scheme.recover(set.map(partial)));
      for (const signature of signatures) {
        expect(signature).toEqual(signatures[0] as Uint8Array);
        expect(scheme.verify(sum, message, signature as Uint8Array)).toBe(true);
        expect(scheme.verify(sum, utf8("other"), signature as Uint8Array)).toBe(false);
      }
      const few = scheme.recover([0, 1].map(partial)) as Uint8Array;
      expect(scheme.verify(sum, message, few)).toBe(false);
    }, 30_000);
    test("passes a key on: the same group key, other shares", () => {
      const old = [0, 2, 3];
      const resharings = old.map((index) => scheme.deal(seedOf(50 + index), CONTEXT, 4, shareOf(index)));
      for (const [i, { commitment }] of resharings.entries()) {
        expect(scheme.publicKey(commitment)).toEqual(scheme.publicShare(sum, old[i] as number));
      }
      const fresh = scheme.interpolateCommitments(
        old,
        resharings.map((one) => one.commitment),
      ) as Commitment;
      expect(scheme.publicKey(fresh)).toEqual(scheme.publicKey(sum));
      for (const index of indices(5)) {
        const share = scheme.interpolateShares(
          old,
          resharings.map((one) => one.share(index)),
        );
        expect(scheme.isShare(fresh, index, share)).toBe(true);
        expect(scheme.isShare(sum, index, share)).toBe(false);
      }
    }, 30_000);
    test("refuses commitments and shares with any byte changed, and wrong lengths", () => {
      const [first] = commitments as [Commitment];
      const share = (dealings[0] as (typeof dealings)[number]).share(0);
      expect(scheme.openCommitment(first.bytes, 2)).toBeUndefined();
      expect(scheme.openCommitment(first.bytes.subarray(1), 3)).toBeUndefined();
      expect(scheme.openCommitment(new Uint8Array(first.bytes.length), 3)).toBeUndefined();
      expect(scheme.isShare(first, 0, share.subarray(1))).toBe(false);
      expect(scheme.isShare(first, 0, new Uint8Array(share.length).fill(0xff))).toBe(false);
      fc.assert(
        fc.property(fc.nat(share.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
          const other = share.slice();
          other[at] = (other[at] as number) ^ by;
          expect(scheme.isShare(first, 0, other)).toBe(false);
        }),
        { numRuns: 20 },
      );
    });
  });
}

describe("points that look right and are not", () => {
  const right = blsSharing.deal(seedOf(9), CONTEXT, 1).commitment.bytes;
  const open = (bytes: Uint8Array): unknown => blsSharing.openCommitment(bytes, 1);

  test("infinity, off the curve, outside the subgroup, flags that contradict", () => {
    expect(open(right)).toBeDefined();
    expect(open(Uint8Array.from([0xc0, ...new Uint8Array(47)]))).toBeUndefined();
    expect(open(Uint8Array.from([(right[0] as number) & 0x7f, ...right.subarray(1)]))).toBeUndefined();
    expect(open(Uint8Array.from([(right[0] as number) | 0x40, ...right.subarray(1)]))).toBeUndefined();
    // x = 4 is on the curve (64 + 4 is a square) or not; walk to one that is, and is outside the subgroup.
    const { Fp } = bls12_381.fields;
    let found = 0;
    for (let x = 0n; found < 3; x++) {
      const square = Fp.add(Fp.pow(x, 3n), 4n);
      const bytes = Fp.toBytes(x);
      bytes[0] = (bytes[0] as number) | 0x80;
      expect(open(bytes)).toBeUndefined();
      if (Fp.eql(Fp.pow(square, (Fp.ORDER - 1n) / 2n), Fp.ONE)) found++;
    }
  });
  test("partials and recovered signatures are the signing door's", () => {
    const message = utf8("message");
    const dealing = blsSharing.deal(seedOf(3), CONTEXT, 3);
    const partials = indices(3).map((index) => ({
      index,
      partial: blsSharing.signPartial(dealing.share(index), message),
    }));
    expect(
      blsSharing.recover([...partials.slice(1), { index: 0, partial: new Uint8Array(96) }]),
    ).toBeUndefined();
    const key = blsSharing.publicKey(dealing.commitment);
    expect(bls.verify(key, message, blsSharing.recover(partials) as Uint8Array)).toBe(true);
    expect(bls.evaluate(pointsOf(dealing.commitment.bytes), 1)).toEqual(
      blsSharing.publicShare(dealing.commitment, 1),
    );
  }, 30_000);
});
