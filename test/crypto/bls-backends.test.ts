// The three BLS12-381 implementations against each other: the same bytes, the same verdicts, the same refusals.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import {
  evaluateScalar,
  invertScalar,
  lagrangeAtZero,
  reduceScalar,
  scalarBytes,
} from "#crypto/bls/scalar.ts";
import { selfTest } from "#crypto/bls/self-test.ts";
import type { BlsBackend, SignatureClaim } from "#crypto/bls/types.ts";
import { blsOver, loadBlsBackend, openBls } from "#crypto/bls.ts";
import { utf8 } from "#lib/bytes.ts";
import { haveVectors, hex, readVectors } from "./vector-files.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const backends = await Promise.all((["noble", "mcl", "blst"] as const).map((name) => loadBlsBackend(name)));
const [noble, mcl, blst] = backends as [BlsBackend, BlsBackend, BlsBackend];
const { G1, G2 } = bls12_381;
type Fp2 = { readonly c0: bigint; readonly c1: bigint };

const scalar = fc
  .uint8Array({ minLength: 48, maxLength: 48 })
  .map(reduceScalar)
  .filter((value) => value !== 0n);
const message = fc.uint8Array({ maxLength: 200 });

/** What every implementation answers; fails unless they agree. */
function agreed<T>(ask: (backend: BlsBackend) => T): T {
  const answers = backends.map(ask);
  expect(answers[1]).toEqual(answers[0]!);
  expect(answers[2]).toEqual(answers[0]!);
  return answers[0]!;
}

test("each passes the self-test, which each of these defects fails", () => {
  for (const backend of backends) expect(selfTest(backend)).toBeUndefined();
  const defects: Partial<BlsBackend>[] = [
    { sign: (secret, text) => mcl.sign(secret, utf8(`${text}`)) },
    { isSignature: () => true },
    { isPublicKey: (bytes) => bytes.length === 48 },
    { verifyAll: () => true },
    { verifyAll: (claims) => claims.length === 1 && mcl.verifyAll(claims) },
    { combine: (signatures) => signatures[0] },
    { evaluate: () => undefined },
  ];
  for (const defect of defects) expect(selfTest({ ...mcl, ...defect })).toBeString();
});

test("the native one is chosen here, and any can be asked for", async () => {
  const chosen = await openBls();
  expect(chosen.rejected).toEqual([]);
  expect(chosen.backend).toBe("blst");
  for (const name of ["noble", "mcl", "blst"] as const) expect((await openBls(name)).backend).toBe(name);
});

test("public keys and signatures are the same bytes", () => {
  fc.assert(
    fc.property(scalar, message, (value, text) => {
      const secret = scalarBytes(value);
      const publicKey = agreed((backend) => backend.publicKey(secret));
      const signature = agreed((backend) => backend.sign(secret, text));
      const claim = { publicKey, message: text, signature };
      expect(agreed((backend) => backend.verifyAll([claim]))).toBe(true);
      expect(agreed((backend) => backend.isPublicKey(publicKey) && backend.isSignature(signature))).toBe(
        true,
      );
    }),
    { numRuns: 15 },
  );
});

test("edge scalars", () => {
  const order = bls12_381.fields.Fr.ORDER;
  for (const value of [1n, 2n, order - 1n, order - 2n, (order + 1n) / 2n, 1n << 254n]) {
    const secret = scalarBytes(value);
    agreed((backend) => backend.publicKey(secret));
    agreed((backend) => backend.sign(secret, utf8("kora")));
  }
});

test("any q of n recover the one signature of the group", () => {
  fc.assert(
    fc.property(
      fc.array(scalar, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 4 }),
      fc.nat(),
      (coefficients, spare, seed) => {
        const q = coefficients.length;
        const indices = Array.from({ length: q + spare }, (_, i) => i);
        indices.sort((a, b) => ((a * 7919 + seed) % 31) - ((b * 7919 + seed) % 31));
        const chosen = indices.slice(0, q);
        const text = utf8(`message ${seed}`);
        const partials = chosen.map((i) => mcl.sign(scalarBytes(evaluateScalar(coefficients, i + 1)), text));
        const { weights, divisor } = lagrangeAtZero(chosen);
        const recovered = agreed((backend) => backend.combine(partials, weights, divisor));
        expect(recovered).toEqual(mcl.sign(scalarBytes(coefficients[0]!), text));
        const polynomial = coefficients.map((c) => mcl.publicKey(scalarBytes(c)));
        for (const i of chosen) {
          const share = scalarBytes(evaluateScalar(coefficients, i + 1));
          expect(agreed((backend) => backend.evaluate(polynomial, i + 1))).toEqual(mcl.publicKey(share));
        }
      },
    ),
    { numRuns: 12 },
  );
});

