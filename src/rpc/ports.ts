// What the RPC server needs from the rest of the node: declared here, filled by node/ and dev/. Interfaces only.
// Everything an answer is made of comes through these; no handler reaches a database or a peer by itself.
import type { History, WeighedLogQuery } from "#chain/history.ts";
import type { AccessListResult } from "#execution/access-list.ts";
import type {
  BlockOverrides,
  CallRequest,
  CallResult,
  EstimateResult,
  StateOverrides,
} from "#execution/types.ts";
import type { StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Block } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import type { Address, Hash, Height } from "#types/ids.ts";
import type { Receipt } from "#types/receipt.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/** Who this node says it is. Stable while it runs. */
export interface Identity {
  /** `anvil/kora-v…` for the local chain, `kora/v…` for a validator or follower. */
  readonly clientVersion: string;
  readonly chainId: bigint;
}

/** `kora_nodeStatus`. */
export interface NodeStatus {
  readonly currentView: number;
  /** Identity key of the current leader as hex; undefined when there is none to name. */
  readonly leader: string | undefined;
  readonly isLeader: boolean;
  readonly epoch: number;
  readonly finalizedHeight: Height;
  readonly finalizedCount: number;
  readonly nullifiedCount: number;
  readonly proposedCount: number;
  readonly peerCount: number;
  /** Seconds since the node started. */
  readonly uptime: number;
}

/** How far this node is behind what it knows to be final. */
export interface SyncProgress {
  readonly startingBlock: Height;
  readonly currentBlock: Height;
  readonly highestBlock: Height;
}

