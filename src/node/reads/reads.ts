// Calls and log queries of RPC: a call starts at once under a small budget; what needs more is abandoned and run again
// in a thread, so that no read delays a block. Answers are the same either way.

import type { History, LocatedLog } from "#chain/history.ts";
import { createCalls } from "#execution/call.ts";
import { type ChainRulesOptions, chainRules } from "#execution/rules.ts";
import type { CallBudget } from "#execution/types.ts";
import type { AccessListAnswer, CallAnswer, CallsPort, CallTask, EstimateAnswer } from "#rpc/ports.ts";
import type { StateDb } from "#state/types.ts";
import { type CallJob, isAbandoned, performCall, type Sources } from "./job.ts";
import { createWorkerPool } from "./worker-pool.ts";

export interface ReadsOptions {
  readonly state: StateDb;
  readonly history: History;
  readonly rules: ChainRulesOptions;
  /** Milliseconds of running after which a read is ended. */
  readonly timeLimit: number;
  /** Threads at most. */
  readonly workers: number;
}

/** Reads that wait for a thread at most: behind more than this nobody wants to stand. */
const MAX_WAITING = 1_024;
/** Milliseconds after which a thread without work is ended. */
const IDLE_MS = 30_000;
/** Work units and milliseconds of a call between two blocks: most reads of contracts need a tenth of it. */
const INLINE_UNITS = 2_000;
const INLINE_MS = 2;

function inlineBudget(): CallBudget {
  const end = performance.now() + INLINE_MS;
  return { units: INLINE_UNITS, expired: () => performance.now() > end };
}

/** The calls port over an open database. Closing ends its threads. */
export function createReads(options: ReadsOptions): CallsPort & Disposable {
  const { state, history, rules, timeLimit, workers } = options;
  const boot = { path: state.path, rules };
  const pool = createWorkerPool({ workers, queue: MAX_WAITING, idle: IDLE_MS, boot });
  const sources: Sources = {
    state: (at) => (at === state.head().height ? state.latest() : state.at(at)),
    history,
    calls: createCalls(chainRules(rules)),
  };
  const run = async (kind: CallJob["kind"], task: CallTask): Promise<unknown> => {
    const job: CallJob = { kind, task };
    const before = state.head().hash;
    const value = await performCall(sources, job, inlineBudget());
    // A block that was committed meanwhile has moved the newest state under the call: a thread reads one height.
    if (!isAbandoned(value) && state.head().hash === before) return value;
    return pool.run(job, timeLimit);
  };
  return {
    call: (task) => run("call", task) as Promise<CallAnswer>,
    estimateGas: (task) => run("estimateGas", task) as Promise<EstimateAnswer>,
    createAccessList: (task) => run("createAccessList", task) as Promise<AccessListAnswer>,
    logs: (query) => pool.run({ kind: "logs", query }, timeLimit) as Promise<readonly LocatedLog[]>,
    [Symbol.dispose]: () => pool.close(),
  };
}
