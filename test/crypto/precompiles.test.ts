// The curves behind the precompiles against another implementation, on inputs nobody publishes: multiples that meet
// each other, points outside their groups, coordinates that are no elements, terms that vanish.
import { describe, expect, test } from "bun:test";
import { NobleBLS, NobleBN254 } from "@ethereumjs/evm";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { p256 } from "@noble/curves/nist.js";
import fc from "fast-check";
import { type Bls12381, loadBls12381 } from "#crypto/precompiles/bls12381.ts";
import { loadBn254 } from "#crypto/precompiles/bn254.ts";
import { openNativeGroups } from "#crypto/precompiles/native-groups.ts";
import { loadP256 } from "#crypto/precompiles/p256.ts";
import { bytesToBigint, concatBytes } from "#lib/bytes.ts";

const RUNS = { numRuns: 25, verbose: 1 } as const;

function fixed(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.fromHex(value.toString(16).padStart(2 * bytes, "0"));
}

/** What the other implementation answers, undefined where it throws. */
function attempt(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** Small scalars meet each other and the ends of the group; large ones go beyond its order. */
const scalar = fc.oneof(
  fc.bigInt({ min: 0n, max: 5n }),
  fc
    .constantFrom(bn254.fields.Fr.ORDER, bls12_381.fields.Fr.ORDER)
    .chain((order) => fc.constantFrom(order, order - 1n)),
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
);
/** A byte to change, and how. */
const damage = fc.option(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { nil: undefined, freq: 3 });

function damaged(bytes: Uint8Array, edit: readonly [number, number] | undefined): Uint8Array {
  if (edit === undefined || bytes.length === 0) return bytes;
  const at = edit[0] % bytes.length;
  return bytes.with(at, (bytes[at] as number) ^ edit[1]);
}

interface Affine<T> {
  toAffine(): { x: T; y: T };
  is0(): boolean;
}

describe("alt_bn128", () => {
  const { G1, G2, fields } = bn254;
  const g1 = (k: bigint): Uint8Array => wire(G1.Point.BASE.multiplyUnsafe(k % fields.Fr.ORDER));
  const g2 = (k: bigint): Uint8Array => wire2(G2.Point.BASE.multiplyUnsafe(k % fields.Fr.ORDER));
  function wire(point: Affine<bigint>): Uint8Array {
    if (point.is0()) return new Uint8Array(64);
    const { x, y } = point.toAffine();
    return concatBytes(fixed(x, 32), fixed(y, 32));
  }
  function wire2(point: Affine<{ c0: bigint; c1: bigint }>): Uint8Array {
    if (point.is0()) return new Uint8Array(128);
    const { x, y } = point.toAffine();
    return concatBytes(...[x.c1, x.c0, y.c1, y.c0].map((value) => fixed(value, 32)));
  }
  const other = new NobleBN254();

  test("sums and multiples", async () => {
    const ours = await loadBn254();
    fc.assert(
      fc.property(scalar, scalar, damage, (a, b, edit) => {
        const sum = damaged(concatBytes(g1(a), g1(b)), edit);
        expect(ours.add(sum)).toEqual(attempt(() => other.add(sum)));
        const product = damaged(concatBytes(g1(a), fixed(b % 2n ** 256n, 32)), edit);
        expect(ours.multiply(product)).toEqual(attempt(() => other.mul(product)));
      }),
      RUNS,
    );
  });

  test("pairings, whose product is one exactly if the scalars say so", async () => {
    const ours = await loadBn254();
    fc.assert(
      fc.property(fc.array(fc.tuple(scalar, scalar), { maxLength: 3 }), fc.boolean(), (pairs, balanced) => {
        const sum = pairs.reduce((total, [a, b]) => total + a * b, 0n);
        const order = fields.Fr.ORDER;
        const closing = balanced ? [concatBytes(g1(order - (sum % order)), g2(1n))] : [];
        const input = concatBytes(...pairs.map(([a, b]) => concatBytes(g1(a), g2(b))), ...closing);
        expect(ours.isPairingOne(input)).toBe(balanced || sum % order === 0n);
      }),
      RUNS,
    );
  });

  test("many pairs, in more than one Miller loop", async () => {
    const ours = await loadBn254();
    const pairs = Array.from({ length: 70 }, (_, i) =>
      concatBytes(g1(BigInt(i % 2 === 0 ? 7 : -7) + fields.Fr.ORDER), g2(3n)),
    );
    expect(ours.isPairingOne(concatBytes(...pairs))).toBe(true);
    expect(ours.isPairingOne(concatBytes(...pairs.slice(1)))).toBe(false);
  });

  /** A point of the twist with this real part of x, if there is one. */
  function onTwist(real: bigint): InstanceType<typeof G2.Point> | undefined {
    const { Fp2 } = fields;
    const x = Fp2.create({ c0: real, c1: 1n });
    const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), G2.Point.CURVE().b);
    try {
      return G2.Point.fromAffine({ x, y: Fp2.sqrt(right) });
    } catch {
      return undefined;
    }
  }

  test("points of the twist outside the group are refused, those of small order among them", async () => {
    const ours = await loadBn254();
    const cofactor = 2n * fields.Fp.ORDER - fields.Fr.ORDER;
    let refused = 0;
    for (let real = 1n; real < 30n; real++) {
      const point = onTwist(real);
      if (point === undefined) continue;
      const outside = multiply(point, fields.Fr.ORDER);
      // 10069 is the cofactor's smallest prime factor.
      const candidates = [point, outside, multiply(outside, cofactor / 10_069n)];
      for (const candidate of candidates) {
        const input = concatBytes(g1(1n), wire2(candidate));
        expect(ours.isPairingOne(input)).toBe(candidate.is0() ? true : undefined);
        refused++;
      }
      const inside = concatBytes(g1(1n), wire2(multiply(point, cofactor)));
      expect(ours.isPairingOne(inside)).toBe(false);
    }
    expect(refused).toBeGreaterThan(20);
  });

  /** k · point for any k: the library's own reduces by the order. */
  function multiply<P extends { double(): P; add(other: P): P }>(point: P, k: bigint): P {
    let sum = point;
    for (const bit of k.toString(2).slice(1)) {
      sum = sum.double();
      if (bit === "1") sum = sum.add(point);
    }
    return sum;
  }
});

