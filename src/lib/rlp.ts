// Door to the RLP library (yellow paper, appendix B). Decoding is strict: canonical lengths, no trailing bytes,
// and typed access that rejects leading zeros and wrong lengths.
import { RLP } from "@ethereumjs/rlp";
import { bigintToBytes, bytesToBigint } from "./bytes.ts";
import { KoraError, messageOf } from "./error.ts";

/** A decoded or to-be-encoded RLP item: a byte string or a list of items. */
export type RlpItem = Uint8Array | readonly RlpItem[];

function malformed(why: string): KoraError {
  return new KoraError(`malformed RLP: ${why}`, { code: "BAD_RLP" });
}

/** Canonical RLP of `item`. */
export function encodeRlp(item: RlpItem): Uint8Array {
  return RLP.encode(item as Parameters<typeof RLP.encode>[0]);
}

/** Decodes exactly one item that spans all of `bytes`; throws BAD_RLP otherwise. */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  try {
    if (bytes.length === 0) throw malformed("empty input");
    return RLP.decode(bytes) as RlpItem;
  } catch (error) {
    throw error instanceof KoraError ? error : malformed(messageOf(error));
  }
}

/** `item` as a list of exactly `length` items where given. */
export function rlpList(item: RlpItem | undefined, length?: number): readonly RlpItem[] {
  if (!Array.isArray(item)) throw malformed("expected a list");
  if (length !== undefined && item.length !== length) {
    throw malformed(`expected ${length} items, found ${item.length}`);
  }
  return item;
}

/** `item` as a byte string of exactly `length` bytes where given. */
export function rlpBytes(item: RlpItem | undefined, length?: number): Uint8Array {
  if (!(item instanceof Uint8Array)) throw malformed("expected a byte string");
  if (length !== undefined && item.length !== length) {
    throw malformed(`expected ${length} bytes, found ${item.length}`);
  }
  return item;
}

/** `item` as an unsigned integer of at most `maxBytes` bytes without leading zeros. */
export function rlpBigint(item: RlpItem | undefined, maxBytes = 32): bigint {
  const bytes = rlpBytes(item);
  if (bytes.length > maxBytes) throw malformed(`integer of ${bytes.length} bytes, at most ${maxBytes}`);
  if (bytes[0] === 0) throw malformed("integer with leading zeros");
  return bytesToBigint(bytes);
}

/** `item` as a safe integer. */
export function rlpNumber(item: RlpItem | undefined): number {
  const value = rlpBigint(item, 8);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("integer above 2^53 - 1");
  return Number(value);
}

/** RLP form of a non-negative integer. */
export function rlpUint(value: bigint | number): Uint8Array {
  return bigintToBytes(BigInt(value));
}
