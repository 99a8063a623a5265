// Paces the blocks of a node that is alone: the first at once, others as soon as there is work and the pace allows, an
// empty one when nothing comes for long. Consensus of this one node makes them.
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { NodeStatus } from "#rpc/ports.ts";
import { createSoloProducer } from "./consensus/solo.ts";
import type { EngineParts, StartEngine } from "./engine.ts";
import { hasWork } from "./work.ts";

export interface Pace {
  /** Milliseconds between blocks that hold transactions. */
  readonly blockTime: number;
  /** Milliseconds between blocks that hold none. */
  readonly emptyBlockInterval: number;
  /** consensus.db; undefined for a chain that ends with the process. */
  readonly journal: string | undefined;
}

/** Longest that building a block may take; a short pace shortens it. */
const MAX_BUILD_MS = 1_000;
const MIN_BUILD_MS = 50;

/** Something to wait for that is either a moment or a call. */
function createAlarm(): { wait(ms: number): Promise<void>; ring(): void } {
  let wake: (() => void) | undefined;
  return {
    wait(ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
      wake = resolve;
      return promise.finally(() => clearTimeout(timer));
    },
    ring: () => wake?.(),
  };
}

/** Makes blocks on the chain's tip until it is disposed; disposing waits for the block at hand. */
function startProducing({ chain, metrics, fail }: EngineParts, pace: Pace): AsyncDisposable {
  const alarm = createAlarm();
  const buildMs = Math.max(MIN_BUILD_MS, Math.min(MAX_BUILD_MS, pace.blockTime));
  let stopped = false;
  /** The last block took nothing of what waits: another one at once would not either. */
  let barren = false;
  // A new chain's first block comes at once: it holds what the chain has to begin with, and shows that it lives.
  let last = chain.ledger.tip().header.number === 0 ? Number.NEGATIVE_INFINITY : performance.now();
  const producer = createSoloProducer({ chain, journal: pace.journal, metrics, fail });
  const untilDue = (): number => {
    const pause = hasWork(chain.pool) && !barren ? pace.blockTime : pace.emptyBlockInterval;
    return last + pause - performance.now();
  };
  const produce = async (): Promise<void> => {
    while (!stopped) {
      const wait = untilDue();
      if (wait > 0) {
        await alarm.wait(wait);
        continue;
      }
      last = performance.now();
      const executable = chain.pool.hasExecutable();
      const { transactions } = await producer.makeBlock({
        now: Math.floor(Date.now() / 1000),
        buildMs,
      });
      barren = executable && transactions.length === 0;
    }
  };
  const stopListening = chain.pool.onPending(() => {
    barren = false;
    alarm.ring();
  });
  const running = produce().catch(fail);
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      stopListening();
      alarm.ring();
      await running;
      producer[Symbol.dispose]();
    },
  };
}

/** Status of a node that leads every view of a committee of one. */
export function soloStatus(chain: Chain, startedAt: number, proposed: () => number): NodeStatus {
  const { header } = chain.ledger.tip();
  const { epoch, view } = positionOf(header);
  return {
    currentView: view + 1,
    leader: undefined,
    isLeader: true,
    epoch,
    finalizedHeight: header.number,
    finalizedCount: header.number,
    nullifiedCount: 0,
    proposedCount: proposed(),
    peerCount: 0,
    uptime: (performance.now() - startedAt) / 1000,
  };
}

/** The engine of a node alone. */
export function soloEngine(pace: Pace): StartEngine {
  return (parts) => {
    const { chain } = parts;
    const startedAt = performance.now();
    const firstHeight = chain.ledger.tip().header.number;
    const producing = startProducing(parts, pace);
    const proposed = (): number => chain.ledger.tip().header.number - firstHeight;
    return {
      status: { nodeStatus: () => soloStatus(chain, startedAt, proposed), syncing: () => undefined },
      peers: { count: () => 0, listening: () => false },
      network: undefined,
      submit: (raw) => chain.service.submitTx(raw, "client"),
      local: undefined,
      [Symbol.asyncDispose]: () => producing[Symbol.asyncDispose](),
    };
  };
}
