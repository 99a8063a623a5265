// Gas that a transaction costs before any code runs (yellow paper 6.2 with EIP-2, 2028, 2930, 3860, 7623, 7702).
import type { AccessList, Authorization } from "#types/transaction.ts";
import type { ForkFeatures } from "./forks.ts";

/** Gas of every transaction: a plain transfer costs exactly this. */
export const TRANSACTION_GAS = 21_000n;
const CREATE_GAS = 32_000n;
const ZERO_BYTE_GAS = 4n;
const NON_ZERO_BYTE_GAS_FRONTIER = 68n;
/** EIP-2028. */
const NON_ZERO_BYTE_GAS = 16n;
/** EIP-2930. */
const ACCESS_LIST_ADDRESS_GAS = 2400n;
const ACCESS_LIST_SLOT_GAS = 1900n;
/** EIP-3860: per 32-byte word of initcode. */
const INITCODE_WORD_GAS = 2n;
/** EIP-7702: an authorization is charged as if its account were new; the rest is refunded if it was not. */
const AUTHORIZATION_GAS = 25_000n;
export const AUTHORIZATION_REFUND = 12_500n;
/** EIP-7623: least price per token of calldata; a non-zero byte is four tokens. */
const FLOOR_TOKEN_GAS = 10n;
const TOKENS_PER_NON_ZERO_BYTE = 4;

/** The parts of a transaction that its intrinsic gas depends on. */
export interface GasRelevant {
  readonly data: Uint8Array;
  readonly isCreate: boolean;
  readonly accessList: AccessList;
  readonly authorizationList: readonly Authorization[];
}

export interface IntrinsicGas {
  readonly gas: bigint;
  /** The transaction pays at least this (EIP-7623); 0 where there is no floor. */
  readonly floor: bigint;
}

function countNonZero(data: Uint8Array): number {
  let count = 0;
  for (const byte of data) if (byte !== 0) count++;
  return count;
}

const PLAIN: IntrinsicGas = { gas: TRANSACTION_GAS, floor: 0n };
const PLAIN_WITH_FLOOR: IntrinsicGas = { gas: TRANSACTION_GAS, floor: TRANSACTION_GAS };

/** Intrinsic gas and calldata floor of a transaction under a fork. */
export function intrinsicGas(fork: ForkFeatures, tx: GasRelevant): IntrinsicGas {
  const { data, isCreate, accessList, authorizationList } = tx;
  if (data.length === 0 && !isCreate && accessList.length === 0 && authorizationList.length === 0) {
    return fork.prague ? PLAIN_WITH_FLOOR : PLAIN;
  }
  const nonZero = countNonZero(data);
  const zero = data.length - nonZero;
  const nonZeroGas = fork.cheapCalldata ? NON_ZERO_BYTE_GAS : NON_ZERO_BYTE_GAS_FRONTIER;
  let gas = TRANSACTION_GAS + BigInt(zero) * ZERO_BYTE_GAS + BigInt(nonZero) * nonZeroGas;
  if (isCreate && fork.homestead) gas += CREATE_GAS;
  if (isCreate && fork.shanghai) gas += BigInt(Math.ceil(data.length / 32)) * INITCODE_WORD_GAS;
  for (const entry of accessList) {
    gas += ACCESS_LIST_ADDRESS_GAS + BigInt(entry.storageKeys.length) * ACCESS_LIST_SLOT_GAS;
  }
  gas += BigInt(authorizationList.length) * AUTHORIZATION_GAS;
  const tokens = BigInt(zero + nonZero * TOKENS_PER_NON_ZERO_BYTE);
  return { gas, floor: fork.prague ? TRANSACTION_GAS + tokens * FLOOR_TOKEN_GAS : 0n };
}