const TAU = concatBytes(...pointG2(bls12_381.G2.Point.BASE.multiply(99n)));

function pointG1(point: Affine<bigint>): Uint8Array[] {
  if (point.is0()) return [new Uint8Array(128)];
  const { x, y } = point.toAffine();
  return [fixed(x, 64), fixed(y, 64)];
}
function pointG2(point: Affine<{ c0: bigint; c1: bigint }>): Uint8Array[] {
  if (point.is0()) return [new Uint8Array(256)];
  const { x, y } = point.toAffine();
  return [x.c0, x.c1, y.c0, y.c1].map((value) => fixed(value, 64));
}

const native = openNativeGroups();
for (const groups of native === undefined ? (["mcl"] as const) : (["mcl", "native"] as const)) {
  describe(`BLS12-381 with groups checked by ${groups}`, () => {
    const { G1, G2, fields } = bls12_381;
    const order = fields.Fr.ORDER;
    const open = (): Promise<Bls12381> => loadBls12381(TAU, groups === "native" ? native : undefined);
    const g1 = (k: bigint): Uint8Array => concatBytes(...pointG1(G1.Point.BASE.multiplyUnsafe(k % order)));
    const g2 = (k: bigint): Uint8Array => concatBytes(...pointG2(G2.Point.BASE.multiplyUnsafe(k % order)));
    const other = new NobleBLS();
    const terms = fc.array(fc.tuple(scalar, scalar), { minLength: 1, maxLength: 4 });

    test("sums over terms", async () => {
      const ours = await open();
      fc.assert(
        fc.property(terms, damage, (pairs, edit) => {
          for (const [point, sum, reference] of [
            [g1, ours.sumG1, other.msmG1],
            [g2, ours.sumG2, other.msmG2],
          ] as const) {
            const input = damaged(
              concatBytes(
                ...pairs.map(([k, factor]) => concatBytes(point(k), fixed(factor % 2n ** 256n, 32))),
              ),
              edit,
            );
            const termBytes = input.length / pairs.length;
            const padded = input.some((byte, i) => {
              const within = i % termBytes;
              return within < termBytes - 32 && within % 64 < 16 && byte !== 0;
            });
            // The other implementation leaves the padding to its caller.
            expect(sum(input)).toEqual(padded ? undefined : attempt(() => reference.call(other, input)));
          }
        }),
        RUNS,
      );
    });

    test("a long sum, in more than one part", async () => {
      const ours = await open();
      const input = concatBytes(
        ...Array.from({ length: 300 }, (_, i) => concatBytes(g1(BigInt(i % 5)), fixed(BigInt(i), 32))),
      );
      const expected = Array.from({ length: 300 }, (_, i) => BigInt(i % 5) * BigInt(i)).reduce(
        (a, b) => a + b,
      );
      expect(ours.sumG1(input)).toEqual(g1(expected));
    });

    test("points on the curves but outside the groups may be added, and nothing else", async () => {
      const ours = await open();
      const { Fp2 } = fields;
      const outside1 = G1.Point.fromAffine({ x: 0n, y: 2n });
      let x2 = Fp2.create({ c0: 0n, c1: 0n });
      let y2: typeof x2 | undefined;
      for (let c0 = 1n; y2 === undefined; c0++) {
        x2 = Fp2.create({ c0, c1: 2n });
        const right = Fp2.add(Fp2.mul(Fp2.sqr(x2), x2), Fp2.create({ c0: 4n, c1: 4n }));
        try {
          y2 = Fp2.sqrt(right);
        } catch {
          y2 = undefined;
        }
      }
      const outside2 = G2.Point.fromAffine({ x: x2, y: y2 });
      const wire1 = concatBytes(...pointG1(outside1));
      const wire2 = concatBytes(...pointG2(outside2));
      expect(ours.addG1(concatBytes(wire1, wire1))).toEqual(concatBytes(...pointG1(outside1.double())));
      expect(ours.addG2(concatBytes(wire2, wire2))).toEqual(concatBytes(...pointG2(outside2.double())));
      expect(ours.sumG1(concatBytes(wire1, fixed(1n, 32)))).toBeUndefined();
      expect(ours.sumG1(concatBytes(wire1, fixed(0n, 32)))).toBeUndefined();
      expect(ours.sumG2(concatBytes(wire2, fixed(1n, 32)))).toBeUndefined();
      expect(ours.isPairingOne(concatBytes(wire1, g2(0n)))).toBeUndefined();
      expect(ours.isPairingOne(concatBytes(g1(0n), wire2))).toBeUndefined();
    });

    test("pairings", async () => {
      const ours = await open();
      fc.assert(
        fc.property(fc.array(fc.tuple(scalar, scalar), { maxLength: 3 }), fc.boolean(), (pairs, balanced) => {
          const sum = pairs.reduce((total, [a, b]) => total + a * b, 0n);
          const closing = balanced ? [concatBytes(g1(order - (sum % order)), g2(1n))] : [];
          const input = concatBytes(...pairs.map(([a, b]) => concatBytes(g1(a), g2(b))), ...closing);
          expect(ours.isPairingOne(input)).toBe(balanced || sum % order === 0n);
        }),
        RUNS,
      );
    });

    test("maps of random and extreme elements", async () => {
      const ours = await open();
      const element = fc.oneof(
        fc.constantFrom(0n, 1n, fields.Fp.ORDER - 1n),
        fc.bigInt({ min: 0n, max: fields.Fp.ORDER - 1n }),
      );
      fc.assert(
        fc.property(element, element, (a, b) => {
          const one = fixed(a, 64);
          expect(ours.mapToG1(one)).toEqual(other.mapFPtoG1(one));
          const two = concatBytes(one, fixed(b, 64));
          expect(ours.mapToG2(two)).toEqual(other.mapFP2toG2(two));
        }),
        RUNS,
      );
      expect(ours.mapToG1(fixed(fields.Fp.ORDER, 64))).toBeUndefined();
    });

    test("evaluations of the polynomial X + c under a ceremony whose secret is known", async () => {
      const ours = await open();
      fc.assert(
        fc.property(scalar, scalar, fc.boolean(), (shift, at, honest) => {
          const [c, z] = [shift % order, at % order];
          const commitment = G1.Point.BASE.multiplyUnsafe((99n + c) % order).toBytes(true);
          // (p(X) − p(z)) / (X − z) = 1.
          const proof = G1.Point.BASE.toBytes(true);
          const y = (z + c + (honest ? 0n : 1n)) % order;
          expect(ours.isEvaluation(commitment, fixed(z, 32), fixed(y, 32), proof)).toBe(honest);
          expect(ours.isEvaluation(commitment, fixed(order, 32), fixed(y, 32), proof)).toBe(false);
        }),
        RUNS,
      );
    });
  });
}

describe("P-256", () => {
  test("signatures, damaged and sound", async () => {
    const ours = await loadP256();
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.oneof(fc.constant(new Uint8Array(32)), fc.uint8Array({ minLength: 32, maxLength: 32 })),
        damage,
        (seed, hash, edit) => {
          const secret = fixed((bytesToBigint(seed) % (p256.Point.CURVE().n - 1n)) + 1n, 32);
          const key = p256.getPublicKey(secret, false).subarray(1);
          const signature = p256.sign(hash, secret, { prehash: false, lowS: false });
          const input = damaged(concatBytes(hash, signature, key), edit);
          expect(ours.verify(input)).toBe(edit === undefined || edit[1] === 0);
        },
      ),
      { numRuns: 60, verbose: 1 },
    );
  });
});
