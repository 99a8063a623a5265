// The door of the state: what others may ask of the authenticated store. Everything is synchronous, as SQLite is.
// Owns: state values, roots, proofs, block rows and their indexes in one database. Does not own: what a block means.
import type { Account, StateChanges } from "#types/account.ts";
import type { Address, Hash, Height } from "#types/ids.ts";

/** Reads of one fixed state. The Rust Kora's `QmdbGettable`. */
export interface QmdbGettable {
  /** The account, or undefined when absent. */
  account(address: Address): Account | undefined;
  /** Value of a slot: big-endian without leading zeros, empty for zero. */
  storage(address: Address, slot: Hash): Uint8Array;
  /** Code by its hash; empty for EMPTY_CODE_HASH. Throws if the code is not held: that is corruption. */
  code(codeHash: Hash): Uint8Array;
  /** Whether any slot of the account is non-zero (EIP-7610). */
  hasStorage(address: Address): boolean;
}
export type StateReader = QmdbGettable;

/** A block's state above the committed one, with its root: speculative until committed. */
export interface StateBatch extends StateReader {
  readonly height: Height;
  readonly root: Hash;
  /** The batch below, or undefined when it stands on the committed state (or was folded into it since). */
  readonly parent: StateBatch | undefined;
}

/** Turns the net effect of a block into a batch with a root. The Rust Kora's `QmdbBatchable`. */
export interface QmdbBatchable {
  /** Builds on `parent`, or on the committed state. Deterministic in (parent root, height, changes). */
  prepare(parent: StateBatch | undefined, height: Height, changes: StateChanges): StateBatch;
}

export interface TransactionRow {
  readonly hash: Hash;
  readonly sender: Address;
  readonly to: Address | undefined;
  /** Contract it created at the top level. */
  readonly created: Address | undefined;
  readonly nonce: bigint;
}

export interface LogRow {
  readonly transactionIndex: number;
  /** Position within the block. */
  readonly logIndex: number;
  readonly address: Address;
  readonly topics: readonly Hash[];
}

/** A finalized block as it is kept. The byte strings are opaque here. */
export interface StoredBlock {
  readonly height: Height;
  readonly hash: Hash;
  /** rlp(header). */
  readonly header: Uint8Array;
  /** rlp of the list of transaction wire forms. */
  readonly body: Uint8Array;
  readonly receipts: Uint8Array;
  /** Finalization (or certificate) of this block where one is held. */
  readonly certificate: Uint8Array | undefined;
  /** Seed signature of this block's round (R13). */
  readonly seed: Uint8Array | undefined;
  /** Inputs from outside transactions (local chain only): needed to execute the block again. */
  readonly inputs: Uint8Array | undefined;
}

/** A finalized block to be kept, with what its indexes are built from. */
export interface BlockRecord extends StoredBlock, IndexRows {
  readonly parentHash: Hash;
  readonly stateRoot: Hash;
  readonly timestamp: number;
}

export interface LogQuery {
  readonly from: Height;
  readonly to: Height;
  /** Any of these; empty means all. */
  readonly addresses: readonly Address[];
  /** Per position any of these; empty means all logs that have one there, missing all. */
  readonly topics: readonly (readonly Hash[])[];
  /** At most this many results; one more is returned when there are more. */
  readonly limit: number;
}

export interface LogPosition {
  readonly height: Height;
  readonly transactionIndex: number;
  readonly logIndex: number;
}

/** Most results of one page. */
export const MAX_PAGE = 1_000;

/** A page of what concerns one address: newest first. */
export interface PageQuery {
  readonly address: Address;
  readonly from: Height;
  readonly to: Height;
  /** Only what is older than this position (index: of the transaction or the log in its block): the last one got. */
  readonly before?: { readonly height: Height; readonly index: number } | undefined;
  /** At most this many results, up to MAX_PAGE. */
  readonly limit: number;
}

export interface TransactionPosition {
  readonly height: Height;
  readonly index: number;
  readonly hash: Hash;
}

export type TokenKind = "erc20" | "erc721" | "erc1155";

