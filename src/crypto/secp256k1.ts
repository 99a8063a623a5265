// secp256k1 ECDSA with recovery, for transaction senders and local accounts.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { assert } from "#lib/assert.ts";
import { bytesToBigint } from "#lib/bytes.ts";
import { once } from "#lib/once.ts";
import { type Address, address } from "#types/ids.ts";
import type { Signature } from "#types/transaction.ts";
import { keccak256 } from "./hash.ts";
import { chooseSecp256k1 } from "./secp256k1-backend.ts";

/** Order of the group. */
export const SECP256K1_ORDER: bigint = secp256k1.Point.Fn.ORDER;

/** The backend in use, chosen at first use by a self-test; its name and reason belong in the start-up log. */
export const secp256k1Backend: () => ReturnType<typeof chooseSecp256k1> = once(chooseSecp256k1);

/** r ‖ s as 64 bytes, each below 2^256. */
function compactBytes(r: bigint, s: bigint): Uint8Array {
  return Uint8Array.fromHex(r.toString(16).padStart(64, "0") + s.toString(16).padStart(64, "0"));
}

/** The 64-byte public key (x ‖ y) that signed `digest`, or undefined if the signature recovers none. */
export function recoverPublicKey(digest: Uint8Array, signature: Signature): Uint8Array | undefined {
  const { r, s, yParity } = signature;
  if (r <= 0n || s <= 0n || r >= SECP256K1_ORDER || s >= SECP256K1_ORDER) return undefined;
  if (yParity !== 0 && yParity !== 1) return undefined;
  assert(digest.length === 32, "a digest has 32 bytes");
  return secp256k1Backend().recover(digest, compactBytes(r, s), yParity)?.subarray(1);
}

/** Address of a 64-byte public key. */
export function publicKeyToAddress(publicKey: Uint8Array): Address {
  return address(keccak256(publicKey).subarray(12));
}

/** Signs a 32-byte digest deterministically (RFC 6979) with low s, in constant time with the native backend. */
export function signDigest(digest: Uint8Array, secret: Uint8Array): Signature {
  assert(digest.length === 32 && secret.length === 32, "a digest and a secret have 32 bytes");
  const { compact, recovery } = secp256k1Backend().sign(digest, secret);
  return {
    yParity: recovery,
    r: bytesToBigint(compact.subarray(0, 32)),
    s: bytesToBigint(compact.subarray(32, 64)),
  };
}

/** Address of a secret key of 32 bytes. */
export function secretToAddress(secret: Uint8Array): Address {
  assert(secret.length === 32, "a secret has 32 bytes");
  return publicKeyToAddress(secp256k1Backend().publicKey(secret).subarray(1));
}
