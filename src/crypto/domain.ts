// Signing domains (R14): what is signed or hashed for one purpose on one chain means nothing for another, nor elsewhere.
import { utf8 } from "#lib/bytes.ts";
import { Writer } from "#lib/codec.ts";
import { bytesOf, type Hash } from "#types/ids.ts";
import { sha256 } from "./hash.ts";

/**
 * sha256(length-prefixed purpose ‖ genesis hash): 32 bytes, so that no domain is another's prefix. `purpose` begins
 * with KORA_.
 */
export function signingDomain(purpose: string, genesis: Hash): Uint8Array {
  return sha256(new Writer(64).bytes(utf8(purpose)).raw(bytesOf(genesis)).finish());
}
