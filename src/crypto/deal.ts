// The trusted dealer: one process that knows a committee's whole key for a moment. For local networks and tests only;
// a real network makes its key in a ceremony in which nobody ever knows it.
import { randomBytes } from "node:crypto";
import type { IdentityKey } from "#types/identity.ts";
import { quorumOf } from "#types/quorum.ts";
import { evaluateScalar, reduceScalar, scalarBytes, WIDE_BYTES } from "./bls/scalar.ts";
import type { Bls } from "./bls.ts";
import { checkParticipants, type ThresholdKey, type ThresholdShare } from "./threshold.ts";

/** Source of secret random bytes; the system's unless a test says otherwise. */
export type RandomSource = (length: number) => Uint8Array;

function drawScalar(random: RandomSource): bigint {
  for (;;) {
    const wide = random(WIDE_BYTES);
    const scalar = reduceScalar(wide);
    wide.fill(0);
    if (scalar !== 0n) return scalar;
  }
}

/** A fresh key for `participants` (sorted here), and a share for each of them in their order. */
export function deal(
  bls: Bls,
  participants: readonly IdentityKey[],
  random: RandomSource = (length) => new Uint8Array(randomBytes(length)),
): { readonly key: ThresholdKey; readonly shares: readonly ThresholdShare[] } {
  const sorted = participants.toSorted();
  checkParticipants(sorted);
  const threshold = quorumOf(sorted.length);
  for (;;) {
    const coefficients = Array.from({ length: threshold }, () => drawScalar(random));
    const shares = sorted.map((_, index) => evaluateScalar(coefficients, index + 1));
    // A share of zero is no key; the chance is about 2^-247.
    if (shares.some((share) => share === 0n)) continue;
    const polynomial = coefficients.map((coefficient) => bls.publicKey(scalarBytes(coefficient)));
    return {
      key: { groupPublicKey: polynomial[0] as Uint8Array, polynomial, threshold, participants: sorted },
      shares: shares.map((share, index) => ({ index, secret: scalarBytes(share) })),
    };
  }
}
