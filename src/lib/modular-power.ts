// base^exponent mod modulus over bigints, in time linear in the exponent's length. Not constant time: for public
// numbers only.
import { trimLeft } from "./bytes.ts";

/** Bits of a long exponent that are taken at once: half a byte. */
const WINDOW = 4;
/** Exponents of up to so many bytes are taken bit by bit: a table of powers costs more than it saves. */
const SHORT_BYTES = 4;

/** One digit of the exponent after the other, most significant first. */
function* digitsOf(exponent: Uint8Array, width: number): Generator<number> {
  for (const byte of exponent) {
    for (let shift = 8 - width; shift >= 0; shift -= width) yield (byte >> shift) & ((1 << width) - 1);
  }
}

/** base^exponent mod modulus. The exponent is big-endian, of any length; neither number is negative, modulus not 0. */
export function modularPower(base: bigint, exponent: Uint8Array, modulus: bigint): bigint {
  const digits = trimLeft(exponent);
  const width = digits.length <= SHORT_BYTES ? 1 : WINDOW;
  const powers = [1n % modulus, base % modulus];
  for (let i = 2; i < 1 << width; i++) {
    powers.push(((powers[i - 1] as bigint) * (powers[1] as bigint)) % modulus);
  }
  let power: bigint | undefined;
  for (const digit of digitsOf(digits, width)) {
    if (power !== undefined) for (let i = 0; i < width; i++) power = (power * power) % modulus;
    if (digit === 0) continue;
    const factor = powers[digit] as bigint;
    power = power === undefined ? factor : (power * factor) % modulus;
  }
  return power ?? (powers[0] as bigint);
}
