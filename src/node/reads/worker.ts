// A reading thread: performs jobs one after the other over its own read-only connection to chain.db. It is started
// with what it reads; the pool ends it.
import { createHistory, type History } from "#chain/history.ts";
import { createCalls } from "#execution/call.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { longCallTask } from "#rpc/call-task.ts";
import { foundLogs } from "#rpc/log-query.ts";
import { openStateReader } from "#state/state.ts";
import {
  type CallJob,
  isAbandoned,
  type Order,
  type Outcome,
  performCall,
  performPending,
  type Sources,
  type WorkerBoot,
} from "./job.ts";
import { opened } from "./parcel.ts";

declare const self: Worker;

type ThreadSources = Sources & { readonly history: History };

function openSources({ path, rules }: WorkerBoot): ThreadSources {
  const reader = openStateReader(path);
  const known = chainRules(rules);
  return {
    state: (at) => reader.at(at),
    history: createHistory(reader.archive),
    calls: createCalls(known),
    executor: createExecutor(known),
  };
}

async function perform(sources: ThreadSources, { job, timeLimit }: Order): Promise<Outcome> {
  // The owner may have rolled back since the last job: decoded blocks serve one job only.
  sources.history.clear();
  if (job.kind === "logs") {
    return { kind: "done", value: foundLogs(job.query, sources.history.logs(job.query)) };
  }
  const end = performance.now() + timeLimit;
  const expired = (): boolean => performance.now() > end;
  if (job.kind === "pending") {
    const task = { ...job.task, opening: opened(job.opening), candidates: opened(job.candidates) };
    return { kind: "done", value: await performPending(sources, task, expired) };
  }
  const call: CallJob = "long" in job ? { kind: job.kind, task: longCallTask(job.long) } : job;
  const value = await performCall(sources, call, { expired });
  if (!isAbandoned(value)) return { kind: "done", value };
  return {
    kind: "error",
    code: "CALL_TIMEOUT",
    message: `execution aborted (timeout = ${timeLimit / 1_000}s)`,
  };
}

function failure(error: unknown): Outcome {
  if (!(error instanceof KoraError))
    return { kind: "error", code: "READS_FAILED", message: messageOf(error) };
  return { kind: "error", code: error.code, message: error.message, details: error.details };
}

let sources: ThreadSources | undefined;
let boot: WorkerBoot | undefined;

self.onmessage = async ({ data }: MessageEvent<WorkerBoot | Order>) => {
  if ("path" in data) {
    boot = data;
    return;
  }
  try {
    sources ??= boot && openSources(boot);
    if (sources !== undefined) self.postMessage(await perform(sources, data));
  } catch (error) {
    self.postMessage(failure(error));
  }
};