test("integer weights are Lagrange's coefficients", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 40 }),
      fc.array(scalar, { minLength: 40, maxLength: 40 }),
      (indices, coefficients) => {
        const { Fr } = bls12_381.fields;
        const polynomial = coefficients.slice(0, indices.length);
        const { weights, divisor } = lagrangeAtZero(indices);
        const sum = indices.reduce(
          (total, index, i) =>
            Fr.add(total, Fr.mul(Fr.create(weights[i]!), evaluateScalar(polynomial, index + 1))),
          0n,
        );
        expect(Fr.mul(sum, invertScalar(divisor))).toBe(polynomial[0]!);
      },
    ),
    { numRuns: 60 },
  );
});

test("recovery from 67 of 100", () => {
  const coefficients = Array.from({ length: 67 }, (_, i) => reduceScalar(new Uint8Array(48).fill(i + 1)));
  const indices = Array.from({ length: 100 }, (_, i) => (i * 37) % 100).slice(0, 67);
  const text = utf8("kora");
  const partials = indices.map((i) => blst.sign(scalarBytes(evaluateScalar(coefficients, i + 1)), text));
  const { weights, divisor } = lagrangeAtZero(indices);
  const recovered = agreed((backend) => backend.combine(partials, weights, divisor));
  expect(recovered).toEqual(blst.sign(scalarBytes(coefficients[0]!), text));
});

test("recovery from 171 of 256, whose weights exceed the group's order", () => {
  const indices = Array.from({ length: 171 }, (_, i) => i + 85);
  const coefficients = indices.map((i) => reduceScalar(new Uint8Array(48).fill(i)));
  const { weights, divisor } = lagrangeAtZero(indices);
  expect(weights.some((weight) => weight > bls12_381.fields.Fr.ORDER)).toBe(true);
  const text = utf8("kora");
  const partials = indices.map((i) => blst.sign(scalarBytes(evaluateScalar(coefficients, i + 1)), text));
  const recovered = agreed((backend) => backend.combine(partials, weights, divisor));
  expect(recovered).toEqual(blst.sign(scalarBytes(coefficients[0]!), text));
});

describe("a product of pairings", () => {
  const secrets = [3n, 5n, 7n].map(scalarBytes);
  const texts = ["a", "b", "c"].map(utf8);
  const claim = (key: number, text: number): SignatureClaim => ({
    publicKey: blst.publicKey(secrets[key]!),
    message: texts[text]!,
    signature: blst.sign(secrets[key]!, texts[text]!),
  });
  const sets: Record<string, SignatureClaim[]> = {
    "one key, several messages": [claim(0, 0), claim(0, 1), claim(0, 2)],
    "one message, several keys": [claim(0, 0), claim(1, 0), claim(2, 0)],
    mixed: [claim(0, 0), claim(0, 1), claim(1, 0), claim(2, 2)],
    "the same claim twice": [claim(0, 0), claim(0, 0)],
  };
  for (const [name, claims] of Object.entries(sets)) {
    test(`${name}: true only while each claim is`, () => {
      expect(agreed((backend) => backend.verifyAll(claims))).toBe(true);
      for (const i of claims.keys()) {
        const swapped = claims.map((c, j) => (i === j ? { ...c, signature: claim(1, 2).signature } : c));
        expect(agreed((backend) => backend.verifyAll(swapped))).toBe(false);
      }
    });
  }
  test("errors that cancel in a plain sum do not pass", () => {
    const [a, b] = [claim(0, 0), claim(1, 1)];
    const delta = G2.Point.BASE;
    const shifted = [
      { ...a, signature: G2.Point.fromBytes(a.signature).add(delta).toBytes() },
      { ...b, signature: G2.Point.fromBytes(b.signature).subtract(delta).toBytes() },
    ];
    expect(agreed((backend) => backend.verifyAll(shifted))).toBe(false);
  });
  test("opposite keys for one message", () => {
    const key = G1.Point.fromBytes(claim(0, 0).publicKey).negate().toBytes();
    const signature = G2.Point.fromBytes(claim(0, 0).signature).negate().toBytes();
    const opposite = [claim(0, 0), { ...claim(0, 0), publicKey: key, signature }];
    expect(agreed((backend) => backend.verifyAll(opposite))).toBe(true);
  });
  test("an empty set is never true", () => {
    expect(agreed((backend) => backend.verifyAll([]))).toBe(false);
    expect(blsOver(mcl).verifyAll([])).toBe(false);
  });
});

