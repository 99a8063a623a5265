// Bytes are always Uint8Array, never Buffer. Hex here is lowercase with a 0x prefix.
import { KoraError } from "./error.ts";

export type Hex = `0x${string}`;

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** Lowercase 0x-prefixed hex. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${bytes.toHex()}`;
}

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/;

/** Whether `text` is 0x-prefixed hex of whole bytes, in either case. */
export function isHex(text: unknown): text is Hex {
  return typeof text === "string" && HEX.test(text);
}

/** Bytes of 0x-prefixed hex in either case; throws BAD_HEX for anything else. */
export function fromHex(text: string): Uint8Array {
  if (!isHex(text)) {
    throw new KoraError(`not hex: ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`, { code: "BAD_HEX" });
  }
  return Uint8Array.fromHex(text.slice(2));
}

/** One array holding `parts` in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality by content (not constant time: never for secrets). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Big-endian bytes of a non-negative integer without leading zeros; zero is the empty array. */
export function bigintToBytes(value: bigint): Uint8Array {
  if (value === 0n) return EMPTY_BYTES;
  const digits = value.toString(16);
  return Uint8Array.fromHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}

/** Integers of up to so many bytes are exact as numbers. */
const MAX_NUMBER_BYTES = 6;

/** The integer that big-endian `bytes` hold; empty is zero. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  if (bytes.length > MAX_NUMBER_BYTES) return BigInt(`0x${bytes.toHex()}`);
  // Most integers are short, and a number costs a sixth of the way over hex.
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return BigInt(value);
}

/** `bytes` left-padded with zeros to `length`; throws if longer. */
export function padLeft(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  if (bytes.length > length) {
    throw new KoraError(`${bytes.length} bytes do not fit ${length}`, { code: "BAD_LENGTH" });
  }
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

/** A view of `bytes` without its leading zeros. */
export function trimLeft(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return start === 0 ? bytes : bytes.subarray(start);
}

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
