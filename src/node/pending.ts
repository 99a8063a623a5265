// The pending block as RPC reads it: never older than the question. Built when somebody asks, kept while nothing has
// changed, one build at a time and only a share of the time. How it is executed is the business of reads/ and chain/.
import type { BlockInputs } from "#chain/inputs.ts";
import { mergeChanges } from "#chain/overlay.ts";
import type { PendingDraft, PendingDrafts, PendingOutcome, PendingTask } from "#chain/pending-block.ts";
import type { Pool } from "#chain/pool.ts";
import { headerHash } from "#crypto/digest.ts";
import type { PendingBlock } from "#rpc/ports.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/** Part of the time that building may take where other work must not suffer. */
export const PENDING_SHARE = 0.25;
/** Milliseconds of building beyond its share before readers have to wait. */
const BURST_MS = 500;
/** Milliseconds that they wait at most. */
const MAX_WAIT_MS = 2_000;

export interface PendingSourceParts {
  readonly drafts: Pick<PendingDrafts, "begin">;
  readonly pool: Pick<Pool, "revision">;
  /** Wall clock, seconds. */
  readonly now: () => number;
  /** Milliseconds, never going back. */
  readonly monotonic: () => number;
  /** Part of the time that building may take while the pool or the tip changes all the time: 1 for all of it. */
  readonly share: number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly execute: (task: PendingTask) => Promise<PendingOutcome>;
}

/** What a pending block depends on. */
interface Key {
  readonly inputs: BlockInputs | undefined;
  /** Hash of the draft header. */
  readonly header: Hash;
  /** Of the pool. */
  readonly revision: number;
}

const isSame = (a: Key, b: Key): boolean =>
  a.header === b.header && a.revision === b.revision && a.inputs === b.inputs;

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

/** Counts what building has taken beyond its share of the time. */
interface Budget {
  /** A build begins; call the result when it ends. */
  begin(): () => void;
  /** Milliseconds until the next may begin. */
  wait(): number;
}

function createBudget(monotonic: () => number, share: number): Budget {
  let beyond = 0;
  let at = monotonic();
  const level = (): number => {
    const now = monotonic();
    beyond = Math.max(0, beyond - (now - at) * share);
    at = now;
    return beyond;
  };
  return {
    begin() {
      const before = level();
      const started = at;
      return () => {
        at = monotonic();
        beyond = Math.min(before + (at - started) * (1 - share), BURST_MS + MAX_WAIT_MS * share);
      };
    },
    wait: () => Math.max(0, level() - BURST_MS) / share,
  };
}

/** Answers the pending block. Rejects as `execute` does. */
export function createPendingSource(parts: PendingSourceParts): () => Promise<PendingBlock> {
  const { drafts, pool, now, sleep, execute } = parts;
  const budget = createBudget(parts.monotonic, parts.share);
  let held: { readonly key: Key; readonly block: PendingBlock } | undefined;
  let running: { readonly key: Key; readonly block: Promise<PendingBlock> } | undefined;
  /** The next build, before it begins: it will know all that they know who wait for it. */
  let queued: Promise<PendingBlock> | undefined;

  const keyOf = ({ header, inputs }: PendingDraft): Key => ({
    inputs,
    header: headerHash(header),
    revision: pool.revision,
  });
  const build = async (draft: PendingDraft): Promise<PendingBlock> => {
    const task = draft.task();
    return blockOf(draft, task, await execute(task));
  };
  const start = (draft: PendingDraft, key: Key): Promise<PendingBlock> => {
    const end = budget.begin();
    const block = build(draft)
      .then((built) => {
        held = { key, block: built };
        return built;
      })
      .finally(() => {
        running = undefined;
        end();
      });
    running = { key, block };
    return block;
  };
  const startQueued = async (before: Promise<unknown>): Promise<PendingBlock> => {
    await before.catch(() => undefined);
    const wait = budget.wait();
    if (wait > 0) await sleep(wait);
    queued = undefined;
    const draft = drafts.begin(now());
    return start(draft, keyOf(draft));
  };
  return async () => {
    const draft = drafts.begin(now());
    const key = keyOf(draft);
    if (held !== undefined && isSame(held.key, key)) return held.block;
    if (running !== undefined && isSame(running.key, key)) return running.block;
    if (queued === undefined && running === undefined && budget.wait() === 0) return start(draft, key);
    queued ??= startQueued(running?.block ?? Promise.resolve());
    return queued;
  };
}
