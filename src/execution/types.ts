// The door of execution: blocks and calls over a StateReader. Owns: rules of every fork, gas, receipts.
// Does not own: where state lives or which block is next. No type of the EVM library leaves this folder.
import type { StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Address, Hash, Height } from "#types/ids.ts";
import type { Log, Receipt } from "#types/receipt.ts";
import type { AccessList, Authorization, SignedTransaction } from "#types/transaction.ts";
import type { BlobSchedule } from "./fees.ts";

/** Fork names in order, from Frontier on, as the fixtures and client configs spell them (lowercase). */
export type Hardfork = string;

/** Rules of one chain: which fork applies where, and what the chain switches on or off. */
export interface ChainRules {
  readonly chainId: bigint;
  hardforkAt(number: Height, timestamp: number): Hardfork;
  /** EIP-7825 gas cap per transaction, enforced where the fork has it unless false. */
  readonly transactionGasCap: boolean;
  /** EIP-170/3860 limits, enforced where the fork has them unless false. */
  readonly codeSizeLimit: boolean;
  /** EIP-7685 requests are collected at a block's end; Kora blocks carry none. Default false. */
  readonly requests?: boolean;
  /** Blob counts of single forks (EIP-7840) in place of the main network's; keys are canonical fork names. */
  readonly blobSchedules?: ReadonlyMap<string, BlobSchedule>;
}

/** What the header fixes before the transactions run. */
export interface BlockEnv {
  readonly number: Height;
  readonly timestamp: number;
  readonly coinbase: Address;
  readonly gasLimit: bigint;
  readonly baseFeePerGas: bigint;
  readonly prevRandao: Hash;
  readonly parentHash: Hash;
  readonly parentBeaconBlockRoot: Hash;
  readonly excessBlobGas: bigint;
  /** Only before the merge (historic vectors). */
  readonly difficulty?: bigint;
  /** Wei per blob gas in place of what the excess says (calls with block overrides). */
  readonly blobBaseFee?: bigint;
  /** EIP-4895; Kora blocks have none. */
  readonly withdrawals?: readonly Withdrawal[];
}

/** A payment from outside execution (EIP-4895). */
export interface Withdrawal {
  readonly index: bigint;
  readonly validatorIndex: bigint;
  readonly address: Address;
  /** Gwei. */
  readonly amount: bigint;
}

/** Hash of an ancestor for BLOCKHASH; undefined outside the window. */
export type BlockHashes = (height: Height) => Hash | undefined;

/** Why a transaction may not be in a block. The text is geth's (`message`), the code stable. */
export interface Rejection {
  readonly code: RejectionCode;
  readonly message: string;
}
export type RejectionCode =
  | "NONCE_TOO_LOW"
  | "NONCE_TOO_HIGH"
  | "NONCE_MAX"
  | "INSUFFICIENT_FUNDS"
  | "INTRINSIC_GAS"
  | "FLOOR_GAS"
  | "BLOCK_GAS_LIMIT"
  | "TX_GAS_CAP"
  | "FEE_BELOW_BASE_FEE"
  | "TIP_ABOVE_FEE_CAP"
  | "FEE_OVERFLOW"
  | "TYPE_NOT_SUPPORTED"
  | "WRONG_CHAIN"
  | "BAD_SIGNATURE"
  | "SENDER_NOT_EOA"
  | "INITCODE_TOO_LARGE"
  | "BLOB_FEE_TOO_LOW"
  | "BLOB_COUNT"
  | "BLOB_GAS_LIMIT"
  | "BLOB_HASH"
  | "BLOBS_OFF"
  | "AUTHORIZATION_LIST_EMPTY"
  | "MAX_TXS"
  | "BLOCK_BYTES";

export type TransactionOutcome =
  | { readonly kind: "included"; readonly receipt: Receipt }
  | { readonly kind: "rejected"; readonly rejection: Rejection };

/** A state write from outside transactions (local chain only), applied before a block's first transaction. */
export interface StateInput {
  readonly address: Address;
  readonly balance?: bigint;
  readonly nonce?: bigint;
  readonly code?: Uint8Array;
  /** Big-endian values, with or without leading zeros. */
  readonly storage?: ReadonlyMap<Hash, Uint8Array>;
}

