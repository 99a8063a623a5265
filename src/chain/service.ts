// The ledger as the rest of the node uses it: takes transactions, tells what happened. Events inform; nothing waits
// for a listener. Consensus talks to the application, not to this.
import { openTransaction } from "#crypto/digest.ts";
import { keccakHash } from "#crypto/hash.ts";
import { MIN_BATCH, type Opened, type SenderRecovery } from "#crypto/recovery.ts";
import { KoraError } from "#lib/error.ts";
import { createGathering } from "#lib/gather.ts";
import { createListeners, type Listeners } from "#lib/listeners.ts";
import type { Block } from "#types/block.ts";
import type { Hash, Height } from "#types/ids.ts";
import { MAX_TRANSACTION_BYTES } from "#types/limits.ts";
import type { Receipt } from "#types/receipt.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { BLOB_TRANSACTION_TYPE, MAX_BLOB_TRANSACTION_BYTES, openBlobSubmission } from "./blob-sidecar.ts";
import type { OpenedTransactions } from "./opened.ts";
import type { Pool } from "./pool.ts";
import { refuse } from "./pool-check.ts";
import type { PoolJournal } from "./pool-journal.ts";
import type { PoolRejection, PoolVerdict } from "./pool-types.ts";
import type { Snapshot } from "./ports.ts";

/** Where a transaction came from: an answer to a client must survive a crash, a peer still has its copy. */
export type TransactionOrigin = "client" | "peer";

/**
 * What became of a submitted transaction; a refusal carries geth's text. An accepted one survives a crash once
 * `persist` has resolved, or once it is in a final block: only then may a client be told its hash.
 */
export type Submission =
  | { readonly kind: "accepted"; readonly hash: Hash; readonly persist: () => Promise<void> }
  | { readonly kind: "rejected"; readonly code: PoolRejection["code"]; readonly message: string };

export interface TransactionSubmitted {
  readonly transaction: SignedTransaction;
  readonly origin: TransactionOrigin;
}
export interface SeedUpdated {
  readonly digest: Hash;
  readonly seedHash: Hash;
}
/** A block is final and durable. */
export interface SnapshotPersisted {
  readonly height: Height;
  readonly block: Block;
  readonly receipts: readonly Receipt[];
}

export interface LedgerEvents {
  readonly transactionSubmitted: Listeners<TransactionSubmitted>;
  readonly seedUpdated: Listeners<SeedUpdated>;
  readonly snapshotPersisted: Listeners<SnapshotPersisted>;
}

export interface LedgerService {
  /**
   * Judges a wire form and pools it, together with others that come at the same time. Resolves when an accepted
   * transaction of a client is durable.
   */
  submitTx(raw: Uint8Array, origin?: TransactionOrigin): Promise<Submission>;
  /** Judges wire forms in their order and pools them, leaving durability to the caller. */
  submitAll(raws: readonly Uint8Array[], origin: TransactionOrigin): Promise<readonly Submission[]>;
  /** The same for one, at once. */
  submit(raw: Uint8Array, origin: TransactionOrigin): Submission;
  /** The same for a transaction that was opened before. */
  submitOpened(signed: SignedTransaction, origin: TransactionOrigin): Submission;
  readonly events: LedgerEvents;
}

/** Fresh event lists. `report` gets what a listener throws. */
export function createLedgerEvents(report: (error: unknown) => void): LedgerEvents {
  return {
    transactionSubmitted: createListeners(report),
    seedUpdated: createListeners(report),
    snapshotPersisted: createListeners(report),
  };
}

/** Tells listeners about snapshots that became final, oldest first. */
export function announceFinalized(events: LedgerEvents, snapshots: readonly Snapshot[]): void {
  for (const { block, outcome } of snapshots) {
    events.snapshotPersisted.emit({ height: block.header.number, block, receipts: outcome.receipts });
  }
}

/** Transactions of one batch that are judged at a stretch: between two of these others get their turn. */
const MAX_TURN = 256;

const DONE: Promise<void> = Promise.resolve();

function rejected({ code, message }: PoolRejection): Submission {
  return { kind: "rejected", code, message };
}

const badSignature = (): PoolRejection =>
  refuse("INVALID_SENDER", "invalid sender: invalid transaction v, r, s values");

/** What `work` gives, or the refusal of bytes that are no transaction. */
function orMalformed<T>(work: () => T): T | PoolRejection {
  try {
    return work();
  } catch (error) {
    if (error instanceof KoraError && (error.code === "BAD_RLP" || error.code === "BAD_TRANSACTION")) {
      return refuse("MALFORMED", error.message);
    }
    throw error;
  }
}

