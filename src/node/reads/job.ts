// A read as plain data, and how it is performed: the same code inline and in a thread, over different doors to the
// same database.
import { blockEnv } from "#chain/execute.ts";
import type { History, WeighedLogQuery } from "#chain/history.ts";
import { overlayReader } from "#chain/overlay.ts";
import type { Calls } from "#execution/call.ts";
import type { ChainRulesOptions } from "#execution/rules.ts";
import type { CallBudget, CallContext, CallOptions } from "#execution/types.ts";
import type { CallTask } from "#rpc/ports.ts";
import type { StateReader } from "#state/types.ts";
import type { Height } from "#types/ids.ts";

/** What a thread is told before its first job. */
export interface WorkerBoot {
  /** chain.db. */
  readonly path: string;
  readonly rules: ChainRulesOptions;
}

export type CallJob = {
  readonly kind: "call" | "estimateGas" | "createAccessList";
  readonly task: CallTask;
};
export type Job = CallJob | { readonly kind: "logs"; readonly query: WeighedLogQuery };

/** A job and the milliseconds after which it ends by itself. */
export interface Order {
  readonly job: Job;
  readonly timeLimit: number;
}

/** What a thread answers: `value` is what the job gives. */
export type Outcome =
  | { readonly kind: "done"; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly code: string;
      readonly message: string;
      readonly details?: Readonly<Record<string, unknown>>;
    };

/** The doors a job reads through. */
export interface Sources {
  /** The state after a finalized block; throws STATE_PRUNED. */
  state(at: Height): StateReader;
  readonly history: Pick<History, "block" | "logs">;
  readonly calls: Calls;
}

function contextOf({ state, history }: Sources, { view }: CallTask): CallContext {
  const base = state(view.base);
  return {
    state: view.overlay === undefined ? base : overlayReader(base, view.overlay),
    env: blockEnv(view.header),
    hashes: (at) => (at <= view.base ? history.block(at)?.hash : undefined),
  };
}

/** Runs a call; `abandoned` when the budget was not enough. */
export function performCall(sources: Sources, { kind, task }: CallJob, budget: CallBudget): Promise<unknown> {
  const { stateOverrides, blockOverrides } = task;
  const options: CallOptions = {
    budget,
    ...(stateOverrides && { stateOverrides }),
    ...(blockOverrides && { blockOverrides }),
  };
  return sources.calls[kind](contextOf(sources, task), task.request, options);
}

/** Whether a call was ended by its budget. */
export function isAbandoned(value: unknown): boolean {
  return typeof value === "object" && value !== null && "status" in value && value.status === "abandoned";
}