describe("malformed points are refused alike", () => {
  const prime =
    0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;
  const key = noble.publicKey(scalarBytes(5n));
  const signature = noble.sign(scalarBytes(5n), utf8("kora"));

  /** On the curve, outside the subgroup: the first x for which the reference says so. */
  function outsideSubgroup(length: number, decode: (bytes: Uint8Array) => unknown): Uint8Array {
    for (let x = 1; x < 100; x++) {
      const bytes = new Uint8Array(length);
      bytes[0] = 0x80;
      bytes[length - 1] = x;
      try {
        decode(bytes);
      } catch (error) {
        if (String(error).includes("subgroup")) return bytes;
      }
    }
    throw new Error("no point found");
  }
  function variants(good: Uint8Array, half: number): Record<string, Uint8Array> {
    const first = good[0]!;
    const withFirst = (byte: number): Uint8Array => good.with(0, byte);
    const x = BigInt(
      `0x${good
        .with(0, first & 0x1f)
        .subarray(0, 48)
        .toHex()}`,
    );
    const raised = x + prime;
    const fits = raised < 1n << 381n;
    const aboveField = hex((fits ? raised : prime).toString(16).padStart(96, "0"));
    aboveField[0] = aboveField[0]! | (first & 0xe0);
    return {
      empty: new Uint8Array(),
      "one byte short": good.subarray(1),
      "one byte long": new Uint8Array([...good, 0]),
      "no compression flag": withFirst(first & 0x7f),
      "infinity flag on a point": withFirst(first | 0x40),
      infinity: new Uint8Array(good.length).with(0, 0xc0),
      "infinity with a sign": new Uint8Array(good.length).with(0, 0xe0),
      "x not below the prime": new Uint8Array([...aboveField, ...good.subarray(48)]),
      "x is the prime": new Uint8Array([...hex(`9${prime.toString(16).slice(1)}`), ...good.subarray(48)]),
      "all ones": new Uint8Array(good.length).fill(0xff),
      zeros: new Uint8Array(good.length),
      uncompressed: new Uint8Array(half * 2),
    };
  }
  const keys = {
    ...variants(key, 48),
    "outside the subgroup": outsideSubgroup(48, (bytes) => G1.Point.fromBytes(bytes).assertValidity()),
    "a signature": signature,
  };
  const signatures = {
    ...variants(signature, 96),
    "outside the subgroup": outsideSubgroup(96, (bytes) => G2.Point.fromBytes(bytes).assertValidity()),
    "a key": key,
  };
  test("as public keys", () => {
    for (const [name, bytes] of Object.entries(keys)) {
      const verdicts = backends.map((backend) => backend.isPublicKey(bytes));
      expect({ name, verdicts }).toEqual({ name, verdicts: [false, false, false] });
      const claim = { publicKey: bytes, message: utf8("kora"), signature };
      expect(agreed((backend) => backend.verifyAll([claim]))).toBe(false);
      expect(agreed((backend) => backend.evaluate([key, bytes], 1))).toBeUndefined();
    }
  });
  test("as signatures", () => {
    for (const [name, bytes] of Object.entries(signatures)) {
      const verdicts = backends.map((backend) => backend.isSignature(bytes));
      expect({ name, verdicts }).toEqual({ name, verdicts: [false, false, false] });
      const claim = { publicKey: key, message: utf8("kora"), signature: bytes };
      expect(agreed((backend) => backend.verifyAll([claim]))).toBe(false);
      expect(agreed((backend) => backend.combine([signature, bytes], [1n, 1n], 1n))).toBeUndefined();
    }
  });
  /** The compressed form, which the library only gives to valid points. */
  function compress({ x, y }: { x: Fp2; y: Fp2 }): Uint8Array {
    const digits = (value: bigint): string => value.toString(16).padStart(96, "0");
    const bytes = hex(digits(x.c1) + digits(x.c0));
    const larger = y.c1 === 0n ? y.c0 > prime / 2n : y.c1 > prime / 2n;
    bytes[0] = bytes[0]! | 0x80 | (larger ? 0x20 : 0);
    return bytes;
  }
  test("a good signature shifted by a point outside the subgroup", () => {
    const { Fp2, Fr } = bls12_381.fields;
    const x = Fp2.fromBigTuple([2n, 0n]);
    const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.fromBigTuple([4n, 4n])));
    const point = G2.Point.fromAffine({ x, y });
    const torsion = point.multiplyUnsafe(Fr.ORDER - 1n).add(point);
    const honest = G2.Point.fromBytes(signature);
    const shifted = honest.add(torsion);
    expect(shifted.equals(honest)).toBe(false);
    const bytes = compress(shifted.toAffine());
    expect(compress(honest.toAffine())).toEqual(signature);
    expect(agreed((backend) => backend.isSignature(bytes))).toBe(false);
  });
  test("random bytes with good flags: the same verdict everywhere", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 96, maxLength: 96 }), (bytes) => {
        bytes[0] = 0x80 | (bytes[0]! & 0x3f & 0x1f);
        agreed((backend) => backend.isPublicKey(bytes.subarray(0, 48)));
        agreed((backend) => backend.isSignature(bytes));
      }),
      { numRuns: 40 },
    );
  });
  test.skipIf(!haveVectors)("Wycheproof's keys and signatures", () => {
    type File = { testGroups: { publicKey: { pk: string }; tests: { sig: string }[] }[] };
    for (const group of readVectors<File>("wycheproof/bls_sig_g2_basic_verify_test.json").testGroups) {
      agreed((backend) => backend.isPublicKey(hex(group.publicKey.pk)));
      for (const { sig } of group.tests) agreed((backend) => backend.isSignature(hex(sig)));
    }
  });
});
