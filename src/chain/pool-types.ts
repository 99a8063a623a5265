// The values of the transaction pool: its bounds with their reasons, its entries, and why it refuses.
import type { Address, Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/** Bounds and policy of a pool. Defaults follow geth where a validator's traffic does not ask for more. */
export interface PoolOptions {
  /** Least tip, wei per gas. */
  readonly priceLimit: bigint;
  /** Percent by which a replacement must raise tip and fee cap. */
  readonly priceBump: bigint;
  /** The same for blob transactions. */
  readonly blobPriceBump: bigint;
  /** Executable transactions a sender keeps when others are squeezed out. */
  readonly accountSlots: number;
  /** Transactions beyond a nonce gap per sender. */
  readonly accountQueue: number;
  /** Executable transactions in all. */
  readonly globalSlots: number;
  /** Transactions beyond a gap in all. */
  readonly globalQueue: number;
  /** Wire bytes of all transactions: with what is decoded beside them, memory is about twice this. */
  readonly globalBytes: number;
  /** Milliseconds after which transactions behind a gap are dropped when their sender does nothing. */
  readonly lifetime: number;
  /** Transactions without replay protection are refused (EIP-155). */
  readonly replayProtection: boolean;
  /** One transaction in flight for accounts with code or a pending authorization (EIP-7702), as geth has it. */
  readonly delegationLimit: boolean;
  /** A fee cap below the base fee is refused at once instead of waiting for cheaper blocks. */
  readonly refuseBelowBaseFee: boolean;
  /** Blob transactions are taken: their blobs are proven when they are submitted, and not kept. */
  readonly blobs: boolean;
}

export const DEFAULT_POOL_OPTIONS: PoolOptions = {
  priceLimit: 1n,
  priceBump: 10n,
  blobPriceBump: 100n,
  accountSlots: 16,
  accountQueue: 64,
  globalSlots: 16_384,
  globalQueue: 1_024,
  globalBytes: 64 * 1024 * 1024,
  lifetime: 3 * 60 * 60 * 1000,
  replayProtection: true,
  delegationLimit: true,
  refuseBelowBaseFee: false,
  blobs: false,
};

/** On a local chain nobody competes for room, and a transaction that can never be mined is told so. */
export const DEV_POOL_OPTIONS: PoolOptions = {
  ...DEFAULT_POOL_OPTIONS,
  priceLimit: 0n,
  accountQueue: 1_024,
  globalQueue: 16_384,
  replayProtection: false,
  delegationLimit: false,
  refuseBelowBaseFee: true,
};

/** Stable names of the pool's refusals, for metrics; the message is geth's text, for clients. */
export type PoolRejectionCode =
  | "ALREADY_KNOWN"
  | "MALFORMED"
  | "INVALID_SENDER"
  | "UNPROTECTED"
  | "TYPE_NOT_SUPPORTED"
  | "OVERSIZED"
  | "INITCODE_TOO_LARGE"
  | "TX_GAS_CAP"
  | "GAS_LIMIT"
  | "TIP_ABOVE_FEE_CAP"
  | "NONCE_MAX"
  | "NONCE_TOO_LOW"
  | "INTRINSIC_GAS"
  | "FLOOR_GAS"
  | "PRICE_BELOW_MINIMUM"
  | "FEE_BELOW_BASE_FEE"
  | "AUTHORIZATION_LIST_EMPTY"
  | "SENDER_NOT_EOA"
  | "INSUFFICIENT_FUNDS"
  | "REPLACEMENT_UNDERPRICED"
  | "DELEGATION_LIMIT"
  | "AUTHORITY_RESERVED"
  | "ACCOUNT_LIMIT"
  | "UNDERPRICED"
  | "POOL_FULL"
  | "BLOB";

export interface PoolRejection {
  readonly code: PoolRejectionCode;
  readonly message: string;
}

export type PoolVerdict =
  | { readonly kind: "accepted"; readonly transaction: SignedTransaction }
  | { readonly kind: "rejected"; readonly rejection: PoolRejection };

/** A transaction in the pool with what ordering and bounding it needs. */
export interface PoolEntry {
  readonly signed: SignedTransaction;
  readonly hash: Hash;
  readonly nonce: bigint;
  /** Wei per gas. */
  readonly feeCap: bigint;
  readonly tipCap: bigint;
  /** The most it can cost its sender, wei. */
  readonly cost: bigint;
  /** Order of arrival: breaks ties between equal prices. */
  readonly sequence: number;
  /** Accounts whose delegation it sets (EIP-7702). */
  readonly authorities: readonly Address[];
}

/** What a transaction pays its block's proposer per gas at a base fee; negative below the base fee. */
export function effectiveTip(entry: Pick<PoolEntry, "feeCap" | "tipCap">, baseFeePerGas: bigint): bigint {
  const room = entry.feeCap - baseFeePerGas;
  if (room < entry.tipCap) return room;
  return entry.tipCap;
}
