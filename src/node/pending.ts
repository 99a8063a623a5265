// The pending block as RPC reads it: built when somebody asks, kept while nothing has changed, one build at a time and
// only a share of the time. Where and how it is executed is reads/ and chain/.
import type { BlockInputs } from "#chain/inputs.ts";
import { mergeChanges } from "#chain/overlay.ts";
import type { PendingDraft, PendingDrafts, PendingOutcome, PendingTask } from "#chain/pending-block.ts";
import type { Pool } from "#chain/pool.ts";
import { headerHash } from "#crypto/digest.ts";
import type { PendingBlock } from "#rpc/ports.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/**
 * Part of the time that building may take while the pool changes all the time: past it, a block on the same parent is
 * answered as it was, so at most about 1 / SHARE times older than what building it took.
 */
const SHARE = 0.25;
/** Milliseconds of building in a row before that: whoever reads after each of a few transactions sees each of them. */
const BURST_MS = 500;

export interface PendingSourceParts {
  readonly drafts: Pick<PendingDrafts, "begin">;
  readonly pool: Pick<Pool, "revision">;
  /** Wall clock, seconds. */
  readonly now: () => number;
  /** Milliseconds, never going back. */
  readonly monotonic: () => number;
  readonly execute: (task: PendingTask) => Promise<PendingOutcome>;
}

/** What a pending block depends on. */
interface Key {
  readonly parent: Hash;
  readonly inputs: BlockInputs | undefined;
  /** Hash of the draft header. */
  readonly header: Hash;
  /** Of the pool. */
  readonly revision: number;
}

/** Whether both stand on the same state: the younger only knows more of the pool, or a later second. */
const isOnSameGround = (a: Key, b: Key): boolean => a.parent === b.parent && a.inputs === b.inputs;
const isSame = (a: Key, b: Key): boolean =>
  isOnSameGround(a, b) && a.header === b.header && a.revision === b.revision;

function blockOf({ ancestors }: PendingDraft, task: PendingTask, outcome: PendingOutcome): PendingBlock {
  const { header, included, gasUsed, changes } = outcome;
  const { base, overlay, above, opening, candidates } = task;
  const offered = [...opening, ...candidates];
  return {
    header,
    transactions: included.map((position) => offered[position] as SignedTransaction),
    receipts: gasUsed.map((gas) => ({ gasUsed: gas })),
    ancestors: ancestors.map(({ block, outcome: { receipts } }) => ({ ...block, receipts })),
    view: {
      header,
      hash: ZERO_HASH,
      base,
      overlay: overlay === undefined ? changes : mergeChanges([overlay, changes]),
      above,
    },
  };
}

/** Time spent, forgotten at the rate at which it may be spent. */
function createBudget(monotonic: () => number): { spend(ms: number): void; isSpent(): boolean } {
  let spent = 0;
  let at = monotonic();
  const level = (): number => {
    const now = monotonic();
    spent = Math.max(0, spent - (now - at) * SHARE);
    at = now;
    return spent;
  };
  return {
    spend(ms) {
      spent = level() + ms;
    },
    isSpent: () => level() > BURST_MS,
  };
}

/** Answers the pending block. Rejects as `execute` does. */
export function createPendingSource(parts: PendingSourceParts): () => Promise<PendingBlock> {
  const { drafts, pool, now, monotonic, execute } = parts;
  const budget = createBudget(monotonic);
  let held: { readonly key: Key; readonly block: PendingBlock } | undefined;
  let running: { readonly key: Key; readonly block: Promise<PendingBlock> } | undefined;
  /** The build after the running one: what it begins with is younger than all that wait for it. */
  let queued: Promise<PendingBlock> | undefined;

  const keyOf = ({ header, inputs }: PendingDraft): Key => ({
    parent: header.parentHash,
    inputs,
    header: headerHash(header),
    revision: pool.revision,
  });
  const build = async (draft: PendingDraft): Promise<PendingBlock> => {
    const task = draft.task();
    return blockOf(draft, task, await execute(task));
  };
  const start = (draft: PendingDraft, key: Key): Promise<PendingBlock> => {
    const started = monotonic();
    const block = build(draft)
      .then((built) => {
        held = { key, block: built };
        return built;
      })
      .finally(() => {
        running = undefined;
        budget.spend(monotonic() - started);
      });
    running = { key, block };
    return block;
  };
  const startQueued = (): Promise<PendingBlock> => {
    queued = undefined;
    const draft = drafts.begin(now());
    return start(draft, keyOf(draft));
  };
  return async () => {
    const draft = drafts.begin(now());
    const key = keyOf(draft);
    if (held !== undefined && isSame(held.key, key)) return held.block;
    if (running !== undefined && isSame(running.key, key)) return running.block;
    if (held !== undefined && isOnSameGround(held.key, key) && budget.isSpent()) return held.block;
    if (queued !== undefined) return queued;
    if (running === undefined) return start(draft, key);
    queued = running.block.then(startQueued, startQueued);
    return queued;
  };
}
