// Calls and log queries of RPC: a call starts at once under a small budget; what needs more is abandoned and run again
// in a thread, so that no read delays a block. Answers are the same either way.

import type { History } from "#chain/history.ts";
import type { PendingOutcome, PendingTask } from "#chain/pending-block.ts";
import { createCalls } from "#execution/call.ts";
import { createExecutor } from "#execution/executor.ts";
import { type ChainRulesOptions, chainRules } from "#execution/rules.ts";
import type { CallBudget } from "#execution/types.ts";
import type {
  AccessListAnswer,
  CallAnswer,
  CallsPort,
  CallTask,
  EstimateAnswer,
  FoundLogs,
  LongCall,
} from "#rpc/ports.ts";
import type { StateDb } from "#state/types.ts";
import type { Gate } from "./gate.ts";
import {
  type CallJob,
  isAbandoned,
  type PendingJob,
  performCall,
  performPending,
  type Sources,
} from "./job.ts";
import { parcelOf } from "./parcel.ts";
import { unitsOf } from "./weigh.ts";
import { createWorkerPool } from "./worker-pool.ts";

export interface ReadsOptions {
  readonly state: StateDb;
  readonly history: History;
  readonly rules: ChainRulesOptions;
  /** Milliseconds of running after which a read is ended. */
  readonly timeLimit: number;
  /** Threads at most. */
  readonly workers: number;
  /** Log queries pass it in their thread: each holds one snapshot for as long as it runs. */
  readonly longReads: Pick<Gate, "pass">;
}

/** Reads that wait for a thread at most: behind more than this nobody wants to stand. */
const MAX_WAITING = 1_024;
/** Milliseconds after which a thread without work is ended. */
const IDLE_MS = 30_000;
/** Work units and milliseconds of a call between two blocks: most reads of contracts need a tenth of it. */
const INLINE_UNITS = 2_000;
const INLINE_MS = 2;
/** Gas of a pending block that is executed between two blocks: some transfers, but nothing that takes milliseconds. */
const INLINE_GAS = 200_000n;
/** Accounts and slots written by hand that such a block may begin with. */
const INLINE_WRITES = 100;

function inlineBudget(): CallBudget {
  const end = performance.now() + INLINE_MS;
  return { units: INLINE_UNITS, expired: () => performance.now() > end };
}

/** Whether a pending block is executed between two blocks: by what its transactions may burn, and its inputs write. */
function isSmall({ opening, candidates, inputs }: PendingTask): boolean {
  let writes = 0;
  for (const { storage } of inputs) writes += 1 + (storage?.size ?? 0);
  if (writes > INLINE_WRITES) return false;
  let gas = 0n;
  for (const { tx } of [...opening, ...candidates]) gas += tx.gasLimit;
  return gas <= INLINE_GAS;
}

/** What runs reads: the calls port, and the executor of pending blocks. */
export interface Reads extends CallsPort, Disposable {
  /**
   * Executes a pending block: inline when it is small, else in a thread of its own, so that heavy calls do not keep it
   * waiting. One at a time. Rejects as calls do.
   */
  pending(task: PendingTask): Promise<PendingOutcome>;
}

/** Reads over an open database. Closing ends their threads. */
export function createReads(options: ReadsOptions): Reads {
  const { state, history, timeLimit, workers, longReads } = options;
  const boot = { path: state.path, rules: options.rules };
  const pool = createWorkerPool({ workers, queue: MAX_WAITING, idle: IDLE_MS, boot });
  const pendingPool = createWorkerPool({ workers: 1, queue: 1, idle: IDLE_MS, boot });
  const rules = chainRules(options.rules);
  const sources: Sources = {
    state: (at) => (at === state.head().height ? state.latest() : state.at(at)),
    history,
    calls: createCalls(rules),
    executor: createExecutor(rules),
  };
  // A block that was committed meanwhile has moved the newest state under what ran inline: a thread reads one height.
  const unmoved = async <T>(inline: () => Promise<T>): Promise<T | undefined> => {
    const before = state.head().hash;
    const moved = (): boolean => state.head().hash !== before;
    try {
      const value = await inline();
      return moved() ? undefined : value;
    } catch (error) {
      if (!moved()) throw error;
      return undefined;
    }
  };
  const run = async (kind: CallJob["kind"], task: CallTask): Promise<unknown> => {
    const job: CallJob = { kind, task };
    if (unitsOf(task) > INLINE_UNITS) return pool.run(job, timeLimit);
    const value = await unmoved(() => performCall(sources, job, inlineBudget()));
    return value === undefined || isAbandoned(value) ? pool.run(job, timeLimit) : value;
  };
  const pending = async (task: PendingTask): Promise<PendingOutcome> => {
    const inline = isSmall(task)
      ? await unmoved(() => performPending(sources, task, () => false))
      : undefined;
    if (inline !== undefined) return inline;
    const { opening, candidates, ...rest } = task;
    const job: PendingJob = {
      kind: "pending",
      task: rest,
      opening: parcelOf(opening),
      candidates: parcelOf(candidates),
    };
    return pendingPool.run(job, timeLimit) as Promise<PendingOutcome>;
  };
  const runLong = (kind: CallJob["kind"], long: LongCall): Promise<unknown> =>
    pool.run({ kind, long }, timeLimit);
  return {
    call: (task) => run("call", task) as Promise<CallAnswer>,
    estimateGas: (task) => run("estimateGas", task) as Promise<EstimateAnswer>,
    createAccessList: (task) => run("createAccessList", task) as Promise<AccessListAnswer>,
    long: {
      call: (task) => runLong("call", task) as Promise<CallAnswer>,
      estimateGas: (task) => runLong("estimateGas", task) as Promise<EstimateAnswer>,
      createAccessList: (task) => runLong("createAccessList", task) as Promise<AccessListAnswer>,
    },
    logs: (query) => pool.run({ kind: "logs", query }, timeLimit, longReads) as Promise<FoundLogs>,
    pending,
    [Symbol.dispose]() {
      pool.close();
      pendingPool.close();
    },
  };
}
