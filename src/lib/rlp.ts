// RLP (yellow paper, appendix B), strictly: canonical lengths, no trailing bytes, typed access that rejects leading
// zeros and wrong lengths. Encoding writes once, into a buffer of the right size; decoding reads what is well-formed in
// one pass, and leaves everything else to the library, which copies what is left at every item, to judge.
import { RLP } from "@ethereumjs/rlp";
import { bigintToBytes, bytesToBigint, EMPTY_BYTES } from "./bytes.ts";
import { KoraError, messageOf } from "./error.ts";

/** A decoded or to-be-encoded RLP item: a byte string or a list of items. */
export type RlpItem = Uint8Array | readonly RlpItem[];

function malformed(why: string): KoraError {
  return new KoraError(`malformed RLP: ${why}`, { code: "BAD_RLP" });
}

/** Payloads up to this long carry their length in the first byte. */
const MAX_SHORT_LENGTH = 55;
const STRING_OFFSET = 0x80;
const LIST_OFFSET = 0xc0;

/** Bytes that the big-endian form of a length takes. */
function lengthBytes(length: number): number {
  let count = 1;
  for (let rest = length; rest > 0xff; rest = Math.floor(rest / 256)) count++;
  return count;
}

function headerSize(length: number): number {
  return length <= MAX_SHORT_LENGTH ? 1 : 1 + lengthBytes(length);
}

const isSingleByte = (bytes: Uint8Array): boolean =>
  bytes.length === 1 && (bytes[0] as number) < STRING_OFFSET;

/** Size of the encoding; `sizes` gets the payload size of every list on the way, in the order of writing. */
function measure(item: RlpItem, sizes: number[]): number {
  if (item instanceof Uint8Array) return isSingleByte(item) ? 1 : headerSize(item.length) + item.length;
  const slot = sizes.push(0) - 1;
  let payload = 0;
  for (const child of item) payload += measure(child, sizes);
  sizes[slot] = payload;
  return headerSize(payload) + payload;
}

function writeHeader(out: Uint8Array, at: number, offset: number, length: number): number {
  if (length <= MAX_SHORT_LENGTH) {
    out[at] = offset + length;
    return at + 1;
  }
  const count = lengthBytes(length);
  out[at] = offset + MAX_SHORT_LENGTH + count;
  for (let i = count, rest = length; i > 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest & 0xff;
  return at + 1 + count;
}

/** Writes `item` at `at` and returns where it ends; `next` is the position in `sizes`. */
function write(
  item: RlpItem,
  out: Uint8Array,
  at: number,
  sizes: readonly number[],
  next: { slot: number },
): number {
  if (item instanceof Uint8Array) {
    const start = isSingleByte(item) ? at : writeHeader(out, at, STRING_OFFSET, item.length);
    out.set(item, start);
    return start + item.length;
  }
  let end = writeHeader(out, at, LIST_OFFSET, sizes[next.slot++] as number);
  for (const child of item) end = write(child, out, end, sizes, next);
  return end;
}

/** Canonical RLP of `item`. */
export function encodeRlp(item: RlpItem): Uint8Array {
  const sizes: number[] = [];
  const out = new Uint8Array(measure(item, sizes));
  write(item, out, 0, sizes, { slot: 0 });
  return out;
}

/** RLP of a list whose items are encoded already. */
export function joinRlpList(items: readonly Uint8Array[]): Uint8Array {
  const length = items.reduce((sum, item) => sum + item.length, 0);
  const out = new Uint8Array(headerSize(length) + length);
  let at = writeHeader(out, 0, LIST_OFFSET, length);
  for (const item of items) {
    out.set(item, at);
    at += item.length;
  }
  return out;
}

/** Lists within lists that anything of ours needs, with room: a block nests seven deep. */
const MAX_NESTING = 16;

function lengthAt(bytes: Uint8Array, at: number, count: number): number {
  let length = 0;
  for (let i = at; i < at + count; i++) length = length * 256 + (bytes[i] ?? 0);
  return length;
}

/** Refuses deep nesting before the library sees it, which copies what is left at every level. */
function checkNesting(bytes: Uint8Array): void {
  const ends: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    while (ends.length > 0 && at >= (ends[ends.length - 1] as number)) ends.pop();
    const first = bytes[at] as number;
    const offset = first >= LIST_OFFSET ? LIST_OFFSET : STRING_OFFSET;
    const short = first - offset;
    const count = short > MAX_SHORT_LENGTH ? short - MAX_SHORT_LENGTH : 0;
    const length = count > 0 ? lengthAt(bytes, at + 1, count) : short;
    if (first < STRING_OFFSET) at++;
    else if (offset === STRING_OFFSET) at += 1 + count + length;
    else if (ends.push(at + 1 + count + length) > MAX_NESTING) throw malformed("nested too deep");
    else at += 1 + count;
  }
}

