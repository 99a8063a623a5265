// How the fixtures name what makes a transaction or a block invalid, for each of Kora's own codes.
import type { RejectionCode } from "#execution/types.ts";
import { KoraError } from "#lib/error.ts";
import { Mismatch } from "./case.ts";

const T = "TransactionException.";

const NAMES: Partial<Record<RejectionCode, readonly string[]>> = {
  NONCE_TOO_LOW: ["NONCE_MISMATCH_TOO_LOW"],
  NONCE_TOO_HIGH: ["NONCE_MISMATCH_TOO_HIGH"],
  NONCE_MAX: ["NONCE_IS_MAX", "NONCE_OVERFLOW"],
  INSUFFICIENT_FUNDS: ["INSUFFICIENT_ACCOUNT_FUNDS", "GASLIMIT_PRICE_PRODUCT_OVERFLOW"],
  INTRINSIC_GAS: ["INTRINSIC_GAS_TOO_LOW"],
  FLOOR_GAS: ["INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", "INTRINSIC_GAS_TOO_LOW"],
  BLOCK_GAS_LIMIT: ["GAS_ALLOWANCE_EXCEEDED"],
  TX_GAS_CAP: ["GAS_LIMIT_EXCEEDS_MAXIMUM"],
  FEE_BELOW_BASE_FEE: ["INSUFFICIENT_MAX_FEE_PER_GAS"],
  TIP_ABOVE_FEE_CAP: ["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"],
  TYPE_NOT_SUPPORTED: ["TYPE_NOT_SUPPORTED", "TYPE_3_TX_PRE_FORK", "TYPE_4_TX_PRE_FORK"],
  WRONG_CHAIN: ["INVALID_CHAINID"],
  BAD_SIGNATURE: ["INVALID_SIGNATURE_VRS", "EC_RECOVERY_FAIL"],
  SENDER_NOT_EOA: ["SENDER_NOT_EOA"],
  INITCODE_TOO_LARGE: ["INITCODE_SIZE_EXCEEDED"],
  BLOB_FEE_TOO_LOW: ["INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"],
  BLOB_COUNT: [
    "TYPE_3_TX_ZERO_BLOBS",
    "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
    "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
  ],
  BLOB_GAS_LIMIT: ["TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"],
  BLOB_HASH: ["TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"],
  AUTHORIZATION_LIST_EMPTY: ["TYPE_4_EMPTY_AUTHORIZATION_LIST"],
};

/** Throws unless a rejection's code is one of those that `expected` (alternatives joined by |) allows. */
export function expectRejection(code: RejectionCode, message: string, expected: string): void {
  const allowed = expected.split("|");
  const names = (NAMES[code] ?? []).map((name) => T + name);
  if (!names.some((name) => allowed.includes(name))) {
    throw new Mismatch(`rejected as ${code} (${message}), expected ${expected}`);
  }
}

/** Whether a decoding error is what a fixture expects of a malformed transaction or block. */
export function isDecodingError(error: unknown): error is KoraError {
  return error instanceof KoraError && ["BAD_RLP", "BAD_TRANSACTION", "BAD_LENGTH"].includes(error.code);
}

/** Exceptions that a malformed encoding may stand for. */
const DECODING =
  /RLP_|ADDRESS_TOO|_OVERFLOW|TYPE_3_TX_CONTRACT_CREATION|TYPE_3_TX_WITH_FULL_BLOBS|TYPE_4_TX_CONTRACT_CREATION|INVALID_AUTHORITY|INCORRECT_BLOCK_FORMAT|INVALID_SIGNATURE_VRS|TYPE_NOT_SUPPORTED|INVALID_CHAINID|EC_RECOVERY_FAIL/;

export function expectDecodingError(error: unknown, expected: string): void {
  if (!isDecodingError(error)) throw error;
  if (!DECODING.test(expected))
    throw new Mismatch(`refused as malformed (${error.message}), expected ${expected}`);
}
