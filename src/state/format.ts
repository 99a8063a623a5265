// Byte formats of the authenticated log: hashed keys, ops, account and slot values, and the messages that are
// hashed. Everything here is consensus-critical and frozen. Imports nothing of the store: verifiers share it.
import { sha256Into } from "#crypto/sha256.ts";
import { assert } from "#lib/assert.ts";
import { bytesToBigint } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { Account } from "#types/account.ts";
import { type Address, EMPTY_CODE_HASH, type Hash, hash } from "#types/ids.ts";

/** Leaves of one twig. */
export const TWIG_LEAVES = 2048;
/** Levels between a leaf and its twig's left root: log2 of TWIG_LEAVES. */
export const TWIG_DEPTH = 11;
/** Activity bits of one twig, in bytes. */
export const TWIG_BITS_BYTES: number = TWIG_LEAVES / 8;
export const HASH_BYTES = 32;
/** Bytes of a 64-byte inner-node message: the only message of that length. */
export const PAIR_BYTES = 64;
/** `prev` of an op whose key was absent in the parent state; ff × 8 on the wire. */
export const NONE = -1;

export const KIND_PUT = 1;
export const KIND_MOVE = 2;
export const KIND_DEL = 3;

export const TAG_LEAF = 0;
const TAG_ACCOUNT = 1;
const TAG_SLOT = 2;
const TAG_TWIG = 2;
const TAG_ROOT = 3;

/** Layout of a leaf message: tag, key, next, kind, prev, height, value. */
export const OP_KEY = 1;
export const OP_NEXT = 33;
export const OP_KIND = 65;
export const OP_PREV = 66;
export const OP_HEIGHT = 74;
export const OP_VALUE = 82;

export const TWIG_MESSAGE_BYTES: number = 1 + HASH_BYTES + TWIG_BITS_BYTES;
export const ROOT_MESSAGE_BYTES: number = 1 + 8 + 8 + HASH_BYTES;

/** Nonce, incarnation and code hash come before the balance. */
const ACCOUNT_HEAD = 48;
export const MAX_VALUE_BYTES: number = ACCOUNT_HEAD + 32;
export const MAX_OP_BYTES: number = OP_VALUE + MAX_VALUE_BYTES;

assert(OP_VALUE > PAIR_BYTES, "no leaf message has the length of a node pair");
assert(
  TWIG_MESSAGE_BYTES !== PAIR_BYTES && ROOT_MESSAGE_BYTES !== PAIR_BYTES,
  "pairs stand alone at 64 bytes",
);
assert(1 << TWIG_DEPTH === TWIG_LEAVES, "a twig is a full binary tree");

const U32 = 0x1_0000_0000;

/** Writes a safe integer (or NONE) as 8 big-endian bytes. */
export function writeU64(out: Uint8Array, offset: number, value: number): void {
  const high = value < 0 ? 0xffff_ffff : Math.floor(value / U32);
  const low = value < 0 ? 0xffff_ffff : value >>> 0;
  out[offset] = high >>> 24;
  out[offset + 1] = high >>> 16;
  out[offset + 2] = high >>> 8;
  out[offset + 3] = high;
  out[offset + 4] = low >>> 24;
  out[offset + 5] = low >>> 16;
  out[offset + 6] = low >>> 8;
  out[offset + 7] = low;
}

/** Reads 4 big-endian bytes. */
export function readU32(data: Uint8Array, offset: number): number {
  return (
    (((data[offset] as number) << 24) |
      ((data[offset + 1] as number) << 16) |
      ((data[offset + 2] as number) << 8) |
      (data[offset + 3] as number)) >>>
    0
  );
}

/** Reads 8 big-endian bytes: a safe integer, or NONE for ff × 8; throws BAD_OP for anything between. */
export function readU64(data: Uint8Array, offset: number): number {
  const high = readU32(data, offset);
  const low = readU32(data, offset + 4);
  if (high > 0x1f_ffff) {
    if (high === 0xffff_ffff && low === 0xffff_ffff) return NONE;
    throw new KoraError("integer above 2^53 - 1 in an op", { code: "BAD_OP" });
  }
  return high * U32 + low;
}

/** SN of the op that this op replaces, or NONE. */
export function opPrev(data: Uint8Array, offset = 0): number {
  return readU64(data, offset + OP_PREV);
}

/** Height of the block that appended the op. */
export function opHeight(data: Uint8Array, offset = 0): number {
  return readU64(data, offset + OP_HEIGHT);
}

/** Whether the op carries a value (put or move), as opposed to a deletion. */
export function opIsLive(data: Uint8Array, offset = 0): boolean {
  return data[offset + OP_KIND] !== KIND_DEL;
}

