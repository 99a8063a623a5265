// What a reverted call says: Error(string) and Panic(uint256) as geth words them.
import { bytesToBigint, toHex } from "#lib/bytes.ts";
import { REVERTED, RpcError } from "./errors.ts";

const ERROR_STRING = "0x08c379a0";
const PANIC = "0x4e487b71";
/** Characters of a reason that go into a message; the data holds all of it. */
const MAX_REASON = 4_096;

/** Texts of Solidity's panic codes, as geth has them. */
const PANICS: ReadonlyMap<bigint, string> = new Map([
  [0x00n, "generic panic"],
  [0x01n, "assert(false)"],
  [0x11n, "arithmetic underflow or overflow"],
  [0x12n, "division or modulo by zero"],
  [0x21n, "enum overflow"],
  [0x22n, "invalid encoded storage byte array accessed"],
  [0x31n, "out-of-bounds array access; popping on an empty array"],
  [0x32n, "out-of-bounds access of an array or bytesN"],
  [0x41n, "out of memory"],
  [0x51n, "uninitialized function"],
]);

function safeLength(word: Uint8Array): number | undefined {
  const value = bytesToBigint(word);
  return word.length === 32 && value <= 0xff_ffffn ? Number(value) : undefined;
}

/** The reason in revert data, or undefined when it is not one of the two standard forms. */
function reasonOf(output: Uint8Array): string | undefined {
  const selector = toHex(output.subarray(0, 4));
  const body = output.subarray(4);
  if (selector === PANIC && body.length >= 32) {
    const code = bytesToBigint(body.subarray(0, 32));
    return PANICS.get(code) ?? `unknown panic code: 0x${code.toString(16)}`;
  }
  if (selector !== ERROR_STRING) return undefined;
  const offset = safeLength(body.subarray(0, 32));
  if (offset === undefined) return undefined;
  const length = safeLength(body.subarray(offset, offset + 32));
  if (length === undefined || offset + 32 + length > body.length) return undefined;
  return new TextDecoder().decode(body.subarray(offset + 32, offset + 32 + length)).slice(0, MAX_REASON);
}

/** Code 3 with the reason in the message and the data as a hex string. */
export function revertError(output: Uint8Array): RpcError {
  const reason = reasonOf(output);
  const message = reason === undefined ? "execution reverted" : `execution reverted: ${reason}`;
  return new RpcError(REVERTED, message, toHex(output));
}
