// The block that a leader here would build now, for those who ask what is pending: begun from ledger and pool as plain
// data, executed wherever the state below it can be read. It has no state root and is never proposed.
import { TRANSACTION_GAS } from "#execution/intrinsic.ts";
import type { BlockExecutor, BlockHashes, StateInput } from "#execution/types.ts";
import type { StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Header } from "#types/header.ts";
import { type Hash, type Height, height, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { blockEnv } from "./execute.ts";
import { type BlockBounds, fillBlock, selectionLimits } from "./fill.ts";
import { positionOf } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, Tip } from "./ledger.ts";
import { mergeChanges } from "./overlay.ts";
import type { Selection, Snapshot } from "./ports.ts";
import { draftHeader, type LeaderSettings, sealedHeader } from "./proposal.ts";
import type { BlockRules } from "./validate.ts";

/**
 * Transactions offered for one that fits at most: a leader would go on through its whole pool for what replaces those
 * that cannot be included.
 */
const OFFERED_PER_PLACE = 2;

/** All that executing a pending block takes, as plain data that can cross to a thread. */
export interface PendingTask {
  /** The header before execution. */
  readonly draft: Header;
  /** The finalized height that all of this lies above. */
  readonly base: Height;
  /** What certified blocks between `base` and this one change. */
  readonly overlay: StateChanges | undefined;
  /** Hashes of those blocks, oldest first. */
  readonly above: readonly Hash[];
  readonly inputs: readonly StateInput[];
  /** Bootstrap transactions, where this is block 1. */
  readonly opening: readonly SignedTransaction[];
  /** From the pool, in the order a leader would take them. */
  readonly candidates: readonly SignedTransaction[];
  readonly bounds: BlockBounds;
}

export interface PendingOutcome {
  /** Without a state root. */
  readonly header: Header;
  /** What was included, by position in the task's `opening` and then `candidates`. */
  readonly included: readonly number[];
  /** Gas of each of those. */
  readonly gasUsed: readonly bigint[];
  /** What this block alone changes. */
  readonly changes: StateChanges;
}

/** What a pending block stands on, and what it will hold: cheap until its task is asked for. */
export interface PendingDraft {
  readonly header: Header;
  /** Certified blocks that are not final yet, oldest first. */
  readonly ancestors: readonly Snapshot[];
  readonly inputs: BlockInputs | undefined;
  /** Walks through the pool. */
  task(): PendingTask;
}

/** Begins blocks that nobody proposes. */
export interface PendingDrafts {
  /** The header that would follow `parent`, as far as it is known before its transactions. `now`: seconds. */
  header(parent: Tip, now: number): Header;
  /** The block that would follow the certified tip, or the final one where none above it is certified. */
  begin(now: number): PendingDraft;
}

export interface PendingParts {
  readonly ledger: LedgerView;
  readonly rules: BlockRules;
  readonly settings: () => LeaderSettings;
  /** Opened bootstrap transactions of block 1. */
  readonly bootstrap: readonly SignedTransaction[];
  readonly inputsOf: (height: Height) => BlockInputs | undefined;
}

/** What a leader would be given, best first, but no more than a block could need. */
function candidatesOf(
  { ledger, rules }: PendingParts,
  draft: Header,
  inFlight: ReadonlySet<Hash>,
): readonly SignedTransaction[] {
  const selection = ledger.mempool.select(selectionLimits(rules.chain, draft, inFlight));
  const places = Math.min(rules.maxTxs, Number(draft.gasLimit / TRANSACTION_GAS));
  const candidates: SignedTransaction[] = [];
  let bytes = 0;
  while (candidates.length < places * OFFERED_PER_PLACE && bytes < rules.maxBlockBytes * OFFERED_PER_PLACE) {
    const next = selection.next();
    if (next === undefined) break;
    bytes += next.raw.length;
    candidates.push(next);
  }
  return candidates;
}

/** Begins pending blocks over a ledger. */
export function createPendingDrafts(parts: PendingParts): PendingDrafts {
  const { ledger, rules, settings, bootstrap, inputsOf } = parts;
  const header = (parent: Tip, now: number): Header => {
    const before = positionOf(parent.header);
    return draftHeader(
      { rules, settings },
      {
        parent,
        prevRandao: ledger.seeds.get(parent.hash) ?? ZERO_HASH,
        inputs: inputsOf(height(parent.header.number + 1)),
        context: { epoch: before.epoch, view: before.view + 1, parentView: before.view, now },
      },
    );
  };
  return {
    header,
    begin(now) {
      const ancestors = ledger.certified();
      const base = ledger.tip();
      const parent = ancestors.at(-1)?.block ?? base;
      const draft = header(parent, now);
      const inputs = inputsOf(draft.number);
      return {
        header: draft,
        ancestors,
        inputs,
        task: () => ({
          draft,
          base: base.header.number,
          overlay:
            ancestors.length === 0
              ? undefined
              : mergeChanges(ancestors.map(({ outcome }) => outcome.changes)),
          above: ancestors.map(({ block }) => block.hash),
          inputs: inputs?.state ?? [],
          opening: draft.number === 1 ? bootstrap : [],
          candidates: candidatesOf(parts, draft, ledger.inFlight(parent.hash)),
          bounds: { maxBlockBytes: rules.maxBlockBytes, maxTxs: rules.maxTxs },
        }),
      };
    },
  };
}

/** A walk over a list in its order. */
function listed(transactions: readonly SignedTransaction[]): Selection {
  const skipped = new Set<SignedTransaction["sender"]>();
  let at = 0;
  return {
    next() {
      while (at < transactions.length) {
        const transaction = transactions[at++] as SignedTransaction;
        if (!skipped.has(transaction.sender)) return transaction;
      }
      return undefined;
    },
    skip: (sender) => {
      skipped.add(sender);
    },
  };
}

/** What executing a pending block reads. */
export interface PendingSources {
  readonly executor: BlockExecutor;
  /** The state at the task's base, with its overlay. */
  readonly state: StateReader;
  readonly hashes: BlockHashes;
}

/** Executes a pending block as a leader would; at the deadline it holds what it has. */
export async function executePending(
  { executor, state, hashes }: PendingSources,
  task: PendingTask,
  expired: () => boolean,
): Promise<PendingOutcome> {
  const { draft, bounds, opening, candidates } = task;
  const execution = await executor.open(state, blockEnv(draft), hashes, task.inputs);
  await fillBlock(execution, { draft, bounds, opening, selection: listed(candidates), expired });
  const outcome = await execution.finish();
  const positions = new Map([...opening, ...candidates].map((transaction, index) => [transaction, index]));
  return {
    header: sealedHeader(draft, outcome),
    included: outcome.transactions.map((transaction) => positions.get(transaction) as number),
    gasUsed: outcome.receipts.map(({ gasUsed }) => gasUsed),
    changes: outcome.changes,
  };
}
