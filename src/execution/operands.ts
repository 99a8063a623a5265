// Words of the EVM's stack as what they stand for: accounts, slots, and ranges of memory that were paid for.
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { Address, Hash } from "#types/ids.ts";
import type { LibraryMemory, RunState } from "./library.ts";

const MEMORY_WORD_GAS = 3n;
const MEMORY_QUADRATIC_DIVISOR = 512n;

const ADDRESS_MASK: bigint = (1n << 160n) - 1n;

/** The account in a word. */
export function addressIn(word: bigint): Address {
  return `0x${(word & ADDRESS_MASK).toString(16).padStart(40, "0")}` as Address;
}

/** The slot in a word. */
export function slotIn(word: bigint): Hash {
  return `0x${word.toString(16).padStart(64, "0")}` as Hash;
}

/** Words that `length` bytes take. */
export function wordCount(length: bigint): bigint {
  return (length + 31n) / 32n;
}

/** Price of memory up to the end of a range, beyond what was paid for; it counts as paid from now on. */
export function memoryPrice(runState: RunState, at: bigint, length: bigint): bigint {
  if (length === 0n) return 0n;
  const words = wordCount(at + length);
  if (words <= runState.memoryWordCount) return 0n;
  const cost = words * MEMORY_WORD_GAS + (words * words) / MEMORY_QUADRATIC_DIVISOR;
  const price = cost - runState.highestMemCost;
  runState.memoryWordCount = words;
  runState.highestMemCost = cost;
  return price;
}

/** A range of memory itself, not a copy: valid until the frame goes on. */
export function viewMemory(memory: LibraryMemory, at: bigint, length: bigint): Uint8Array {
  if (length === 0n) return EMPTY_BYTES;
  const [start, size] = [Number(at), Number(length)];
  memory.extend(start, size);
  return memory._store.subarray(start, start + size);
}

/** Writes `bytes` to a range of memory as far as both go. */
export function writeMemory(memory: LibraryMemory, at: bigint, length: bigint, bytes: Uint8Array): void {
  const size = BigInt(bytes.length) < length ? bytes.length : Number(length);
  if (size === 0) return;
  memory.extend(Number(at), size);
  memory._store.set(size === bytes.length ? bytes : bytes.subarray(0, size), Number(at));
}

/** Fills a range of memory from `from` in `source` on, which goes on with zeros for ever. */
export function copyToMemory(
  memory: LibraryMemory,
  at: bigint,
  length: bigint,
  source: Uint8Array,
  from: bigint,
): void {
  if (length === 0n) return;
  const [start, size] = [Number(at), Number(length)];
  memory.extend(start, size);
  const offset = from < BigInt(source.length) ? Number(from) : source.length;
  const part = source.subarray(offset, offset + size);
  memory._store.set(part, start);
  memory._store.fill(0, start + part.length, start + size);
}
