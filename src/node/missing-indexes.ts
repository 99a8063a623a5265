// What only queries need of final blocks is not written while a node serves no RPC; this builds it when it does again:
// beside the node's work, in the chain's queue, a slice at a time. Kill it, and the next start goes on where it stood.
import type { Chain } from "#chain/chain.ts";
import { rowsOf } from "#chain/record.ts";
import { assert } from "#lib/assert.ts";
import type { StateDb } from "#state/types.ts";
import type { Logger } from "./log.ts";

export interface IndexingParts {
  readonly chain: Pick<Chain, "application" | "history">;
  readonly state: StateDb;
  readonly logger: Logger;
  readonly fail: (error: unknown) => void;
}

export interface Indexing extends AsyncDisposable {
  /** What queries still miss; empty once they miss nothing. */
  concerns(): readonly string[];
  /** Settles when there is nothing left to do, or it was stopped. */
  readonly done: Promise<void>;
}

/** Milliseconds between two lines about how far it is. */
const PROGRESS_MS = 5_000;
/** Milliseconds left to everything else after a slice, as many as it took but at least these. */
const MIN_PAUSE_MS = 1;

async function build(parts: IndexingParts, stop: AbortSignal): Promise<void> {
  const { chain, state, logger } = parts;
  const { application, history } = chain;
  const slice = (): number => {
    const started = performance.now();
    state.indexSome((at) => {
      const block = history.block(at);
      const receipts = history.receipts(at);
      assert(block !== undefined && receipts !== undefined, "a stored block has its receipts");
      return rowsOf(block, receipts);
    });
    return performance.now() - started;
  };
  let told: number | undefined;
  for (let from = state.unindexed; from !== undefined; from = state.unindexed) {
    if (stop.aborted) return;
    if (told === undefined || performance.now() - told >= PROGRESS_MS) {
      logger.info("indexes are being built", { from, head: state.head().height });
      told = performance.now();
    }
    const took = await application.exclusive(slice);
    await Bun.sleep(Math.max(MIN_PAUSE_MS, took));
  }
  if (told !== undefined) logger.info("indexes are built", { head: state.head().height });
}

/** Builds what is missing in the indexes of `state`, where some of its blocks were committed without them. */
export function buildMissingIndexes(parts: IndexingParts): Indexing {
  const { state, fail } = parts;
  const stop = new AbortController();
  const done = build(parts, stop.signal).catch(fail);
  return {
    concerns() {
      const from = state.unindexed;
      return from === undefined ? [] : [`indexes are being built: at ${from} of ${state.head().height}`];
    },
    done,
    [Symbol.asyncDispose]() {
      stop.abort();
      return done;
    },
  };
}