/** The value bytes of an op message. */
export function opValue(message: Uint8Array): Uint8Array {
  return message.subarray(OP_VALUE);
}

/** Whether the 32 bytes at `a[x]` equal those at `b[y]`. */
export function sameHash(a: Uint8Array, x: number, b: Uint8Array, y: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) if (a[x + i] !== b[y + i]) return false;
  return true;
}

/** Copies 32 bytes of `from[y]` to `to[x]`: a loop, as `set` of a view costs three times as much at this length. */
export function copyHash(to: Uint8Array, x: number, from: Uint8Array, y: number): void {
  for (let i = 0; i < HASH_BYTES; i++) to[x + i] = from[y + i] as number;
}

/** Whether the op's value is `value`. */
export function hasValue(message: Uint8Array, value: Uint8Array): boolean {
  if (message.length !== OP_VALUE + value.length) return false;
  for (let i = 0; i < value.length; i++) if (message[OP_VALUE + i] !== value[i]) return false;
  return true;
}

/** Key of the sentinel op: below every other key. */
export function sentinelKey(): Uint8Array {
  return new Uint8Array(HASH_BYTES);
}

/** `next` of the greatest key. */
export function endKey(): Uint8Array {
  return new Uint8Array(HASH_BYTES).fill(0xff);
}

/** Bytes of an id; unlike bytesOf without a check, which the brand stands for: this is the hottest path there is. */
function bytesOf(id: Hash | Address): Uint8Array {
  return Uint8Array.fromHex(id.slice(2));
}

/** What is hashed into an account's key, without its tag: the address. */
export function accountPreimage(address: Address): Uint8Array {
  return bytesOf(address);
}

/** What is hashed into a slot's key, without its tag: address, incarnation, slot. */
export function slotPreimage(address: Address, incarnation: number, slot: Hash): Uint8Array {
  const out = new Uint8Array(60);
  out.set(bytesOf(address), 0);
  writeU64(out, 20, incarnation);
  out.set(bytesOf(slot), 28);
  return out;
}

// The messages being hashed into keys: filled and hashed at once, so one of each kind serves.
const accountMessage = new Uint8Array(1 + 20).fill(TAG_ACCOUNT, 0, 1);
const accountPart = accountMessage.subarray(1);
const slotMessage = new Uint8Array(1 + 60).fill(TAG_SLOT, 0, 1);
const slotPart = slotMessage.subarray(1);
const slotAddress = slotPart.subarray(0, 20);
const slotWord = slotPart.subarray(28);

function hashed(message: Uint8Array): Uint8Array {
  const key = new Uint8Array(HASH_BYTES);
  sha256Into(message, key);
  return key;
}

/** Hashed key of an account. */
export function accountKey(address: Address): Uint8Array {
  accountPart.setFromHex(address.slice(2));
  return hashed(accountMessage);
}

/** Hashed key of a slot of one incarnation of an account. */
export function slotKey(address: Address, incarnation: number, slot: Hash): Uint8Array {
  slotAddress.setFromHex(address.slice(2));
  writeU64(slotPart, 20, incarnation);
  slotWord.setFromHex(slot.slice(2));
  return hashed(slotMessage);
}

/** An account record as the log holds it. */
export interface StoredAccount extends Account {
  /** Height at which the record last came into being. */
  readonly incarnation: number;
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const NO_CODE: Uint8Array = bytesOf(EMPTY_CODE_HASH);
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const U256_MAX = 2n ** 256n - 1n;

const balanceBytes = new Uint8Array(32);
const balanceWords = new DataView(balanceBytes.buffer);

/** Leaves `balance` in balanceBytes and returns where its first byte that is not zero lies. */
function spreadBalance(balance: bigint): number {
  let start = 24;
  balanceWords.setBigUint64(24, balance);
  if (balance > U64_MAX) {
    balanceWords.setBigUint64(16, balance >> 64n);
    balanceWords.setBigUint64(8, balance >> 128n);
    balanceWords.setBigUint64(0, balance >> 192n);
    start = 0;
  }
  while (start < 32 && balanceBytes[start] === 0) start++;
  return start;
}

/** Nonce (8) ‖ incarnation (8) ‖ code hash (32) ‖ balance without leading zeros. */
export function encodeAccount(account: StoredAccount): Uint8Array {
  assert(account.balance <= U256_MAX && account.nonce <= U64_MAX, "balance and nonce fit their fields");
  const start = spreadBalance(account.balance);
  const out = new Uint8Array(ACCOUNT_HEAD + 32 - start);
  if (account.nonce <= MAX_SAFE) writeU64(out, 0, Number(account.nonce));
  else new DataView(out.buffer).setBigUint64(0, account.nonce);
  writeU64(out, 8, account.incarnation);
  copyHash(out, 16, account.codeHash === EMPTY_CODE_HASH ? NO_CODE : bytesOf(account.codeHash), 0);
  for (let i = start; i < 32; i++) out[ACCOUNT_HEAD + i - start] = balanceBytes[i] as number;
  return out;
}

/** The incarnation of the account record at `offset`, without decoding the rest. */
export function incarnationOf(data: Uint8Array, offset = 0): number {
  return readU64(data, offset + 8);
}

/** Inverse of encodeAccount; throws BAD_OP for anything it would not have written. */
export function decodeAccount(value: Uint8Array): StoredAccount {
  if (value.length < ACCOUNT_HEAD || value.length > MAX_VALUE_BYTES || value[ACCOUNT_HEAD] === 0) {
    throw new KoraError(`not an account record: ${value.length} bytes`, { code: "BAD_OP" });
  }
  const incarnation = readU64(value, 8);
  if (incarnation < 0) throw new KoraError("account record without incarnation", { code: "BAD_OP" });
  return {
    nonce: new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0),
    incarnation,
    codeHash: hash(value.subarray(16, 48)),
    balance: bytesToBigint(value.subarray(ACCOUNT_HEAD)),
  };
}

