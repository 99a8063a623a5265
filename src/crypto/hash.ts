// Hash functions behind one door. Reference backend: @noble/hashes.
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hash, hash } from "#types/ids.ts";

/** keccak-256, 32 bytes. */
export function keccak256(data: Uint8Array): Uint8Array {
  return keccak_256(data);
}

/** keccak-256 as a hash id. */
export function keccakHash(data: Uint8Array): Hash {
  return hash(keccak256(data));
}

/** sha-256, 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return nobleSha256(data);
}
