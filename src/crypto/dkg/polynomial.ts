// The ceremony's arithmetic over BLS12-381: polynomials over Fr, commitments in G1; signatures are the signing door's.
// Secret scalars only meet noble's constant-time multiplication; polynomial lengths are public. Who signs is not known.
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { evaluatePoints, type G1Point, openPublicKey } from "#crypto/bls/noble.ts";
import {
  evaluateScalar,
  fieldWeightsAtZero,
  openFieldElement,
  reduceScalar,
  scalarBytes,
  sumScalars,
  WIDE_BYTES,
} from "#crypto/bls/scalar.ts";
import { PUBLIC_KEY_BYTES } from "#crypto/bls/types.ts";
import type { Bls } from "#crypto/bls.ts";
import { assert } from "#lib/assert.ts";
import { concatBytes } from "#lib/bytes.ts";
import type { Commitment, Dealing, SharingScheme } from "./scheme.ts";

const G1 = bls12_381.G1.Point;
const G1_BYTES = PUBLIC_KEY_BYTES;

function drawScalar(seed: Uint8Array, context: Uint8Array, term: number): bigint {
  return reduceScalar(hkdf(sha256, seed, context, Uint8Array.of(term >>> 8, term & 0xff), WIDE_BYTES));
}

function secretScalar(bytes: Uint8Array): bigint {
  const value = openFieldElement(bytes);
  assert(value !== undefined, "a kept share is a canonical scalar");
  return value;
}

function pointsOf(commitment: Commitment): readonly G1Point[] {
  return commitment.points as readonly G1Point[];
}

function seal(points: readonly G1Point[]): Commitment | undefined {
  if (points.some((point) => point.is0())) return undefined;
  return { bytes: concatBytes(...points.map((point) => point.toBytes())), points };
}

function deal(seed: Uint8Array, context: Uint8Array, terms: number, constant?: Uint8Array): Dealing {
  const coefficients = Array.from({ length: terms }, (_, term) => drawScalar(seed, context, term));
  if (constant !== undefined) coefficients[0] = secretScalar(constant);
  const commitment = seal(coefficients.map((coefficient) => G1.BASE.multiply(coefficient)));
  assert(commitment !== undefined, "no coefficient is zero");
  return { commitment, share: (index) => scalarBytes(evaluateScalar(coefficients, index + 1)) };
}

function openCommitment(bytes: Uint8Array, terms: number): Commitment | undefined {
  if (bytes.length !== terms * G1_BYTES) return undefined;
  const points: G1Point[] = [];
  for (let offset = 0; offset < bytes.length; offset += G1_BYTES) {
    const point = openPublicKey(bytes.subarray(offset, offset + G1_BYTES));
    if (point === undefined) return undefined;
    points.push(point);
  }
  return { bytes, points };
}

function isShare(commitment: Commitment, index: number, share: Uint8Array): boolean {
  const scalar = openFieldElement(share);
  if (scalar === undefined) return false;
  const expected = evaluatePoints(pointsOf(commitment), index + 1);
  return scalar === 0n ? expected.is0() : G1.BASE.multiply(scalar).equals(expected);
}

/** Sum over dealers of weight · polynomial, term by term. */
function combine(
  commitments: readonly Commitment[],
  weigh: (point: G1Point, position: number) => G1Point,
): Commitment | undefined {
  const terms = commitments[0]?.points.length ?? 0;
  const points = Array.from({ length: terms }, (_, term) =>
    commitments.reduce(
      (sum, commitment, position) => sum.add(weigh(pointsOf(commitment)[term] as G1Point, position)),
      G1.ZERO,
    ),
  );
  return seal(points);
}

function sumShares(shares: readonly Uint8Array[], weights?: readonly bigint[]): Uint8Array {
  return scalarBytes(sumScalars(shares.map(secretScalar), weights));
}

function publicShare(commitment: Commitment, index: number): Uint8Array {
  return evaluatePoints(pointsOf(commitment), index + 1).toBytes();
}

function publicKey(commitment: Commitment): Uint8Array {
  return (pointsOf(commitment)[0] as G1Point).toBytes();
}

/** BLS12-381 with public keys in G1 and signatures in G2: polynomials on @noble/curves, signatures by `bls`. */
export function blsSharing(bls: Bls): SharingScheme {
  return {
    deal,
    openCommitment,
    isShare,
    publicShare,
    publicKey,
    sumCommitments: (commitments) => combine(commitments, (point) => point),
    sumShares: (shares) => sumShares(shares),
    interpolateCommitments: (dealers, commitments) => {
      const weights = fieldWeightsAtZero(dealers);
      return combine(commitments, (point, position) => point.multiplyUnsafe(weights[position] as bigint));
    },
    interpolateShares: (dealers, shares) => sumShares(shares, fieldWeightsAtZero(dealers)),
    signPartial: (share, message) => bls.sign(share, message),
    verifyPartial: (group, index, message, partial) =>
      bls.verify(publicShare(group, index), message, partial),
    recover(partials) {
      const recovery = bls.recover(partials.map(({ index, partial }) => ({ index, signature: partial })));
      return recovery.kind === "recovered" ? recovery.signature : undefined;
    },
    verify: (group, message, signature) => bls.verify(publicKey(group), message, signature),
  };
}
