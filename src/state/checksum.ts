// The checksum of a block's row: old headers, bodies and receipts are under no root that opening would recompute.
// Finds damage, not forgery: that is what block hashes are for.
import { Writer } from "#lib/codec.ts";

/** Length that stands for a part that a block does not have. */
const NO_PART = 0xffff_ffff;

/** Byte strings of a block's row, in the order in which its checksum covers them. */
export type BlockParts = readonly (Uint8Array | null)[];

/** Checksum of a block's row: of its height, and of the length and the bytes of each part. */
export function blockChecksum(height: number, parts: BlockParts): number {
  const head = new Writer(16 + 4 * parts.length).u64(height);
  for (const part of parts) head.u32(part === null ? NO_PART : part.length);
  let sum = Bun.hash.crc32(head.finish());
  for (const part of parts) if (part !== null) sum = Bun.hash.crc32(part, sum);
  return sum >>> 0;
}
