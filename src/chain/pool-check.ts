// What a transaction must satisfy before it may enter the pool, in geth's order and words: clients match on them.
// Checks that need no state come first, cheapest first. Changes nothing.

import { delegationOf } from "#execution/authorization.ts";
import type { ForkFeatures } from "#execution/forks.ts";
import { intrinsicGas } from "#execution/intrinsic.ts";
import {
  MAX_BLOBS_PER_TRANSACTION,
  MAX_INITCODE_BYTES,
  MAX_NONCE,
  TRANSACTION_GAS_CAP,
} from "#execution/rules.ts";
import type { ChainRules } from "#execution/types.ts";
import type { StateReader } from "#state/types.ts";
import { EMPTY_CODE_HASH } from "#types/ids.ts";
import { MAX_TRANSACTION_BYTES } from "#types/limits.ts";
import {
  accessListOf,
  authorizationsOf,
  feeCapOf,
  type SignedTransaction,
  type Transaction,
  tipCapOf,
} from "#types/transaction.ts";
import { entryAt, type PoolAccount } from "./pool-account.ts";
import type { PoolEntry, PoolOptions, PoolRejection, PoolRejectionCode } from "./pool-types.ts";

/** EIP-4844: wei per blob gas. */
const MIN_BLOB_FEE_CAP = 1n;

/** The next block as far as admission depends on it. */
export interface PoolHead {
  readonly fork: ForkFeatures;
  readonly gasLimit: bigint;
  /** Wei per gas. */
  readonly baseFeePerGas: bigint;
}

export function refuse(code: PoolRejectionCode, message: string): PoolRejection {
  return { code, message };
}

function checkType(tx: Transaction, fork: ForkFeatures, options: PoolOptions): PoolRejection | undefined {
  const words = `transaction type not supported: `;
  if (tx.type === 3 && !options.blobs) {
    return refuse("TYPE_NOT_SUPPORTED", `${words}tx type 3 not supported by this pool`);
  }
  const [since, exists] = (
    [
      ["Frontier", true],
      ["Berlin", fork.accessLists],
      ["London", fork.london],
      ["Cancun", fork.cancun],
      ["Prague", fork.prague],
    ] as const
  )[tx.type];
  return exists
    ? undefined
    : refuse("TYPE_NOT_SUPPORTED", `${words}type ${tx.type} rejected, pool not yet in ${since}`);
}

function checkSize(signed: SignedTransaction, rules: ChainRules, head: PoolHead): PoolRejection | undefined {
  const { tx, raw } = signed;
  if (raw.length > MAX_TRANSACTION_BYTES) {
    const detail = `transaction size ${raw.length}, limit ${MAX_TRANSACTION_BYTES}`;
    return refuse("OVERSIZED", `oversized data: ${detail}`);
  }
  const limited = tx.to === undefined && head.fork.shanghai && rules.codeSizeLimit;
  if (limited && tx.data.length > MAX_INITCODE_BYTES) {
    const detail = `code size ${tx.data.length}, limit ${MAX_INITCODE_BYTES}`;
    return refuse("INITCODE_TOO_LARGE", `max initcode size exceeded: ${detail}`);
  }
  if (head.fork.osaka && rules.transactionGasCap && tx.gasLimit > TRANSACTION_GAS_CAP) {
    const detail = `(cap: ${TRANSACTION_GAS_CAP}, tx: ${tx.gasLimit})`;
    return refuse("TX_GAS_CAP", `transaction gas limit too high ${detail}`);
  }
  return tx.gasLimit > head.gasLimit ? refuse("GAS_LIMIT", "exceeds block gas limit") : undefined;
}

function checkSigner(tx: Transaction, rules: ChainRules, options: PoolOptions): PoolRejection | undefined {
  if (tx.chainId === undefined) {
    return options.replayProtection
      ? refuse("UNPROTECTED", "only replay-protected (EIP-155) transactions allowed over RPC")
      : undefined;
  }
  if (tx.chainId === rules.chainId) return undefined;
  const detail = `have ${tx.chainId} want ${rules.chainId}`;
  return refuse("INVALID_SENDER", `invalid sender: invalid chain id for signer: ${detail}`);
}

function checkGas(tx: Transaction, fork: ForkFeatures): PoolRejection | undefined {
  const { gas, floor } = intrinsicGas(fork, {
    data: tx.data,
    isCreate: tx.to === undefined,
    accessList: accessListOf(tx),
    authorizationList: authorizationsOf(tx),
  });
  if (tx.gasLimit < gas) {
    return refuse("INTRINSIC_GAS", `intrinsic gas too low: gas ${tx.gasLimit}, minimum needed ${gas}`);
  }
  if (tx.gasLimit < floor) {
    const detail = `gas ${tx.gasLimit}, minimum needed ${floor}`;
    return refuse("FLOOR_GAS", `insufficient gas for floor data gas cost: ${detail}`);
  }
  return undefined;
}

function checkPrice(
  signed: SignedTransaction,
  head: PoolHead,
  options: PoolOptions,
): PoolRejection | undefined {
  const tip = tipCapOf(signed.tx);
  const cap = feeCapOf(signed.tx);
  if (tip < options.priceLimit) {
    const detail = `gas tip cap ${tip}, minimum needed ${options.priceLimit}`;
    return refuse("PRICE_BELOW_MINIMUM", `transaction gas price below minimum: ${detail}`);
  }
  if (options.refuseBelowBaseFee && cap < head.baseFeePerGas) {
    const detail = `address ${signed.sender}, maxFeePerGas: ${cap}, baseFee: ${head.baseFeePerGas}`;
    return refuse("FEE_BELOW_BASE_FEE", `max fee per gas less than block base fee: ${detail}`);
  }
  return undefined;
}

