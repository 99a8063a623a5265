// The account as the EVM sees it, and the change set that executing a block leaves behind.
import type { Address, Hash } from "./ids.ts";

export interface Account {
  readonly nonce: bigint;
  readonly balance: bigint;
  /** keccak256 of the code; EMPTY_CODE_HASH without code. */
  readonly codeHash: Hash;
}

/** What became of one account in a block. */
export interface AccountChange {
  /** The record after the block; undefined when absent then. */
  readonly account: Account | undefined;
  /**
   * True if the record was removed at some point of the block: everything stored before is gone, and `storage`
   * holds all that the re-created account has.
   */
  readonly reset: boolean;
  /** Final value of each written slot: big-endian without leading zeros, empty for zero. */
  readonly storage: ReadonlyMap<Hash, Uint8Array>;
}

/** The net effect of a block on the state: independent of the order in which it came about. */
export interface StateChanges {
  readonly accounts: ReadonlyMap<Address, AccountChange>;
  /** Code created in the block, by hash. */
  readonly code: ReadonlyMap<Hash, Uint8Array>;
}