/** Whether `message` is a leaf message that a block could have appended. */
export function isOp(message: Uint8Array): boolean {
  if (message.length < OP_VALUE || message.length > MAX_OP_BYTES || message[0] !== TAG_LEAF) return false;
  const kind = message[OP_KIND] as number;
  return kind === KIND_PUT || kind === KIND_MOVE || (kind === KIND_DEL && message.length === OP_VALUE);
}

/** Writes a twig message into `out`: tag, left root (32 bytes of `left` at `x`), activity bits (256 of `bits` at `y`). */
export function writeTwigMessage(
  out: Uint8Array,
  left: Uint8Array,
  x: number,
  bits: Uint8Array,
  y: number,
): void {
  out[0] = TAG_TWIG;
  copyHash(out, 1, left, x);
  out.set(bits.subarray(y, y + TWIG_BITS_BYTES), 1 + HASH_BYTES);
}

/** H(0x03 ‖ nextSN ‖ floorSN ‖ upper root). */
export function stateRoot(nextSN: number, floorSN: number, upper: Uint8Array): Uint8Array {
  const message = new Uint8Array(ROOT_MESSAGE_BYTES);
  message[0] = TAG_ROOT;
  writeU64(message, 1, nextSN);
  writeU64(message, 9, floorSN);
  message.set(upper, 17);
  const root = new Uint8Array(HASH_BYTES);
  sha256Into(message, root);
  return root;
}

/** Twigs that `nextSN` leaves occupy; at least one. */
export function twigCount(nextSN: number): number {
  return Math.max(1, Math.ceil(nextSN / TWIG_LEAVES));
}

/** Levels above the twig roots: ⌈log2 twigs⌉. */
export function upperDepth(nextSN: number): number {
  const twigs = twigCount(nextSN);
  let depth = 0;
  while (2 ** depth < twigs) depth++;
  return depth;
}

/** Roots of empty subtrees. */
export interface EmptyNodes {
  /** By level inside a twig: level 0 is the empty leaf, level TWIG_DEPTH the left root of an empty twig. */
  readonly leaf: readonly Uint8Array[];
  /** By level above twig roots: level 0 is the root of an empty twig. */
  readonly upper: readonly Uint8Array[];
}

/** Upper levels for which empty nodes are made: twigs of all safe SNs. */
export const MAX_UPPER_DEPTH = 42;

/** The ladders of empty nodes, hashed upwards from 32 zero bytes. */
export function emptyNodes(): EmptyNodes {
  const climb = (bottom: Uint8Array, levels: number): Uint8Array[] => {
    const ladder = [bottom];
    const pair = new Uint8Array(PAIR_BYTES);
    for (let level = 0; level < levels; level++) {
      const below = ladder[level] as Uint8Array;
      pair.set(below, 0);
      pair.set(below, HASH_BYTES);
      const above = new Uint8Array(HASH_BYTES);
      sha256Into(pair, above);
      ladder.push(above);
    }
    return ladder;
  };
  const leaf = climb(new Uint8Array(HASH_BYTES), TWIG_DEPTH);
  const message = new Uint8Array(TWIG_MESSAGE_BYTES);
  writeTwigMessage(message, leaf[TWIG_DEPTH] as Uint8Array, 0, new Uint8Array(TWIG_BITS_BYTES), 0);
  const twig = new Uint8Array(HASH_BYTES);
  sha256Into(message, twig);
  return { leaf, upper: climb(twig, MAX_UPPER_DEPTH) };
}
