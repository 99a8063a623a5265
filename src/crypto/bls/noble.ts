// The reference implementation, on @noble/curves: what the others are compared with, and what works everywhere.
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { utf8 } from "#lib/bytes.ts";
import { groupClaims, hasPublicKeyForm, hasSignatureForm } from "./points.ts";
import { invertScalar } from "./scalar.ts";
import { type BlsBackend, SIGNATURE_TAG, type SignatureClaim } from "./types.ts";

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
const scheme = bls12_381.longSignatures;
/** A point of the group of public keys. */
export type G1Point = InstanceType<typeof bls12_381.G1.Point>;
type G2Point = InstanceType<typeof G2>;

/** The point of a public key; undefined for bytes that are none (see types.ts). */
export function openPublicKey(bytes: Uint8Array): G1Point | undefined {
  if (!hasPublicKeyForm(bytes)) return undefined;
  try {
    const point = G1.fromBytes(bytes);
    point.assertValidity();
    return point;
  } catch {
    return undefined;
  }
}

function openSignature(bytes: Uint8Array): G2Point | undefined {
  if (!hasSignatureForm(bytes)) return undefined;
  try {
    const point = G2.fromBytes(bytes);
    point.assertValidity();
    return point;
  } catch {
    return undefined;
  }
}

type Hasher = (message: Uint8Array) => G2Point;

function verifyAll(hashToCurve: Hasher, claims: readonly SignatureClaim[]): boolean {
  if (claims.length === 0) return false;
  const { by, groups } = groupClaims(claims);
  const pairs: { g1: G1Point; g2: G2Point }[] = [];
  let signatures = G2.ZERO;
  for (const group of groups) {
    let keys = G1.ZERO;
    let messages = G2.ZERO;
    for (const { claim, coefficient } of group) {
      const key = openPublicKey(claim.publicKey);
      const signature = openSignature(claim.signature);
      if (key === undefined || signature === undefined) return false;
      signatures = signatures.add(signature.multiplyUnsafe(coefficient));
      if (by === "publicKey") {
        keys = key;
        messages = messages.add(hashToCurve(claim.message).multiplyUnsafe(coefficient));
      } else {
        keys = keys.add(key.multiplyUnsafe(coefficient));
        messages = hashToCurve(claim.message);
      }
    }
    pairs.push({ g1: keys, g2: messages });
  }
  pairs.push({ g1: G1.BASE.negate(), g2: signatures });
  // A factor with infinity is one, and the library refuses to compute it.
  const factors = pairs.filter(({ g1, g2 }) => !g1.is0() && !g2.is0());
  const { Fp12 } = bls12_381.fields;
  return Fp12.eql(bls12_381.pairingBatch(factors), Fp12.ONE);
}

/** weight · point; weights of large committees exceed the order, which the library's multiplication refuses. */
function weigh(point: G2Point, weight: bigint): G2Point {
  const { Fr } = bls12_381.fields;
  return weight < 0n
    ? point.multiplyUnsafe(Fr.create(-weight)).negate()
    : point.multiplyUnsafe(Fr.create(weight));
}

function combine(
  signatures: readonly Uint8Array[],
  weights: readonly bigint[],
  divisor: bigint,
): Uint8Array | undefined {
  let sum = G2.ZERO;
  for (const [i, bytes] of signatures.entries()) {
    const point = openSignature(bytes);
    if (point === undefined) return undefined;
    sum = sum.add(weigh(point, weights[i] as bigint));
  }
  if (sum.is0()) return undefined;
  return (divisor === 1n ? sum : sum.multiplyUnsafe(invertScalar(divisor))).toBytes();
}

/** Value at the public and small x of a polynomial in the exponent, constant term first. */
export function evaluatePoints(points: readonly G1Point[], x: number): G1Point {
  const at = BigInt(x);
  return points.reduceRight((sum, point) => sum.multiplyUnsafe(at).add(point), G1.ZERO);
}

function evaluate(polynomial: readonly Uint8Array[], x: number): Uint8Array | undefined {
  const points = polynomial.map(openPublicKey).filter((point) => point !== undefined);
  if (points.length !== polynomial.length) return undefined;
  const value = evaluatePoints(points, x);
  return value.is0() ? undefined : value.toBytes();
}

/** The implementation on @noble/curves; published vectors of other suites are tested under their own tag. */
export function createNobleBackend(tag: string = SIGNATURE_TAG): BlsBackend {
  const options = { DST: utf8(tag) };
  const hashToCurve: Hasher = (message) => bls12_381.G2.hashToCurve(message, options) as G2Point;
  return {
    name: "noble",
    isPublicKey: (bytes) => openPublicKey(bytes) !== undefined,
    isSignature: (bytes) => openSignature(bytes) !== undefined,
    publicKey: (secret) => scheme.getPublicKey(secret).toBytes(),
    sign: (secret, message) => scheme.Signature.toBytes(scheme.sign(hashToCurve(message), secret)),
    verifyAll: (claims) => verifyAll(hashToCurve, claims),
    combine,
    evaluate,
  };
}