function checkBlobs(tx: Transaction): PoolRejection | undefined {
  if (tx.type !== 3) return undefined;
  if (tx.maxFeePerBlobGas < MIN_BLOB_FEE_CAP) {
    const detail = `blob fee cap ${tx.maxFeePerBlobGas}, minimum needed ${MIN_BLOB_FEE_CAP}`;
    return refuse("PRICE_BELOW_MINIMUM", `transaction gas price below minimum: ${detail}`);
  }
  const { length } = tx.blobVersionedHashes;
  if (length === 0) return refuse("BLOB", "blobless blob transaction");
  return length > MAX_BLOBS_PER_TRANSACTION
    ? refuse("BLOB", `too many blobs in transaction: have ${length}, permitted ${MAX_BLOBS_PER_TRANSACTION}`)
    : undefined;
}

/** Checks that need no account: type, size, gas, fees, chain. The first that fails, or undefined. */
export function checkStateless(
  signed: SignedTransaction,
  rules: ChainRules,
  head: PoolHead,
  options: PoolOptions,
): PoolRejection | undefined {
  const { tx } = signed;
  const early = checkType(tx, head.fork, options) ?? checkSize(signed, rules, head);
  if (early !== undefined) return early;
  if (tipCapOf(tx) > feeCapOf(tx)) {
    return refuse("TIP_ABOVE_FEE_CAP", "max priority fee per gas higher than max fee per gas");
  }
  const signer = checkSigner(tx, rules, options);
  if (signer !== undefined) return signer;
  if (tx.nonce >= MAX_NONCE) return refuse("NONCE_MAX", "nonce has max value");
  const late = checkGas(tx, head.fork) ?? checkPrice(signed, head, options) ?? checkBlobs(tx);
  if (late !== undefined) return late;
  return tx.type === 4 && tx.authorizationList.length === 0
    ? refuse("AUTHORIZATION_LIST_EMPTY", "set code tx must have at least one authorization tuple")
    : undefined;
}

/** The sender as the committed state has it. */
export interface SenderState {
  readonly nonce: bigint;
  readonly balance: bigint;
  /** Has code, which can only be a delegation (EIP-7702) if it may send. */
  readonly delegated: boolean;
}

/** Looks the sender up; a rejection if its code is not a delegation (EIP-3607). */
export function lookUpSender(state: StateReader, signed: SignedTransaction): SenderState | PoolRejection {
  const account = state.account(signed.sender);
  if (account === undefined) return { nonce: 0n, balance: 0n, delegated: false };
  const { nonce, balance, codeHash } = account;
  if (codeHash === EMPTY_CODE_HASH) return { nonce, balance, delegated: false };
  const code = state.code(codeHash);
  if (delegationOf(code) !== undefined) return { nonce, balance, delegated: true };
  const detail = `address ${signed.sender}, len(code): ${code.length}`;
  return refuse("SENDER_NOT_EOA", `sender not an eoa: ${detail}`);
}

const NO_FUNDS = "insufficient funds for gas * price + value";

/** Nonce and funds against the state and what the sender already has pooled. */
export function checkAgainstState(
  entry: PoolEntry,
  sender: SenderState,
  account: PoolAccount | undefined,
): PoolRejection | undefined {
  const { nonce, cost } = entry;
  const { balance } = sender;
  if (nonce < sender.nonce) {
    return refuse("NONCE_TOO_LOW", `nonce too low: next nonce ${sender.nonce}, tx nonce ${nonce}`);
  }
  if (balance < cost) {
    const detail = `balance ${balance}, tx cost ${cost}, overshot ${cost - balance}`;
    return refuse("INSUFFICIENT_FUNDS", `${NO_FUNDS}: ${detail}`);
  }
  if (account === undefined) return undefined;
  const spent = account.executableCost;
  const pooled = entryAt(account, nonce);
  const replaces = pooled !== undefined && nonce < account.nonce + BigInt(account.executable);
  const extra = replaces ? cost - pooled.cost : cost;
  if (balance >= spent + extra) return undefined;
  const what = replaces ? "tx bumped" : "tx cost";
  const detail = `balance ${balance}, queued cost ${spent}, ${what} ${extra}, overshot ${spent + extra - balance}`;
  return refuse("INSUFFICIENT_FUNDS", `${NO_FUNDS}: ${detail}`);
}

/** Whether `entry` may take the place of `old`: both prices must rise by the bump. */
export function checkReplacement(
  entry: PoolEntry,
  old: PoolEntry,
  options: PoolOptions,
): PoolRejection | undefined {
  const bump = entry.signed.tx.type === 3 ? options.blobPriceBump : options.priceBump;
  const { tx } = entry.signed;
  const { tx: oldTx } = old.signed;
  const enough = (now: bigint, before: bigint): boolean =>
    now > before && now >= (before * (100n + bump)) / 100n;
  const blobFee = tx.type !== 3 || oldTx.type !== 3 || enough(tx.maxFeePerBlobGas, oldTx.maxFeePerBlobGas);
  return blobFee && enough(entry.feeCap, old.feeCap) && enough(entry.tipCap, old.tipCap)
    ? undefined
    : refuse("REPLACEMENT_UNDERPRICED", "replacement transaction underpriced");
}
