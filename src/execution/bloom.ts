// The logs bloom of headers and receipts (yellow paper 4.3.1): 2048 bits, three for each address and topic.
import { keccak256 } from "#crypto/hash.ts";
import { createLru, type LruMap } from "#lib/bounded.ts";
import { fromHex } from "#lib/bytes.ts";
import type { Address, Hash } from "#types/ids.ts";
import type { Log } from "#types/receipt.ts";

export const BLOOM_BYTES = 256;

/** Bit positions remembered for this many addresses and topics: hot contracts emit the same ones again and again. */
const REMEMBERED_ITEMS = 4096;

/** Adds logs to blooms, remembering the bits of recent addresses and topics. */
export interface Blooms {
  /** Sets the bits of `logs` in `bloom`. */
  add(bloom: Uint8Array, logs: readonly Log[]): void;
}

function bitsOf(item: Address | Hash): readonly number[] {
  const digest = keccak256(fromHex(item));
  return [0, 2, 4].map((i) => (((digest[i] as number) << 8) | (digest[i + 1] as number)) & 2047);
}

/** A bloom builder with its own memory. */
export function createBlooms(): Blooms {
  const remembered: LruMap<Address | Hash, readonly number[]> = createLru(REMEMBERED_ITEMS);
  const addItem = (bloom: Uint8Array, item: Address | Hash): void => {
    let bits = remembered.get(item);
    if (bits === undefined) {
      bits = bitsOf(item);
      remembered.set(item, bits);
    }
    for (const bit of bits) {
      const at = BLOOM_BYTES - 1 - (bit >> 3);
      bloom[at] = (bloom[at] as number) | (1 << (bit & 7));
    }
  };
  return {
    add(bloom, logs) {
      for (const log of logs) {
        addItem(bloom, log.address);
        for (const topic of log.topics) addItem(bloom, topic);
      }
    },
  };
}

/** ORs `from` into `into`. */
export function mergeBloom(into: Uint8Array, from: Uint8Array): void {
  for (let i = 0; i < BLOOM_BYTES; i++) into[i] = (into[i] as number) | (from[i] as number);
}
