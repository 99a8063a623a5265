// What a chain begins with, as plain data: identity, forks, first header, first accounts, and whether it is a local
// development chain. Reading genesis files and hashing the first block is done elsewhere.
import type { Address, Hash } from "./ids.ts";

/** The fork of a chain whose genesis names none. */
export const DEFAULT_FORK = "osaka";

/** A fork and when it begins: at a block number (before the merge) or a timestamp, both inclusive. */
export interface ForkActivation {
  /** Lowercase, as client configs spell it. */
  readonly fork: string;
  readonly block?: number;
  /** Seconds. */
  readonly timestamp?: number;
}

export interface GenesisAccount {
  readonly balance: bigint;
  readonly nonce: bigint;
  readonly code: Uint8Array;
  /** Big-endian without leading zeros; never zero. */
  readonly storage: ReadonlyMap<Hash, Uint8Array>;
}

export interface Genesis {
  readonly chainId: bigint;
  /** Seconds. */
  readonly timestamp: number;
  readonly gasLimit: bigint;
  readonly baseFeePerGas: bigint;
  readonly coinbase: Address;
  readonly extraData: Uint8Array;
  readonly mixHash: Hash;
  /** 8 bytes. */
  readonly nonce: Uint8Array;
  readonly difficulty: bigint;
  /** Ascending; the first is active from the first block. */
  readonly forks: readonly ForkActivation[];
  /** A local development chain: strictly rising timestamps, inputs from outside transactions allowed. */
  readonly dev: boolean;
  readonly accounts: ReadonlyMap<Address, GenesisAccount>;
}

/** What a runner starts a chain with, beside the genesis file. The Rust Kora's `BootstrapConfig`. */
export interface BootstrapConfig {
  /** Added to the genesis accounts; a balance given here replaces the file's. */
  readonly allocations: ReadonlyMap<Address, bigint>;
  /** Wire forms of the transactions that block 1 opens with, in this order. */
  readonly transactions: readonly Uint8Array[];
}

export const NO_BOOTSTRAP: BootstrapConfig = { allocations: new Map(), transactions: [] };