/** What a block's transactions left behind. */
export interface ExecutionOutcome {
  readonly changes: StateChanges;
  readonly transactions: readonly SignedTransaction[];
  readonly receipts: readonly Receipt[];
  readonly gasUsed: bigint;
  readonly blobGasUsed: bigint;
  readonly logsBloom: Uint8Array;
  readonly transactionsRoot: Hash;
  readonly receiptsRoot: Hash;
  /** EIP-7685, each type ‖ data, empty ones left out; always empty where the rules collect none. */
  readonly requests: readonly Uint8Array[];
}

/** One block being executed. Calls are sequential: await each before the next. */
export interface BlockExecution {
  /** Runs one transaction; a rejected one leaves no trace. */
  apply(transaction: SignedTransaction): Promise<TransactionOutcome>;
  readonly gasUsed: bigint;
  readonly gasLeft: bigint;
  /** Ends the block. Nothing may be applied afterwards. */
  finish(): Promise<ExecutionOutcome>;
}

export interface BlockExecutor {
  /** Starts a block on `state`: system calls (EIP-2935, 4788), then `inputs`. */
  open(
    state: StateReader,
    env: BlockEnv,
    hashes: BlockHashes,
    inputs?: readonly StateInput[],
  ): Promise<BlockExecution>;
}

/** Overrides of `eth_call` and relatives, by account. */
export interface AccountOverride {
  readonly balance?: bigint;
  readonly nonce?: bigint;
  readonly code?: Uint8Array;
  /** Replaces all storage. */
  readonly state?: ReadonlyMap<Hash, Hash>;
  /** Replaces single slots. */
  readonly stateDiff?: ReadonlyMap<Hash, Hash>;
  readonly movePrecompileTo?: Address;
}
export type StateOverrides = ReadonlyMap<Address, AccountOverride>;

/** A message call or creation that is not a transaction. Absent fields have eth_call's defaults. */
export interface CallRequest {
  readonly from: Address;
  readonly to: Address | undefined;
  readonly gas: bigint;
  readonly gasPrice: bigint;
  readonly maxFeePerBlobGas?: bigint;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly accessList?: AccessList;
  readonly blobVersionedHashes?: readonly Hash[];
  readonly authorizationList?: readonly Authorization[];
}

/** Replaces fields of the block that a call runs in. */
export interface BlockOverrides {
  readonly number?: Height;
  readonly timestamp?: number;
  readonly gasLimit?: bigint;
  readonly coinbase?: Address;
  readonly prevRandao?: Hash;
  readonly baseFeePerGas?: bigint;
  readonly blobBaseFee?: bigint;
  /** Hashes that BLOCKHASH answers for single heights. */
  readonly blockHash?: ReadonlyMap<Height, Hash>;
}

/** What a call runs on. */
export interface CallContext {
  readonly state: StateReader;
  readonly env: BlockEnv;
  readonly hashes: BlockHashes;
}

export interface CallOptions {
  readonly stateOverrides?: StateOverrides;
  readonly blockOverrides?: BlockOverrides;
  /** What the call may take before it is abandoned; unbounded without. */
  readonly budget?: CallBudget;
}

/** Bounds of one call. It ends as `abandoned` when either is used up, and has left no trace. */
export interface CallBudget {
  /** Work units, about a microsecond each; a jump or a call is one, heavy precompiles are thousands. */
  readonly units?: number;
  /** Asked every few dozen units: true ends the call. The clock is the caller's: execution reads none. */
  readonly expired?: () => boolean;
}

/** A call that ran, one that may not run at all, or one that was ended by its budget. */
export type CallResult =
  | CallOutcome
  | { readonly status: "rejected"; readonly rejection: Rejection }
  | { readonly status: "abandoned" };

/** The least gas with which a call succeeds, or why there is none. */
export type EstimateResult =
  | { readonly status: "estimated"; readonly gas: bigint }
  | Exclude<CallResult, { status: "success" }>;

/** Success, revert (with its data) or a halt of the EVM: values, never exceptions. */
export type CallOutcome = Ran &
  (
    | { readonly status: "success" }
    | { readonly status: "revert" }
    /** `halt` is geth's text: `out of gas`, `invalid opcode: …`, … */
    | { readonly status: "halt"; readonly halt: string }
  );

interface Ran {
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  readonly gasRefunded: bigint;
  readonly logs: readonly Log[];
  /** What the call touched beside its own parties; present when an access list was asked for. */
  readonly accessList?: AccessList;
}