/** Two votes of one validator that contradict each other, each signed with its identity. */
export interface Evidence {
  /** What is contradicted: `conflictingNotarize`, `conflictingFinalize` or `nullifyAndFinalize`. */
  readonly kind: string;
  /** Index of the signer in the sorted list of participants. */
  readonly signer: number;
  /** Its identity key as hex; undefined for an index that is not in the committee. */
  readonly participant: string | undefined;
  readonly view: number;
  /** Wire forms of both votes, their envelopes included. */
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

export interface StatusPort {
  nodeStatus(): NodeStatus;
  /** Evidence from the views in which `fromHeight` was decided on; absent where nobody votes. */
  evidence?(fromHeight: Height): readonly Evidence[];
  /** Undefined when caught up. */
  syncing(): SyncProgress | undefined;
}

export interface PeersPort {
  /** Authenticated connections. */
  count(): number;
  listening(): boolean;
}

/** What the pool says to a transaction: its hash, or geth's text with the code that goes with it. */
export type Submission =
  | { readonly kind: "accepted"; readonly hash: Hash }
  | { readonly kind: "rejected"; readonly message: string };

/** Transactions of one kind by sender, each list by ascending nonce. */
export type PoolSection = ReadonlyMap<Address, readonly SignedTransaction[]>;

export interface PoolPort {
  /** Takes a wire form (or, for blobs, network form). Resolves when the answered hash survives kill −9. */
  submit(raw: Uint8Array): Promise<Submission>;
  get(hash: Hash): SignedTransaction | undefined;
  /** Nonce after the sender's executable transactions; the state's nonce when it has none. */
  nextNonce(sender: Address): bigint;
  content(): { readonly pending: PoolSection; readonly queued: PoolSection };
  contentFrom(sender: Address): Record<"pending" | "queued", readonly SignedTransaction[]>;
  /** How many there are, and the bytes of their wire forms. */
  status(): { readonly pending: number; readonly queued: number; readonly bytes: number };
  /** Calls back for each transaction that becomes executable; the result ends it. */
  onPending(listener: (transaction: SignedTransaction) => void): () => void;
}

/**
 * A state that calls may run on, and the header of the block they run in. Plain data, so that
 * it can cross to a worker thread. `base` is a finalized height; `overlay` what lies above it in memory.
 */
export interface CallView {
  readonly header: Header;
  readonly hash: Hash;
  readonly base: Height;
  readonly overlay: StateChanges | undefined;
  /** Hashes of the blocks between `base` and the one of `header`, oldest first. */
  readonly above: readonly Hash[];
}

/** A block above the head, with what executing it has cost. */
export interface UnfinalizedBlock {
  readonly header: Header;
  readonly transactions: readonly SignedTransaction[];
  readonly receipts: readonly Pick<Receipt, "gasUsed">[];
}

/** The block that a leader here would build now: on the certified tip, from the pool. Never proposed, so without hash. */
export interface PendingBlock extends UnfinalizedBlock {
  /** Certified blocks between the head and this one, oldest first. */
  readonly ancestors: readonly UnfinalizedBlock[];
  /** The state after it. */
  readonly view: CallView;
}

/** A block that is final, with what its execution answered. */
export interface FinalizedBlock {
  readonly block: Block;
  readonly receipts: readonly Receipt[];
}

/** Reads of the chain; all of it finalized except what `pending` names. Synchronous, as SQLite is. */
export interface ChainPort extends Omit<History, "clear"> {
  head(): Block;
  /** Wei per blob gas in the block of this header (EIP-4844, with the fork's parameters); 0 before blobs. */
  blobBaseFee(header: Header): bigint;
  /** Blob gas a block of this header's fork may hold; 0 before blobs. */
  maxBlobGas(header: Header): bigint;
  /** Header that would follow `parent` (default: the head), as far as it is known before its transactions. */
  nextHeader(parent?: Header): Header;
  /** Never older than the question. Rejects with CALL_TIMEOUT, READS_BUSY or READS_CLOSED where it cannot be built. */
  pending(): Promise<PendingBlock>;
  /** State of a finalized height (`latest` includes what the local chain has written since); throws STATE_PRUNED. */
  state(at: Height | "latest"): StateReader;
  /** State of a view; throws STATE_PRUNED. */
  stateOf(view: CallView): StateReader;
  view(at: Height | "latest"): CallView;
  /**
   * What a transaction sent now is estimated on, in the next block: with all that is pending on a local chain, as anvil
   * does; on the head's state elsewhere, as geth does.
   */
  sendingView(): CallView | Promise<CallView>;
  /** Proof of an account and slots at a height, as JSON-ready data; throws STATE_PRUNED. */
  proof(address: Address, slots: readonly Hash[], at: Height): unknown;
  /** Calls back once per finalized block, in order; the result ends it. */
  onFinalized(listener: (finalized: FinalizedBlock) => void): () => void;
}

/** One simulated message call: plain data, so that it can cross to a worker. */
export interface CallTask {
  readonly view: CallView;
  readonly request: CallRequest;
  readonly stateOverrides: StateOverrides | undefined;
  readonly blockOverrides: BlockOverrides | undefined;
}

/** What a simulated call is held to, whoever decodes it. */
export interface CallTerms {
  readonly chainId: bigint;
  readonly gasCap: bigint;
  /** Gas of a call that asks for none, or for less than `leastGas`. */
  readonly usualGas: bigint;
  readonly leastGas: bigint;
}

/** A call too long to be decoded between two blocks: plain data, decoded by the worker that runs it. */
export interface LongCall {
  readonly view: CallView;
  readonly terms: CallTerms;
  /** JSON of (call, block, state overrides, block overrides); the block is `view`'s. */
  readonly parameters: string;
}

type Abandoned = { readonly status: "abandoned" };

/** How a simulated call ended, whoever ran it. */
export type CallAnswer = Exclude<CallResult, Abandoned>;
export type EstimateAnswer = Exclude<EstimateResult, Abandoned>;
export type AccessListAnswer = Exclude<AccessListResult, Abandoned>;

/** Logs that were found, as many as the query's bounds let through and one more: plain data. */
export interface FoundLogs {
  readonly count: number;
  /** Bytes of data that they hold. */
  readonly dataBytes: number;
  /** Height of the last one. */
  readonly last: Height | undefined;
  /** All of them as they are answered; empty where they are more than the bounds allow. */
  readonly json: string;
}

/** The kinds of simulated calls. */
export interface CallRunner<Task> {
  call(task: Task): Promise<CallAnswer>;
  estimateGas(task: Task): Promise<EstimateAnswer>;
  createAccessList(task: Task): Promise<AccessListAnswer>;
}

/**
 * Runs calls: inline under a small budget, else in a worker that is ended at the time cap. Rejects with a KoraError
 * CALL_TIMEOUT at the cap and READS_BUSY when its queue is full.
 */
export interface CallsPort extends CallRunner<CallTask> {
  /** In a worker at once; rejects with the details of the RpcError that decoding ends with, too. */
  readonly long: CallRunner<LongCall>;
  /** Log queries too wide to run between two blocks, or that find too much to be told there. */
  logs(query: WeighedLogQuery): Promise<FoundLogs>;
}

/**
 * A method of the local chain: gets decoded JSON parameters, answers JSON-ready data. Throws a KoraError with code
 * INVALID_PARAMS (−32602), INVALID_INPUT (−32000), NOT_SUPPORTED (−32004) or EXECUTION_REVERTED (3, hex in
 * `details.data`); its message goes to the client.
 */
export type DevMethod = (parameters: readonly unknown[]) => unknown;
/** Methods of the local chain by full name (`evm_mine`), its unlocked accounts among them; absent on a validator. */
export type DevMethodTable = Readonly<Record<string, DevMethod>>;

/** A call that was answered, for metrics. */
export interface AnsweredCall {
  readonly method: string;
  readonly failed: boolean;
  readonly milliseconds: number;
}

/** All that the RPC server stands on. */
export interface RpcPorts {
  readonly identity: Identity;
  readonly status: StatusPort;
  readonly peers: PeersPort;
  readonly pool: PoolPort;
  readonly chain: ChainPort;
  readonly calls: CallsPort;
  readonly dev: DevMethodTable | undefined;
  /** Where an unexpected error goes; never to the client. */
  readonly report: (error: unknown, method: string) => void;
  /** Told of every answered call of a known method. */
  readonly answered?: (call: AnsweredCall) => void;
}
