// secp256k1 ECDSA with recovery, for transaction senders and local accounts. Reference backend: @noble/curves.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bigintToBytes, bytesToBigint, concatBytes, padLeft } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import type { Signature } from "#types/transaction.ts";
import { keccak256 } from "./hash.ts";

/** Order of the group. */
export const SECP256K1_ORDER: bigint = secp256k1.Point.Fn.ORDER;

/** The 64-byte public key (x ‖ y) that signed `digest`, or undefined if the signature recovers none. */
export function recoverPublicKey(digest: Uint8Array, signature: Signature): Uint8Array | undefined {
  const { r, s, yParity } = signature;
  if (r <= 0n || s <= 0n || r >= SECP256K1_ORDER || s >= SECP256K1_ORDER || yParity > 1) return undefined;
  try {
    const compact = concatBytes(padLeft(bigintToBytes(r), 32), padLeft(bigintToBytes(s), 32));
    const parsed = secp256k1.Signature.fromBytes(compact, "compact").addRecoveryBit(yParity);
    return parsed.recoverPublicKey(digest).toBytes(false).subarray(1);
  } catch {
    return undefined;
  }
}

/** Address of a 64-byte public key. */
export function publicKeyToAddress(publicKey: Uint8Array): Address {
  return address(keccak256(publicKey).subarray(12));
}

/** Signs a 32-byte digest deterministically (RFC 6979) with low s. */
export function signDigest(digest: Uint8Array, secret: Uint8Array): Signature {
  const bytes = secp256k1.sign(digest, secret, { prehash: false, format: "recovered" });
  return {
    yParity: bytes[0] as number,
    r: bytesToBigint(bytes.subarray(1, 33)),
    s: bytesToBigint(bytes.subarray(33, 65)),
  };
}

/** Address of a secret key of 32 bytes. */
export function secretToAddress(secret: Uint8Array): Address {
  return publicKeyToAddress(secp256k1.getPublicKey(secret, false).subarray(1));
}
