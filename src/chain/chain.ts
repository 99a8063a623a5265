// Puts the parts of this folder together over a store and an executor: the one place that knows them all.
// Files, timers, consensus and RPC are put to it in node/.
import { openTransaction } from "#crypto/digest.ts";
import type { SenderRecovery } from "#crypto/recovery.ts";
import type { BlockExecutor, ChainRules } from "#execution/types.ts";
import { KoraError } from "#lib/error.ts";
import type { StateDb } from "#state/types.ts";
import type { WireBlock } from "#types/block.ts";
import type { BootstrapConfig, Genesis } from "#types/genesis.ts";
import { type Hash, type Height, height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { createApplication, type KoraApplication } from "./application.ts";
import { type OpenedBody, openBody, openBodyAhead, openWireBlock } from "./body.ts";
import { createEpochNote } from "./epoch.ts";
import { openGenesis, withBootstrap } from "./genesis.ts";
import { positionOf } from "./header-rules.ts";
import { createHistory, type History } from "./history.ts";
import { createLedgerView, type LedgerView } from "./ledger.ts";
import { createOpenedTransactions } from "./opened.ts";
import { createPendingDrafts, type PendingDrafts } from "./pending-block.ts";
import { assertDev, createPendingInputs, type PendingInputs } from "./pending-inputs.ts";
import { createPool, type Pool } from "./pool.ts";
import { createPoolJournal, type JournalFile, type PoolJournal } from "./pool-journal.ts";
import type { PoolOptions } from "./pool-types.ts";
import { createProposalBuilder, type LeaderSettings } from "./proposal.ts";
import { createFinalizationReporter, createSeedReporter } from "./reporters.ts";
import {
  announceFinalized,
  createLedgerEvents,
  createLedgerService,
  type LedgerService,
  restorePool,
} from "./service.ts";
import { createSeedTracker, createSnapshotStore } from "./snapshots.ts";
import type { BlockRules } from "./validate.ts";

export interface ChainOptions {
  readonly state: StateDb;
  readonly genesis: Genesis;
  readonly bootstrap: BootstrapConfig;
  /** Rules made from the genesis. */
  readonly rules: ChainRules;
  readonly executor: BlockExecutor;
  /** Validity rules beside those of the genesis: the same on every node of a chain. */
  readonly maxBlockBytes: number;
  readonly maxTxs: number;
  /** What this node's own blocks use; asked for each block. */
  readonly leader: () => LeaderSettings;
  readonly pool: PoolOptions;
  /** Where answered hashes are kept; undefined for a chain that lives in memory. */
  readonly journal: JournalFile | undefined;
  /** Finds the senders of many transactions; undefined: each is found as its turn comes. */
  readonly senders?: SenderRecovery;
  /** Milliseconds, never going back. */
  readonly monotonic: () => number;
  /** Gets what an event listener throws. */
  readonly report: (error: unknown) => void;
}

/** A chain, ready to be proposed to, verified on and read from. */
export interface Chain {
  readonly genesisHash: Hash;
  readonly rules: BlockRules;
  readonly ledger: LedgerView;
  readonly pool: Pool;
  readonly journal: PoolJournal | undefined;
  readonly application: KoraApplication;
  readonly service: LedgerService;
  readonly history: History;
  readonly inputs: PendingInputs;
  readonly pending: PendingDrafts;
  /** The running epoch: 0 until a rollback. */
  epoch(): number;
  /** Opens the bytes of a body; senders that were found before are not recovered again. */
  open(body: Uint8Array): OpenedBody;
  /** The same; where many senders are not known yet, they are found meanwhile. */
  openAhead(body: Uint8Array): OpenedBody | Promise<OpenedBody>;
  /** The same for a block that holds together, with its hash. */
  openWire(wire: WireBlock, hash: Hash): OpenedBody | Promise<OpenedBody>;
  /**
   * Returns a local chain to `height` and begins a new epoch there. Transactions above are forgotten, pooled ones
   * stay as far as they are still valid. Throws NOT_DEV, and STATE_PRUNED when the state is no longer held.
   */
  rollback(height: Height): Promise<void>;
  /** Transactions that the journal brought back. */
  readonly restored: number;
}

function openBootstrap(config: BootstrapConfig): readonly SignedTransaction[] {
  return config.transactions.map((raw, index) => {
    const signed = openTransaction(raw);
    if (signed !== undefined) return signed;
    throw new KoraError(`bootstrap transaction ${index} has no valid signature`, {
      code: "BAD_BOOTSTRAP",
      kind: "usage",
    });
  });
}

/** Opens the chain in `state`, writing its genesis first if the store is empty. Throws GENESIS_MISMATCH. */
export function openChain(options: ChainOptions): Chain {
  const { state, executor, report, senders } = options;
  const genesisHash = openGenesis(state, withBootstrap(options.genesis, options.bootstrap), options.rules);
  const bootstrap = openBootstrap(options.bootstrap);
  const { dev } = options.genesis;
  const inputs = createPendingInputs(state, dev, () => pool.refresh());
  const pool: Pool = createPool({
    rules: options.rules,
    options: options.pool,
    state: () => inputs.latest(),
    head: () => ledger.tip().header,
    inputs: () => inputs.for(height(ledger.tip().header.number + 1)),
    now: options.monotonic,
    report,
  });
  const opened = createOpenedTransactions(pool.get);
  const ledger: LedgerView = createLedgerView({
    mempool: pool,
    snapshots: createSnapshotStore(),
    seeds: createSeedTracker(),
    state,
  });
  const rules: BlockRules = {
    chain: options.rules,
    dev,
    maxBlockBytes: options.maxBlockBytes,
    maxTxs: options.maxTxs,
    bootstrap: bootstrap.map(({ hash }) => hash),
  };
  const events = createLedgerEvents(report);
  const application = createApplication({
    ledger,
    executor,
    rules,
    builder: createProposalBuilder({ ledger, executor, rules, settings: options.leader, bootstrap }),
    finalization: createFinalizationReporter(ledger, executor, inputs.for),
    seeds: createSeedReporter(ledger),
    inputsOf: inputs.for,
    onFinalized: (snapshots) => announceFinalized(events, snapshots),
    onSeed: (digest, seedHash) => events.seedUpdated.emit({ digest, seedHash }),
  });
  const journal =
    options.journal && createPoolJournal(options.journal, () => pool.all().map(({ raw }) => raw));
  const epoch = createEpochNote(state.notes);
  const history = createHistory(state.archive);
  const rollback = (to: Height): void => {
    assertDev(dev);
    epoch.advance(positionOf(ledger.tip().header).epoch);
    inputs.clear();
    state.rollback(to);
    history.clear();
    ledger.reset();
    pool.refresh();
  };
  return {
    genesisHash,
    epoch: epoch.current,
    open: (body) => openBody(body, opened),
    openAhead: (body) => openBodyAhead(body, opened, senders),
    openWire: (wire, hash) => openWireBlock(wire, hash, opened, senders),
    rollback: (to) => application.exclusive(() => rollback(to)),
    rules,
    ledger,
    pool,
    journal,
    application,
    service: createLedgerService({ pool, opened, journal, events, blobs: options.pool.blobs, senders }),
    history,
    inputs,
    pending: createPendingDrafts({
      ledger,
      rules,
      settings: options.leader,
      bootstrap,
      inputsOf: inputs.for,
    }),
    restored: journal === undefined ? 0 : restorePool(pool, journal),
  };
}
