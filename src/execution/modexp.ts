// The modular exponentiation precompile (EIP-198, repriced by EIP-2565 and EIP-7883, bounded by EIP-7823): the
// library's own takes time quadratic in the exponent's length, which its price is not.
import type { PrecompileFunc } from "@ethereumjs/evm";
import { bigintToBytes, bytesToBigint, EMPTY_BYTES, padLeft } from "#lib/bytes.ts";
import { modularPower } from "#lib/modular-power.ts";
import { answerOf, outOfGas } from "./precompile-result.ts";

const HEAD_BYTES = 96;
const WORD_BYTES = 32;
/** EIP-7823. */
const MAX_BYTES_SINCE_OSAKA = 1024n;
/** No input within any gas limit is longer. */
const MAX_BYTES = 2n ** 31n - 1n;

type Common = Parameters<PrecompileFunc>[0]["common"];

/** Bytes from `at` on, with zeros where the data has ended. */
function slice(data: Uint8Array, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(data.subarray(at, at + length));
  return bytes;
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Bits of the exponent as the prices count them: those after its first word by their number, zeros among them. */
function adjustedLength(data: Uint8Array, baseLength: bigint, length: bigint, perByte: bigint): bigint {
  const at = HEAD_BYTES + Number(baseLength);
  const head = bytesToBigint(slice(data, at, Number(length < 32n ? length : 32n)));
  const bits = head === 0n ? 0 : head.toString(2).length - 1;
  return max((length > 32n ? perByte * (length - 32n) : 0n) + BigInt(bits), 1n);
}

/** EIP-198's price of one multiplication of numbers of `length` bytes. */
function multiplicationComplexity(length: bigint): bigint {
  if (length <= 64n) return length ** 2n;
  if (length <= 1024n) return length ** 2n / 4n + 96n * length - 3072n;
  return length ** 2n / 16n + 480n * length - 199_680n;
}

function gasOf(common: Common, longest: bigint, bits: bigint): bigint {
  const words = (longest + 7n) / 8n;
  if (common.isActivatedEIP(7883)) return max(bits * (longest > 32n ? 2n * words ** 2n : 16n), 500n);
  const divisor = common.param("modexpGquaddivisorGas");
  if (common.isActivatedEIP(2565)) return max((bits * words ** 2n) / divisor, 200n);
  return (bits * multiplicationComplexity(longest)) / divisor;
}

/** The three lengths that an input begins with. */
function lengthsOf(data: Uint8Array): readonly [base: bigint, exponent: bigint, modulus: bigint] {
  const [base, exponent, modulus] = [0, 1, 2].map((i) =>
    bytesToBigint(slice(data, i * WORD_BYTES, WORD_BYTES)),
  );
  return [base ?? 0n, exponent ?? 0n, modulus ?? 0n];
}

/** Modular exponentiation at the fork's price. */
export const modexp: PrecompileFunc = ({ data, gasLimit, common }) => {
  const [baseLength, exponentLength, modulusLength] = lengthsOf(data);
  const longest = max(baseLength, modulusLength);
  const perByte = common.isActivatedEIP(7883) ? 16n : 8n;
  const bits = adjustedLength(data, baseLength, exponentLength, perByte);
  const gas = gasOf(common, longest, bits);
  if (gas > gasLimit) return outOfGas(gasLimit);
  const bounded = common.isActivatedEIP(7823);
  if (!bounded && longest === 0n) return answerOf(gas, EMPTY_BYTES);
  if (max(longest, exponentLength) > (bounded ? MAX_BYTES_SINCE_OSAKA : MAX_BYTES)) return outOfGas(gasLimit);
  const [b, e, m] = [Number(baseLength), Number(exponentLength), Number(modulusLength)];
  const modulus = bytesToBigint(slice(data, HEAD_BYTES + b + e, m));
  if (modulus === 0n) return answerOf(gas, new Uint8Array(m));
  const base = bytesToBigint(slice(data, HEAD_BYTES, b));
  const power = modularPower(base, slice(data, HEAD_BYTES + b, e), modulus);
  return answerOf(gas, padLeft(bigintToBytes(power), m));
};
