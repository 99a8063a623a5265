// What the chain needs from outside and offers to consensus, in the names of the specification. Interfaces only.

import type { ExecutionOutcome } from "#execution/types.ts";
import type { StateBatch } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Block } from "#types/block.ts";
import type { Address, Hash, Height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { BlockInputs } from "./inputs.ts";

/** The outcome of executing a block, kept until it is final or lost. */
export interface Snapshot {
  readonly block: Block;
  readonly batch: StateBatch;
  readonly outcome: ExecutionOutcome;
  readonly inputs: BlockInputs | undefined;
  readonly persisted: boolean;
}

/** Execution snapshots keyed by block digest. */
export interface SnapshotStore {
  insert(snapshot: Snapshot): void;
  get(digest: Hash): Snapshot | undefined;
  markPersisted(digest: Hash): void;
  isPersisted(digest: Hash): boolean;
  /** Drops all at or below `height`: what won is persisted, the rest lost. */
  prune(height: Height): void;
  clear(): void;
  readonly size: number;
}

/** Seeds of rounds by block, hashed: prevrandao of the children of a block (R13). */
export interface SeedTracker {
  /** `seed`, the signature itself, is kept for the archive where known. */
  insert(digest: Hash, height: Height, seedHash: Hash, seed?: Uint8Array): void;
  get(digest: Hash): Hash | undefined;
  signature(digest: Hash): Uint8Array | undefined;
  /** Drops those of blocks below `height`. */
  prune(height: Height): void;
}

/** Pending transactions as proposals see them. */
export interface Mempool {
  /** Executable transactions in the order a block should take them, leaving out `inFlight`. */
  select(limits: SelectionLimits): Selection;
  /** After finalization: drops what the committed state has passed or made invalid. `changes` by block. */
  finalized(changes: readonly StateChanges[]): void;
}

/** A walk over executable transactions. */
export interface Selection {
  next(): SignedTransaction | undefined;
  /** Leaves out the rest of a sender whose transaction could not be taken. */
  skip(sender: Address): void;
}

export interface SelectionLimits {
  readonly baseFeePerGas: bigint;
  readonly blobBaseFee: bigint;
  /** Hashes already in unfinalized ancestors. */
  readonly inFlight: ReadonlySet<Hash>;
}

/** Where a proposal stands: fixed by consensus before the application builds. */
export interface ProposalContext {
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  /** Wall clock of the driver, seconds; the block's timestamp is at least the parent's. */
  readonly now: number;
  /** Monotonic deadline test: building stops when it returns true and proposes what it has. */
  readonly expired: () => boolean;
  /** Builds without transactions from the pool. */
  readonly empty?: boolean;
}

/** What the next block of a node alone depends on beside the chain. */
export interface BlockRequest {
  /** Wall clock, seconds: the timestamp unless an input says another. */
  readonly now: number;
  /** Building stops after so many milliseconds; Infinity for as long as it takes. */
  readonly buildMs: number;
}

/** Makes the next block on the finalized tip and resolves when it is durable. Calls must not overlap. */
export type MakeBlock = (request: BlockRequest) => Promise<Block>;

/** What verification found. `missing`: data has to be fetched first; never a verdict about the block. */
export type Verdict =
  | { readonly kind: "valid"; readonly digest: Hash }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "missing"; readonly what: "block" | "seed"; readonly digest: Hash };

/** What builds blocks. */
export interface Application {
  /** Builds on `parent`; undefined if the parent's state or its round's seed cannot be had now. */
  propose(parent: Hash, context: ProposalContext): Promise<Block | undefined>;
}

/** What judges those of others too. */
export interface VerifyingApplication extends Application {
  /** Re-executes, parent to tip; same verdict for the same block on every node. */
  verify(block: Block): Promise<Verdict>;
}

/** The interface between consensus and the chain. */
export interface ConsensusApplication extends VerifyingApplication {
  /** Makes the block and all its ancestors final and durable, once. */
  finalize(digest: Hash, evidence: FinalizationEvidence): Promise<void>;
}

export interface FinalizationEvidence {
  readonly certificate: Uint8Array | undefined;
  /** Seed signature of the block's round. */
  readonly seed: Uint8Array | undefined;
}
