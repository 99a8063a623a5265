// A read as plain data, and how it is performed: the same code inline and in a thread, over different doors to the
// same database.
import { blockEnv } from "#chain/execute.ts";
import type { History, WeighedLogQuery } from "#chain/history.ts";
import { overlayReader } from "#chain/overlay.ts";
import { executePending, type PendingOutcome, type PendingTask } from "#chain/pending-block.ts";
import type { Calls } from "#execution/call.ts";
import type { ChainRulesOptions } from "#execution/rules.ts";
import type { BlockExecutor, BlockHashes, CallBudget, CallContext, CallOptions } from "#execution/types.ts";
import type { CallTask, CallView, LongCall } from "#rpc/ports.ts";
import type { StateReader } from "#state/types.ts";
import type { Height } from "#types/ids.ts";
import type { Parcel } from "./parcel.ts";

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
/** A call that is decoded where it runs. */
export type LongCallJob = { readonly kind: CallJob["kind"]; readonly long: LongCall };
export type Job =
  | CallJob
  | LongCallJob
  | { readonly kind: "logs"; readonly query: WeighedLogQuery }
  | PendingJob;

/** A pending block whose transactions travel packed. */
export type PendingJob = {
  readonly kind: "pending";
  readonly task: Omit<PendingTask, "opening" | "candidates">;
  readonly opening: Parcel;
  readonly candidates: Parcel;
};

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
  readonly history: Pick<History, "hashAt" | "logs">;
  readonly calls: Calls;
  readonly executor: BlockExecutor;
}

/** Where a read stands: on a finalized height, and what lies above it in memory. */
type Ground = Pick<CallView, "base" | "overlay" | "above">;

/** The state there. */
export function stateOn(state: Sources["state"], { base, overlay }: Ground): StateReader {
  return overlay === undefined ? state(base) : overlayReader(state(base), overlay);
}

function hashesOn(history: Sources["history"], { base, above }: Ground): BlockHashes {
  return (at) => (at <= base ? history.hashAt(at) : above[at - base - 1]);
}

function contextOf({ state, history }: Sources, { view }: CallTask): CallContext {
  return { state: stateOn(state, view), env: blockEnv(view.header), hashes: hashesOn(history, view) };
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

/** Executes a pending block; at the deadline it holds what it has. */
export function performPending(
  { executor, state, history }: Sources,
  task: PendingTask,
  expired: () => boolean,
): Promise<PendingOutcome> {
  return executePending(
    { executor, state: stateOn(state, task), hashes: hashesOn(history, task) },
    task,
    expired,
  );
}

/** Whether a call was ended by its budget. */
export function isAbandoned(value: unknown): boolean {
  return typeof value === "object" && value !== null && "status" in value && value.status === "abandoned";
}
