// What the store needs now and then, done between blocks: moving its write-ahead log into the database file, and
// letting go of history past the operator's window.
import type { Chain } from "#chain/chain.ts";
import type { StateDb } from "#state/types.ts";
import { height } from "#types/ids.ts";
import type { Histogram, Metrics } from "./metrics.ts";
import type { Gate } from "./reads/gate.ts";

export interface UpkeepParts {
  readonly chain: { readonly application: Pick<Chain["application"], "exclusive"> };
  readonly state: Pick<StateDb, "head" | "checkpoint" | "prune" | "archive">;
  readonly metrics: Metrics;
  /** What reads for long stands behind it. */
  readonly longReads: Pick<Gate, "whenEmpty">;
  /** All history, or that of so many blocks. */
  readonly history: "archive" | number;
  readonly fail: (error: unknown) => void;
}

/** Milliseconds between two looks: what a second's blocks wrote is moved in a few milliseconds. */
const INTERVAL_MS = 1_000;

/** Bytes of write-ahead log past which long reads, one of which may keep it from beginning anew, make a pause. */
export const MAX_LOG_BYTES: number = 64 * 1024 * 1024;

/** Answers the bytes of the write-ahead log. */
function upkeep({ state, history }: UpkeepParts, duration: Histogram): number {
  const started = performance.now();
  const logBytes = state.checkpoint();
  const head = state.head().height;
  if (history !== "archive" && head - history > state.archive.oldestState()) {
    state.prune(height(head - history));
  }
  duration.observe((performance.now() - started) / 1000);
  return logBytes;
}

/** Looks after the store until disposed, which waits for what is under way. */
export function startUpkeep(parts: UpkeepParts): AsyncDisposable {
  const { chain, state, metrics, longReads, fail } = parts;
  const { exclusive } = chain.application;
  const duration = metrics.histogram(
    "kora_upkeep_seconds",
    "Time to move the write-ahead log and drop history.",
  );
  // In the chain's own queue: never while a block is executed or committed.
  const work = async (): Promise<void> => {
    const logBytes = await exclusive(() => upkeep(parts, duration));
    // A log that was moved while nobody read stays as long as it is until somebody writes.
    if (logBytes <= MAX_LOG_BYTES || logBytes === moved) return;
    moved = await longReads.whenEmpty(() => exclusive(() => state.checkpoint()));
  };
  /** Bytes of the log at the last pause. */
  let moved = 0;
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    // Also without a new block: inputs by hand and missing indexes are written between blocks, too.
    if (running !== undefined) return;
    running = work()
      .catch(fail)
      .finally(() => {
        running = undefined;
      });
  }, INTERVAL_MS);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
