// Hash functions behind one door: keccak-256 in WebAssembly of our own, sha-256 from the runtime's native code.
import { keccak_256 } from "@noble/hashes/sha3.js";
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { type Hash, hash } from "#types/ids.ts";
import { createKeccak256 } from "./keccak.ts";

function checkedKeccak(): (data: Uint8Array) => Uint8Array {
  const keccak = createKeccak256();
  const probe = new Uint8Array(300).fill(0x4b);
  for (const length of [0, 135, 136, 300]) {
    const message = probe.subarray(0, length);
    assert(equalBytes(keccak(message), keccak_256(message)), "keccak-256 agrees with its reference");
  }
  return keccak;
}

/** keccak-256, 32 bytes. */
export const keccak256: (data: Uint8Array) => Uint8Array = checkedKeccak();

/** keccak-256 as a hash id. */
export function keccakHash(data: Uint8Array): Hash {
  return hash(keccak256(data));
}

/** sha-256, 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return Bun.SHA256.hash(data) as Uint8Array;
}
