// Threads for reads too heavy to run between two blocks: bounded in number, started when needed, ended at the time
// cap of what they run. What a job means is the worker's; here it is plain data.
import { KoraError, messageOf } from "#lib/error.ts";
import type { Gate } from "./gate.ts";
import type { Job, Order, Outcome, WorkerBoot } from "./job.ts";

export interface WorkerPoolOptions {
  /** Threads at most. */
  readonly workers: number;
  /** Jobs that wait for a thread at most. */
  readonly queue: number;
  /** Milliseconds after which a thread without work is ended: each holds tens of megabytes. */
  readonly idle: number;
  readonly boot: WorkerBoot;
}

export interface WorkerPool {
  /**
   * Runs a job in a thread. Rejects with CALL_TIMEOUT after `timeLimit` milliseconds of running, with READS_BUSY when
   * the queue is full or the wait too long, and with what the job threw. It passes `gate` only once it has its thread,
   * which rests until the gate is open: no more stand behind the gate than run.
   */
  run(job: Job, timeLimit: number, gate?: Pick<Gate, "pass">): Promise<unknown>;
  /** Ends all threads; what runs or waits is rejected with READS_CLOSED. */
  close(): void;
}

interface Task {
  readonly order: Order;
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
  readonly gate: Pick<Gate, "pass"> | undefined;
  /** Settles with the task. */
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: KoraError) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Ends what is running at its time cap, or the thread when it has had nothing to do. */
  timer: ReturnType<typeof setTimeout> | undefined;
  task: Task | undefined;
}

/** Inside the executable, entry points are found below its root; elsewhere beside this file. */
function workerLocation(): string {
  const executable = import.meta.url.includes("/$bunfs/") || import.meta.url.includes("/~BUN/");
  return executable ? "./node/reads/worker.ts" : new URL("./worker.ts", import.meta.url).href;
}

/** Milliseconds past its limit within which a job ends by itself; a thread that does not is ended. */
const GRACE_MS = 250;

/** Milliseconds a job waits for a thread at most: whoever asked has given up by then. */
const MAX_WAIT_MS = 30_000;

/** Too many wait. */
function readsBusy(): KoraError {
  const hint = "try again later, or ask for less at once";
  return new KoraError("too many heavy requests are waiting", { code: "READS_BUSY", hint });
}

function closed(): KoraError {
  return new KoraError("the node is shutting down", { code: "READS_CLOSED" });
}

function died(why: string): KoraError {
  return new KoraError("a reading thread ended unexpectedly", { code: "READS_DIED", why });
}

/** An error that crossed from a thread. */
function received(error: Extract<Outcome, { kind: "error" }>): KoraError {
  const { code, message, details } = error;
  return new KoraError(message, { code, ...(details && { details }) });
}

/** Whether a task has waited too long to be begun. */
function isLate(task: Task): boolean {
  return performance.now() - task.since >= MAX_WAIT_MS;
}

class Pool implements WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  readonly #waiting: Task[] = [];
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  run(job: Job, timeLimit: number, gate?: Pick<Gate, "pass">): Promise<unknown> {
    const outcome = Promise.withResolvers<unknown>();
    const task: Task = { order: { job, timeLimit }, since: performance.now(), gate, ...outcome };
    const thread = this.#closed ? undefined : (this.#idle.pop() ?? this.#spawn());
    if (this.#closed) task.reject(closed());
    else if (thread !== undefined) this.#start(thread, task);
    else if (this.#waiting.length < this.#options.queue) this.#waiting.push(task);
    else task.reject(readsBusy());
    return task.promise;
  }

  close(): void {
    this.#closed = true;
    for (const task of this.#waiting.splice(0)) task.reject(closed());
    for (const thread of this.#threads) this.#end(thread)?.reject(closed());
  }

  /** A new thread, or undefined when there are enough. */
  #spawn(): Thread | undefined {
    if (this.#threads.size >= this.#options.workers) return undefined;
    const worker = new Worker(workerLocation());
    const thread: Thread = { worker, timer: undefined, task: undefined };
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
      const { task } = thread;
      if (task === undefined) return;
      this.#finish(thread, () =>
        data.kind === "done" ? task.resolve(data.value) : task.reject(received(data)),
      );
    };
    worker.onerror = (event) => this.#fail(thread, died(event.message));
    worker.postMessage(this.#options.boot);
    this.#threads.add(thread);
    return thread;
  }

  #start(thread: Thread, task: Task): void {
    clearTimeout(thread.timer);
    thread.task = task;
    if (task.gate === undefined) this.#send(thread, task);
    else void task.gate.pass(() => this.#sendPassed(thread, task));
  }

  /** Runs what has passed its gate, to its end. */
  async #sendPassed(thread: Thread, task: Task): Promise<void> {
    // The pool may have been closed meanwhile.
    if (thread.task !== task) return;
    if (isLate(task)) this.#finish(thread, () => task.reject(readsBusy()));
    else this.#send(thread, task);
    await task.promise.catch(() => undefined);
  }

  #send(thread: Thread, task: Task): void {
    const { timeLimit } = task.order;
    thread.timer = setTimeout(() => {
      const message = `execution aborted (timeout = ${timeLimit / 1_000}s)`;
      this.#fail(thread, new KoraError(message, { code: "CALL_TIMEOUT" }));
    }, timeLimit + GRACE_MS);
    try {
      thread.worker.postMessage(task.order);
    } catch (error) {
      this.#fail(thread, died(messageOf(error)));
    }
  }

  /** Lets a thread go on to what waits, and settles the task it had. */
  #finish(thread: Thread, settle: () => void): void {
    clearTimeout(thread.timer);
    thread.task = undefined;
    const next = this.#next();
    if (next !== undefined) this.#start(thread, next);
    else this.#rest(thread);
    settle();
  }

  /** What waits longest of what has not waited too long. */
  #next(): Task | undefined {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      if (!isLate(task)) return task;
      task.reject(readsBusy());
    }
    return undefined;
  }

  #rest(thread: Thread): void {
    this.#idle.push(thread);
    thread.timer = setTimeout(() => this.#end(thread), this.#options.idle);
    thread.timer.unref();
  }

  /** Ends a thread in the middle of its task; another takes what waits. */
  #fail(thread: Thread, error: KoraError): void {
    this.#end(thread)?.reject(error);
    if (this.#closed || this.#waiting.length === 0) return;
    const next = this.#spawn();
    if (next === undefined) return;
    const task = this.#next();
    if (task === undefined) this.#rest(next);
    else this.#start(next, task);
  }

  /** Lets go of a thread; answers the task it had. */
  #end(thread: Thread): Task | undefined {
    clearTimeout(thread.timer);
    this.#threads.delete(thread);
    const resting = this.#idle.indexOf(thread);
    if (resting !== -1) this.#idle.splice(resting, 1);
    thread.worker.terminate();
    const { task } = thread;
    thread.task = undefined;
    return task;
  }
}

/** A pool without threads yet. */
export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  return new Pool(options);
}
