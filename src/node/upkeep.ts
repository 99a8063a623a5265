// What the store needs now and then, done between blocks: moving its write-ahead log into the database file, and
// letting go of history past the operator's window.
import type { Chain } from "#chain/chain.ts";
import type { StateDb } from "#state/types.ts";
import { height } from "#types/ids.ts";
import type { Histogram, Metrics } from "./metrics.ts";

export interface UpkeepParts {
  readonly chain: Chain;
  readonly state: StateDb;
  readonly metrics: Metrics;
  /** All history, or that of so many blocks. */
  readonly history: "archive" | number;
  readonly fail: (error: unknown) => void;
}

/** Milliseconds between two looks: what a second's blocks wrote is moved in a few milliseconds. */
const INTERVAL_MS = 1_000;

function upkeep({ state, history }: UpkeepParts, duration: Histogram): void {
  const started = performance.now();
  state.checkpoint();
  const head = state.head().height;
  if (history !== "archive" && head - history > state.archive.oldestState()) {
    state.prune(height(head - history));
  }
  duration.observe((performance.now() - started) / 1000);
}

/** Looks after the store until disposed. */
export function startUpkeep(parts: UpkeepParts): Disposable {
  const { chain, state, metrics, fail } = parts;
  const duration = metrics.histogram(
    "kora_upkeep_seconds",
    "Time to move the write-ahead log and drop history.",
  );
  let done = state.head().height;
  let running = false;
  const timer = setInterval(() => {
    const head = state.head().height;
    if (running || head === done) return;
    running = true;
    done = head;
    // In the chain's own queue: never while a block is executed or committed.
    chain.application
      .exclusive(() => upkeep(parts, duration))
      .catch(fail)
      .finally(() => {
        running = false;
      });
  }, INTERVAL_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
