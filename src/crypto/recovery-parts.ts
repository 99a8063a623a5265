// What a sender is recovered from, cut out of a transaction's wire form without decoding the rest. For wire forms that
// were decoded before: it trusts their lengths. Agrees with `recoverSender`, an eighth of whose time is decoding.
import { assert } from "#lib/assert.ts";
import { bytesToBigint, compareBytes, concatBytes, fromHex } from "#lib/bytes.ts";
import { encodeRlp, joinRlpList, rlpUint } from "#lib/rlp.ts";
import { keccak256 } from "./hash.ts";
import { secp256k1Backend } from "./secp256k1.ts";
import type { RecoverKey } from "./secp256k1-recovery.ts";

/** Half the order of secp256k1: s above it is invalid (EIP-2). */
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
const EMPTY_ITEM = Uint8Array.of(0x80);
const FIRST_LIST_BYTE = 0xc0;
/** RLP lengths up to this stand in the first byte. */
const MAX_SHORT_LENGTH = 55;
const WORD_BYTES = 32;

/** Where the content of the RLP item at `at` begins. */
function contentStart(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return at;
  const short = first < FIRST_LIST_BYTE ? first - 0x80 : first - FIRST_LIST_BYTE;
  return short <= MAX_SHORT_LENGTH ? at + 1 : at + 1 + short - MAX_SHORT_LENGTH;
}

/** Where the item at `at` ends, its content beginning at `start`. */
function itemEnd(bytes: Uint8Array, at: number, start: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return at + 1;
  const short = first < FIRST_LIST_BYTE ? first - 0x80 : first - FIRST_LIST_BYTE;
  if (short <= MAX_SHORT_LENGTH) return start + short;
  let length = 0;
  for (let i = at + 1; i < start; i++) length = length * 256 + (bytes[i] as number);
  return start + length;
}

interface Cut {
  /** The encoded fields before the signature. */
  readonly fields: Uint8Array;
  /** yParity, or v of a legacy transaction. */
  readonly v: Uint8Array;
  /** r ‖ s, 64 bytes; undefined if one of them is longer than 32. */
  readonly compact: Uint8Array | undefined;
}

/** Copies a big-endian integer of `bytes` into the word that ends before `end`; false if it is longer than a word. */
function copyWord(bytes: Uint8Array, start: number, stop: number, out: Uint8Array, end: number): boolean {
  const length = stop - start;
  if (length > WORD_BYTES) return false;
  for (let i = 0; i < length; i++) out[end - length + i] = bytes[start + i] as number;
  return true;
}

/** Cuts the list that spans `body` before its last three items. */
function cut(body: Uint8Array): Cut {
  const first = contentStart(body, 0);
  // Where v, r and s begin, were the items seen so far all: plain variables, since arrays would cost microseconds.
  let vAt = 0;
  let rAt = 0;
  let sAt = 0;
  let at = first;
  let items = 0;
  for (; at < body.length; items++) {
    vAt = rAt;
    rAt = sAt;
    sAt = at;
    at = itemEnd(body, at, contentStart(body, at));
  }
  assert(items > 3, "a signature ends a transaction");
  const compact = new Uint8Array(2 * WORD_BYTES);
  const fits =
    copyWord(body, contentStart(body, rAt), sAt, compact, WORD_BYTES) &&
    copyWord(body, contentStart(body, sAt), at, compact, 2 * WORD_BYTES);
  return {
    fields: body.subarray(first, vAt),
    v: body.subarray(contentStart(body, vAt), rAt),
    compact: fits ? compact : undefined,
  };
}

/** The bytes that were signed, and the parity of the nonce's point. */
function signedPart(type: number | undefined, { fields, v }: Cut): readonly [Uint8Array, number] {
  if (type !== undefined) return [concatBytes(Uint8Array.of(type), joinRlpList([fields])), v[0] ?? 0];
  const value = bytesToBigint(v);
  if (value < 35n) return [joinRlpList([fields]), Number(value - 27n)];
  const chainId = encodeRlp(rlpUint((value - 35n) / 2n));
  return [joinRlpList([fields, chainId, EMPTY_ITEM, EMPTY_ITEM]), Number((value - 35n) % 2n)];
}

/** The 20 bytes of the sender of a well-formed wire form; undefined for an invalid signature. */
export function recoverSenderOf(
  raw: Uint8Array,
  recover: RecoverKey = secp256k1Backend().recover,
): Uint8Array | undefined {
  const first = raw[0] as number;
  const type = first < FIRST_LIST_BYTE ? first : undefined;
  const parts = cut(type === undefined ? raw : raw.subarray(1));
  const { compact } = parts;
  if (compact === undefined || compareBytes(compact.subarray(WORD_BYTES), HALF_ORDER) > 0) return undefined;
  const [payload, parity] = signedPart(type, parts);
  const key = recover(keccak256(payload), compact, parity);
  return key === undefined ? undefined : keccak256(key.subarray(1)).subarray(12);
}