/** The wire form within a submitted form, or why it holds none. `blobs`: whether those are taken. */
function unwrap(raw: Uint8Array, blobs: boolean): Uint8Array | PoolRejection {
  const withSidecar = blobs && raw[0] === BLOB_TRANSACTION_TYPE;
  const limit = withSidecar ? MAX_BLOB_TRANSACTION_BYTES : MAX_TRANSACTION_BYTES;
  if (raw.length > limit) {
    return refuse("OVERSIZED", `oversized data: transaction size ${raw.length}, limit ${limit}`);
  }
  return withSidecar ? orMalformed(() => openBlobSubmission(raw)) : raw;
}

/** Opens a wire form: the signed transaction, or why it is none. */
function open(bare: Uint8Array): SignedTransaction | PoolRejection {
  return orMalformed(() => openTransaction(bare) ?? badSignature());
}

function signedOf(opened: Opened): SignedTransaction | PoolRejection {
  switch (opened.kind) {
    case "opened":
      return opened.signed;
    case "unsigned":
      return badSignature();
    case "malformed":
      return refuse("MALFORMED", opened.reason);
  }
}

/** Puts what the journal holds back into the pool; what the chain has taken meanwhile is refused and forgotten. */
export function restorePool(pool: Pool, journal: PoolJournal): number {
  let restored = 0;
  for (const raw of journal.load()) {
    // What the journal holds was proven before it was answered, and has no sidecar any more.
    const signed = open(raw);
    if ("tx" in signed && pool.restore(signed).kind === "accepted") restored++;
  }
  return restored;
}

export interface LedgerServiceParts {
  readonly pool: Pool;
  /** Those that need not be opened again. */
  readonly opened: OpenedTransactions;
  /** Without one (a chain in memory) accepted is as durable as it gets. */
  readonly journal: PoolJournal | undefined;
  readonly events: LedgerEvents;
  /** Whether transactions with blobs are taken. */
  readonly blobs: boolean;
  /** Finds the senders of many; without one each is found as its turn comes. */
  readonly senders: SenderRecovery | undefined;
}

/** The service over a pool. */
export function createLedgerService(parts: LedgerServiceParts): LedgerService {
  const { pool, opened: before, journal, events, blobs, senders } = parts;
  const settle = (verdict: PoolVerdict, origin: TransactionOrigin): Submission => {
    if (verdict.kind === "rejected") return rejected(verdict.rejection);
    const { transaction } = verdict;
    const persist = (): Promise<void> => journal?.record(transaction.raw) ?? DONE;
    events.transactionSubmitted.emit({ transaction, origin });
    return { kind: "accepted", hash: transaction.hash, persist };
  };
  const submitOpened = (signed: SignedTransaction, origin: TransactionOrigin): Submission => {
    const verdict = pool.add(signed);
    if (verdict.kind === "rejected") before.add(signed);
    return settle(verdict, origin);
  };
  /** A submitted form's wire form, or what is known of it without finding its sender. */
  function look(raw: Uint8Array): Uint8Array | SignedTransaction | PoolRejection {
    const bare = unwrap(raw, blobs);
    if (!(bare instanceof Uint8Array)) return bare;
    const hash = keccakHash(bare);
    if (pool.get(hash) !== undefined) return refuse("ALREADY_KNOWN", "already known");
    return before.get(hash) ?? bare;
  }
  const judge = (opened: SignedTransaction | PoolRejection, origin: TransactionOrigin): Submission =>
    "tx" in opened ? submitOpened(opened, origin) : rejected(opened);
  function submit(raw: Uint8Array, origin: TransactionOrigin): Submission {
    const seen = look(raw);
    return judge(seen instanceof Uint8Array ? open(seen) : seen, origin);
  }

  /** Judges a part of a batch that is worth a turn of its own. */
  async function submitSome(raws: readonly Uint8Array[], origin: TransactionOrigin, by: SenderRecovery) {
    const seen = raws.map(look);
    const opened = await by.open(
      seen.filter((each) => each instanceof Uint8Array),
      "transactions",
    );
    let next = 0;
    return seen.map((each) =>
      judge(each instanceof Uint8Array ? signedOf(opened[next++] as Opened) : each, origin),
    );
  }
  async function submitAll(raws: readonly Uint8Array[], origin: TransactionOrigin): Promise<Submission[]> {
    const submissions: Submission[] = [];
    for (let at = 0; at < raws.length; at += MAX_TURN) {
      const some = raws.slice(at, at + MAX_TURN);
      const few = senders === undefined || some.length < MIN_BATCH;
      const judged = few ? some.map((raw) => submit(raw, origin)) : await submitSome(some, origin, senders);
      submissions.push(...judged);
    }
    return submissions;
  }
  const gather = createGathering<Uint8Array, Submission>((raws) => submitAll(raws, "client"));
  return {
    events,
    submit,
    submitAll,
    submitOpened,
    async submitTx(raw, origin = "client") {
      const together = senders !== undefined && origin === "client";
      const submission = together ? await gather(raw) : submit(raw, origin);
      if (submission.kind === "accepted" && origin === "client") await submission.persist();
      return submission;
    },
  };
}