/** What is read next. */
interface Cursor {
  at: number;
}

/** Moves past the header of a string or a list and answers the length of its content; -1 for a flaw. */
function readLength(bytes: Uint8Array, cursor: Cursor, offset: number, end: number): number {
  const short = (bytes[cursor.at++] as number) - offset;
  if (short <= MAX_SHORT_LENGTH) return cursor.at + short <= end ? short : -1;
  const count = short - MAX_SHORT_LENGTH;
  const length = lengthAt(bytes, cursor.at, count);
  if (bytes[cursor.at] === 0 || length <= MAX_SHORT_LENGTH) return -1;
  cursor.at += count;
  return cursor.at + length <= end ? length : -1;
}

/** The item at the cursor, which ends at `end` or before; undefined for a flaw. */
function readItem(bytes: Uint8Array, cursor: Cursor, end: number, depth: number): RlpItem | undefined {
  const first = bytes[cursor.at] as number;
  if (first < STRING_OFFSET) return bytes.slice(cursor.at, ++cursor.at);
  const isList = first >= LIST_OFFSET;
  const length = readLength(bytes, cursor, isList ? LIST_OFFSET : STRING_OFFSET, end);
  if (length === -1) return undefined;
  const stop = cursor.at + length;
  if (!isList) {
    if (length === 1 && (bytes[cursor.at] as number) < STRING_OFFSET) return undefined;
    const content = bytes.slice(cursor.at, stop);
    cursor.at = stop;
    return content;
  }
  if (depth === MAX_NESTING) return undefined;
  const items: RlpItem[] = [];
  while (cursor.at < stop) {
    const item = readItem(bytes, cursor, stop, depth + 1);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

/** The one item that spans all of `bytes`; undefined where anything is wrong with it. */
function readWhole(bytes: Uint8Array): RlpItem | undefined {
  const cursor = { at: 0 };
  const item = bytes.length === 0 ? undefined : readItem(bytes, cursor, bytes.length, 0);
  return cursor.at === bytes.length ? item : undefined;
}

/** Decodes exactly one item that spans all of `bytes`; throws BAD_RLP otherwise. */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  const item = readWhole(bytes);
  if (item !== undefined) return item;
  try {
    if (bytes.length === 0) throw malformed("empty input");
    checkNesting(bytes);
    return RLP.decode(bytes) as RlpItem;
  } catch (error) {
    throw error instanceof KoraError ? error : malformed(messageOf(error));
  }
}

/** The encoding of the first item of the list that spans all of `bytes`; of the rest nothing is read. Throws BAD_RLP. */
export function firstOfRlpList(bytes: Uint8Array): Uint8Array {
  const cursor = { at: 0 };
  if ((bytes[0] ?? 0) < LIST_OFFSET) throw malformed("expected a list");
  const length = readLength(bytes, cursor, LIST_OFFSET, bytes.length);
  const start = cursor.at;
  if (length === -1 || start + length !== bytes.length || length === 0) throw malformed("not one list");
  const first = bytes[start] as number;
  if (first < STRING_OFFSET) return bytes.slice(start, start + 1);
  const own = readLength(bytes, cursor, first >= LIST_OFFSET ? LIST_OFFSET : STRING_OFFSET, bytes.length);
  if (own === -1) throw malformed("an item beyond its list");
  return bytes.slice(start, cursor.at + own);
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
  if (value > Number.MAX_SAFE_INTEGER) return bigintToBytes(BigInt(value));
  let rest = Number(value);
  if (rest === 0) return EMPTY_BYTES;
  const out = new Uint8Array(lengthBytes(rest));
  for (let i = out.length - 1; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest & 0xff;
  return out;
}
