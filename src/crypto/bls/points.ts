// What all implementations share: the checks on a point's bytes that need no arithmetic, and how claims are grouped
// so that a product of pairings has as few factors as it can.
import { randomBytes } from "node:crypto";
import { compareBytes, fromHex } from "#lib/bytes.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type SignatureClaim } from "./types.ts";

const FIELD_PRIME = fromHex(
  "0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
);
const FLAG_COMPRESSED = 0x80;
const FLAG_INFINITY = 0x40;
const FLAGS = 0xe0;

function isFieldElement(bytes: Uint8Array): boolean {
  return compareBytes(bytes, FIELD_PRIME) < 0;
}

/** Length, flags (compressed, not infinity) and coordinates below the field's prime; the sign flag may be either. */
function isCanonical(bytes: Uint8Array, length: number): boolean {
  if (bytes.length !== length) return false;
  const first = bytes[0] as number;
  if ((first & FLAG_COMPRESSED) === 0 || (first & FLAG_INFINITY) !== 0) return false;
  const coordinate = bytes.slice();
  coordinate[0] = first & ~FLAGS;
  for (let at = 0; at < length; at += PUBLIC_KEY_BYTES) {
    if (!isFieldElement(coordinate.subarray(at, at + PUBLIC_KEY_BYTES))) return false;
  }
  return true;
}

/** Whether bytes can be a public key as far as their form goes. */
export function hasPublicKeyForm(bytes: Uint8Array): boolean {
  return isCanonical(bytes, PUBLIC_KEY_BYTES);
}

/** Whether bytes can be a signature as far as their form goes. */
export function hasSignatureForm(bytes: Uint8Array): boolean {
  return isCanonical(bytes, SIGNATURE_BYTES);
}

/** A claim with its random coefficient; the first of a set has 1, which costs no soundness. */
export interface WeightedClaim {
  readonly claim: SignatureClaim;
  readonly coefficient: bigint;
}

/** `count` coefficients: 1, then uniform 64-bit numbers that are not zero. */
export function randomCoefficients(count: number): bigint[] {
  const random = new DataView(new Uint8Array(randomBytes(8 * count)).buffer);
  return Array.from({ length: count }, (_, i) => (i === 0 ? 1n : random.getBigUint64(8 * i) || 1n));
}

/**
 * Claims that share one factor of the product: under one key their hashed messages are summed, for one message their
 * keys are.
 */
export interface ClaimGroups {
  readonly by: "publicKey" | "message";
  readonly groups: readonly (readonly WeightedClaim[])[];
}

/** Groups by whichever of key and message has fewer values. */
export function groupClaims(claims: readonly SignatureClaim[]): ClaimGroups {
  const coefficients = randomCoefficients(claims.length);
  const byKey = new Map<string, WeightedClaim[]>();
  const byMessage = new Map<string, WeightedClaim[]>();
  for (const [i, claim] of claims.entries()) {
    const weighted = { claim, coefficient: coefficients[i] as bigint };
    for (const [map, bytes] of [
      [byKey, claim.publicKey],
      [byMessage, claim.message],
    ] as const) {
      const name = bytes.toHex();
      const group = map.get(name);
      if (group === undefined) map.set(name, [weighted]);
      else group.push(weighted);
    }
  }
  const keysAreFewer = byKey.size < byMessage.size;
  return keysAreFewer
    ? { by: "publicKey", groups: [...byKey.values()] }
    : { by: "message", groups: [...byMessage.values()] };
}
