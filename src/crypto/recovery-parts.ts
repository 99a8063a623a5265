// What a sender is recovered from, cut out of a transaction's wire form without decoding the rest. For wire forms that
// were decoded before: it trusts their lengths. Agrees with `recoverSender`, an eighth of whose time is decoding.
import { assert } from "#lib/assert.ts";
import { bytesToBigint, compareBytes, concatBytes, fromHex } from "#lib/bytes.ts";
import { encodeRlp, joinRlpList, rlpUint } from "#lib/rlp.ts";
import type { Address } from "#types/ids.ts";
import { keccak256 } from "./hash.ts";
import { publicKeyToAddress, secp256k1Backend } from "./secp256k1.ts";

/** Half the order of secp256k1: s above it is invalid (EIP-2). */
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
const EMPTY_ITEM = Uint8Array.of(0x80);
const FIRST_LIST_BYTE = 0xc0;

/** Where an RLP item's content begins and ends. */
function contentOf(bytes: Uint8Array, at: number): readonly [start: number, end: number] {
  const first = bytes[at] as number;
  if (first < 0x80) return [at, at + 1];
  const short = first < FIRST_LIST_BYTE ? first - 0x80 : first - FIRST_LIST_BYTE;
  if (short <= 55) return [at + 1, at + 1 + short];
  const count = short - 55;
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + (bytes[at + i] as number);
  return [at + 1 + count, at + 1 + count + length];
}

interface Item {
  readonly at: number;
  readonly content: Uint8Array;
}

/** The items of the list that spans `body`. */
function itemsOf(body: Uint8Array): readonly Item[] {
  const items: Item[] = [];
  const [start, end] = contentOf(body, 0);
  for (let at = start; at < end; ) {
    const [from, to] = contentOf(body, at);
    items.push({ at, content: body.subarray(from, to) });
    at = to;
  }
  return items;
}

/** The sender of a well-formed wire form; undefined for an invalid signature. */
export function recoverSenderOf(raw: Uint8Array): Address | undefined {
  const typed = (raw[0] as number) < FIRST_LIST_BYTE;
  const body = typed ? raw.subarray(1) : raw;
  const items = itemsOf(body);
  const [v, r, s] = items.slice(-3);
  const [first] = items;
  assert(first !== undefined && v !== undefined && r !== undefined && s !== undefined, "three items end it");
  if (r.content.length > 32 || s.content.length > 32) return undefined;
  const compact = new Uint8Array(64);
  compact.set(r.content, 32 - r.content.length);
  compact.set(s.content, 64 - s.content.length);
  if (compareBytes(compact.subarray(32), HALF_ORDER) > 0) return undefined;
  const fields = body.subarray(first.at, v.at);
  const value = bytesToBigint(v.content);
  let payload: Uint8Array;
  if (typed) payload = concatBytes(raw.subarray(0, 1), joinRlpList([fields]));
  else if (value < 35n) payload = joinRlpList([fields]);
  else payload = joinRlpList([fields, encodeRlp(rlpUint((value - 35n) / 2n)), EMPTY_ITEM, EMPTY_ITEM]);
  const parity = typed ? value : (value - (value < 35n ? 27n : 35n)) % 2n;
  const key = secp256k1Backend().recover(keccak256(payload), compact, Number(parity));
  return key === undefined ? undefined : publicKeyToAddress(key.subarray(1));
}
