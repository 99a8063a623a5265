// When a local chain makes blocks: at once for each transaction that is ready, at intervals, both, or when told.
// How a block is made is the chain's business; the clock's hands are the node's.
import { createQueue } from "#lib/queue.ts";
import type { Block } from "#types/block.ts";

/** How blocks come about: `automine` for each ready transaction, `interval` milliseconds apart, neither or both. */
export interface MiningMode {
  readonly automine: boolean;
  readonly interval: number | undefined;
}

/** Milliseconds between two blocks at most: a timer of JavaScript set to more goes off at once. */
export const MAX_INTERVAL_MS: number = 2 ** 31 - 1;

export interface Timers {
  /** Calls back once after `milliseconds`; the result cancels it. */
  after(milliseconds: number, call: () => void): () => void;
}

export interface MinerParts {
  readonly mode: MiningMode;
  /** Makes one block and resolves when it is durable. Never called twice at a time. */
  readonly produce: () => Promise<Block>;
  /** Whether a block would take anything from the pool. */
  readonly hasWork: () => boolean;
  readonly timers: Timers;
  /** Gets a failure that nobody waits for: the node has to stop. */
  readonly fail: (error: unknown) => void;
}

export interface Miner extends AsyncDisposable {
  readonly mode: MiningMode;
  setMode(mode: MiningMode): void;
  /**
   * Makes `count` blocks now, one after the other. `before` runs before each, never while a block is being made: the
   * place for writes that belong to that block.
   */
  mine(count: number, before?: (index: number) => void): Promise<readonly Block[]>;
  /** Resolves when a block begun after this call is durable and nothing is left that it could take. */
  settle(): Promise<void>;
}

/** A miner in the given mode; interval blocks begin at once. */
export function createMiner(parts: MinerParts): Miner {
  const { produce, hasWork, timers, fail } = parts;
  let mode: MiningMode = { automine: false, interval: undefined };
  const enqueue = createQueue();
  let round: Promise<void> | undefined;
  let cancel: (() => void) | undefined;
  let stopped = false;

  const drain = async (): Promise<void> => {
    round = undefined;
    // A block that takes nothing ends the round: what is left cannot be executed now.
    while (!stopped && hasWork()) if ((await produce()).transactions.length === 0) return;
  };
  const settle = (): Promise<void> => {
    round ??= enqueue(drain);
    return round;
  };

  const schedule = (): void => {
    cancel?.();
    cancel = undefined;
    const { interval } = mode;
    if (interval === undefined || stopped) return;
    cancel = timers.after(interval, () => {
      enqueue(produce).then(schedule, fail);
    });
  };

  const setMode = (next: MiningMode): void => {
    const intervalChanged = next.interval !== mode.interval;
    mode = next;
    if (intervalChanged) schedule();
    if (next.automine && hasWork()) settle().catch(fail);
  };
  setMode(parts.mode);

  return {
    get mode() {
      return mode;
    },
    setMode,
    settle,
    mine: (count, before) =>
      enqueue(async () => {
        const blocks: Block[] = [];
        for (let index = 0; index < count && !stopped; index++) {
          before?.(index);
          const block = await produce();
          if (count <= MAX_REPORTED_BLOCKS) blocks.push(block);
        }
        return blocks;
      }),
    async [Symbol.asyncDispose]() {
      stopped = true;
      cancel?.();
      await enqueue(() => undefined);
    },
  };
}

/** Above this many at once, the blocks mined are not handed back: they would all be held in memory. */
const MAX_REPORTED_BLOCKS = 10_000;
