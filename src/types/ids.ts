// Identifiers and quantities. A hash or an address is lowercase 0x-hex, so that it can key a Map and be compared
// with ===; its bytes are made at the edges. Heights, views and epochs are numbers, money is bigint.
import { assert } from "#lib/assert.ts";
import type { Brand } from "#lib/brand.ts";
import { fromHex, type Hex, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";

/** 32 bytes as lowercase 0x-hex. */
export type Hash = Brand<Hex, "Hash">;
/** 20 bytes as lowercase 0x-hex. */
export type Address = Brand<Hex, "Address">;
/** Number of a block; genesis is 0. */
export type Height = Brand<number, "Height">;
/** View of one epoch; view 0 is genesis. */
export type View = Brand<number, "View">;
/** Epoch; only ever rises. */
export type Epoch = Brand<number, "Epoch">;
/** An amount of wei. */
export type Wei = Brand<bigint, "Wei">;
/** A value that passed the check its maker names. */
export type Verified<T> = Brand<T, "Verified">;

const HASH = /^0x[0-9a-f]{64}$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;

/** Hash of 32 bytes or of 0x-hex in either case; throws BAD_HASH. */
export function hash(value: Uint8Array | string): Hash {
  const text = typeof value === "string" ? value.toLowerCase() : toHex(value);
  const good = typeof value === "string" ? HASH.test(text) : value.length === 32;
  if (!good) throw new KoraError(`not a 32-byte hash: ${text.slice(0, 80)}`, { code: "BAD_HASH" });
  return text as Hash;
}

/** Address of 20 bytes or of 0x-hex in either case; throws BAD_ADDRESS. */
export function address(value: Uint8Array | string): Address {
  const text = typeof value === "string" ? value.toLowerCase() : toHex(value);
  const good = typeof value === "string" ? ADDRESS.test(text) : value.length === 20;
  if (!good) {
    throw new KoraError(`not a 20-byte address: ${text.slice(0, 80)}`, { code: "BAD_ADDRESS" });
  }
  return text as Address;
}

/** The bytes of a hash or an address. */
export function bytesOf(id: Hash | Address): Uint8Array {
  return fromHex(id);
}

function counter(value: number, name: string): number {
  assert(Number.isSafeInteger(value) && value >= 0, `${name} is a non-negative safe integer, not ${value}`);
  return value;
}

/** A block height. */
export function height(value: number): Height {
  return counter(value, "height") as Height;
}

/** A view. */
export function view(value: number): View {
  return counter(value, "view") as View;
}

/** An epoch. */
export function epoch(value: number): Epoch {
  return counter(value, "epoch") as Epoch;
}

/** An amount of wei. */
export function wei(value: bigint): Wei {
  assert(value >= 0n, "wei is not negative");
  return value as Wei;
}

export const ZERO_HASH: Hash = hash(`0x${"00".repeat(32)}`);
export const ZERO_ADDRESS: Address = address(`0x${"00".repeat(20)}`);
/** keccak256 of nothing: the code hash of an account without code. */
export const EMPTY_CODE_HASH: Hash = hash(
  "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
);
/** Root of an empty Merkle-Patricia trie. */
export const EMPTY_TRIE_ROOT: Hash = hash(
  "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
);
/** keccak256(rlp([])): the ommers hash of every block. */
export const EMPTY_OMMERS_HASH: Hash = hash(
  "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
);
/** sha256 of nothing: the requests hash of a block without requests (EIP-7685). */
export const EMPTY_REQUESTS_HASH: Hash = hash(
  "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
);