/** A log that moved a token: amounts are in the receipts. */
export interface TransferPosition extends LogPosition {
  readonly token: Address;
  readonly kind: TokenKind;
}

/** What the indexes are built from. */
export interface IndexRows {
  readonly transactions: readonly TransactionRow[];
  readonly logs: readonly LogRow[];
}

/**
 * Reads of finalized blocks; each call sees one SQLite snapshot. What is looked up in indexes that lack blocks it could
 * be in throws INDEXES_MISSING.
 */
export interface Archive {
  block(height: Height): StoredBlock | undefined;
  /** The block's hash, without the rest of the block. */
  hashAt(height: Height): Hash | undefined;
  heightOf(hash: Hash): Height | undefined;
  transaction(hash: Hash): { readonly height: Height; readonly index: number } | undefined;
  transactionBySender(sender: Address, nonce: bigint): Hash | undefined;
  logs(query: LogQuery): readonly LogPosition[];
  /** Transactions that the address sent, received or was created by. */
  transactionsOf(query: PageQuery): readonly TransactionPosition[];
  /** Transfers of tokens (all, or one) that the address gave or received. */
  transfersOf(query: PageQuery & { readonly token?: Address | undefined }): readonly TransferPosition[];
  /** Lowest height whose state can be read. */
  oldestState(): Height;
}

export interface Head {
  readonly height: Height;
  readonly hash: Hash;
  readonly root: Hash;
}

export interface Finalized {
  readonly batch: StateBatch;
  readonly record: BlockRecord;
}

/** Small durable values beside the chain (instance id, pending inputs, pool policy of the local chain). */
export interface Notes {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array | undefined): void;
  /** Removes all whose names begin with `prefix`. */
  removeAll(prefix: string): void;
  /** Runs `work`, which writes notes, in one transaction: all of them are durable, or none is. */
  together(work: () => void): void;
}

/** The one owner of chain.db. */
export interface StateDb extends QmdbBatchable {
  /** The database file, for readers beside the owner. */
  readonly path: string;
  readonly archive: Archive;
  readonly notes: Notes;
  /** The last committed block; throws NO_GENESIS while there is none. */
  head(): Head;
  /** Whether not even genesis is committed. */
  readonly isEmpty: boolean;
  /** The committed state; follows the head. */
  latest(): StateReader;
  /** The state after `height`, read through history; throws STATE_PRUNED with the oldest height that is held. */
  at(height: Height): StateReader;
  /** Commits finalized blocks, in order, in one SQLite transaction; idempotent for what is already committed. */
  commit(blocks: readonly Finalized[]): void;
  /** Returns to `height`, which must still be held (archive only). */
  rollback(height: Height): void;
  /**
   * First height that the indexes lack, where blocks were committed while these were switched off; undefined when they
   * lack none, and while they still are switched off. Until then no block is added to them.
   */
  readonly unindexed: Height | undefined;
  /**
   * Adds the next of the blocks that the indexes lack, of which `rowsOf` tells what they hold: one transaction of some
   * milliseconds, to be repeated until none is left.
   */
  indexSome(rowsOf: (height: Height) => IndexRows): void;
  /** Drops state history no longer wanted: keeps what heights ≥ `oldest` need. */
  prune(oldest: Height): void;
  /**
   * Proof (verify.ts: decodeProof, verifyState) under head().root of an account and slots of it, as they are now or as
   * they were in the block at `height`. Throws STATE_PRUNED, STATE_UNKNOWN or PROOF_UNAVAILABLE.
   */
  prove(address: Address, slots: readonly Hash[], height?: Height): Uint8Array;
  /** Manifest (verify.ts: decodeManifest) of the committed state, for state sync. */
  manifest(): Uint8Array;
  /** Leaf messages of a twig, dead ones included. Throws STATE_PRUNED. */
  twigOps(twig: number): readonly Uint8Array[];
  /**
   * Moves the write-ahead log into the database file: to be called between blocks. Answers the bytes of the log. The
   * next write begins it anew, unless some reader that began before this still stands on it: then it goes on growing.
   */
  checkpoint(): number;
  close(): void;
}
