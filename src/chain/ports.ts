// What the chain needs from outside and offers to consensus, in the names of the specification. Interfaces only.

import type { ExecutionOutcome } from "#execution/types.ts";
import type { StateBatch, StateDb } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import type { Hash, Height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/** The outcome of executing a block, kept until it is final or lost. */
export interface Snapshot {
  readonly block: Block;
  readonly batch: StateBatch;
  readonly outcome: ExecutionOutcome;
  readonly inputs: Uint8Array | undefined;
  readonly persisted: boolean;
}

/** Execution snapshots keyed by block digest. */
export interface SnapshotStore {
  insert(snapshot: Snapshot): void;
  get(digest: Hash): Snapshot | undefined;
  markPersisted(digest: Hash): void;
  isPersisted(digest: Hash): boolean;
  /** Drops all at or below `height` that lost, and those persisted. */
  prune(height: Height): void;
  readonly size: number;
}

/** Seed signatures of rounds, hashed: prevrandao of the children of a block (R13). */
export interface SeedTracker {
  insert(digest: Hash, seedHash: Hash): void;
  get(digest: Hash): Hash | undefined;
  prune(height: Height): void;
}

/** Pending transactions as proposals see them. */
export interface Mempool {
  /** Executable transactions in the order a block should take them, leaving out `inFlight`. */
  select(limits: SelectionLimits): Iterable<SignedTransaction>;
  /** After finalization: drops what was included and what became invalid. */
  finalized(block: Block): void;
}

export interface SelectionLimits {
  readonly baseFeePerGas: bigint;
  readonly blobBaseFee: bigint;
  readonly gasLimit: bigint;
  /** Hashes already in unfinalized ancestors. */
  readonly inFlight: ReadonlySet<Hash>;
}

/** All state management of a node. */
export interface LedgerPorts {
  readonly mempool: Mempool;
  readonly snapshots: SnapshotStore;
  readonly seeds: SeedTracker;
  readonly state: StateDb;
}

/** Where a proposal stands: fixed by consensus before the application builds. */
export interface ProposalContext {
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly prevRandao: Hash;
  /** Wall clock of the driver, seconds; the block's timestamp is at least the parent's. */
  readonly now: number;
  /** Monotonic deadline test: building stops when it returns true and proposes what it has. */
  readonly expired: () => boolean;
}

/** What verification found. `missing`: data has to be fetched first; never a verdict about the block. */
export type Verdict =
  | { readonly kind: "valid"; readonly digest: Hash }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "missing"; readonly digest: Hash };

/** The interface between consensus and the chain. */
export interface ConsensusApplication {
  /** Builds on `parent`; undefined if the parent's state cannot be had now. */
  propose(parent: Hash, context: ProposalContext): Promise<Block | undefined>;
  /** Re-executes, parent to tip; same verdict for the same block on every node. */
  verify(block: Block): Promise<Verdict>;
  /** Makes the block and all its ancestors final and durable, once. */
  finalize(digest: Hash, evidence: FinalizationEvidence): Promise<void>;
}

export interface FinalizationEvidence {
  readonly certificate: Uint8Array | undefined;
  /** Seed signature of the block's round. */
  readonly seed: Uint8Array | undefined;
}
