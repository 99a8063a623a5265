// Opens transactions in batches on threads: a signature costs some sixty microseconds, which the event loop of a node
// under load cannot spare. Threads start when there is work for them and end when there has been none for a while.
import { KoraError, messageOf } from "#lib/error.ts";
import { decodeTransaction, type SignedTransaction, type Transaction } from "#types/transaction.ts";
import { answerRequest, decodeAnswer, encodeRequest, type Hello } from "./recovery-batch.ts";
import { secp256k1Backend } from "./secp256k1.ts";

/** Transactions handed to a thread at once, at least, if there are as many. */
const MIN_CHUNK = 64;
/** At most: a message costs as much as some senders, but what is urgent waits for what a thread has before it. */
const MAX_CHUNK: Readonly<Record<Priority, number>> = { block: 256, transactions: MIN_CHUNK };
/** Chunks that a thread has before it, so that it never waits for the next one; urgent ones wait for no more. */
const CHUNKS_AHEAD = 2;
/**
 * Transactions under way at most, unless the options say otherwise. Those of blocks come in bounded numbers; others are
 * brought without end, and on a machine with too little CPU a thread fell a minute behind with them.
 */
const MAX_PENDING: Readonly<Record<Priority, number>> = { block: 65_536, transactions: 1_024 };
/** Each thread holds tens of megabytes. */
const DEFAULT_IDLE_MS = 30_000;

/** Fewer are opened at once on the calling thread: a millisecond that no message to a thread would shorten. */
export const MIN_BATCH = 16;
/** Fewer do not wait for a thread that is still to start, which takes longer. */
export const MIN_COLD_BATCH = 256;

/** What became of one wire form. */
export type Opened =
  | { readonly kind: "opened"; readonly signed: SignedTransaction }
  /** The signature recovers no sender. */
  | { readonly kind: "unsigned" }
  | { readonly kind: "malformed"; readonly reason: string };

/** Blocks go before transactions: others wait for this node's vote. */
export type Priority = "block" | "transactions";

export interface SenderRecovery {
  /**
   * Decodes, hashes and recovers; the answers are in the order of `raws`. When too many are under way, the calling
   * thread opens these itself, which slows whoever brings them.
   */
  open(raws: readonly Uint8Array[], priority: Priority): Promise<readonly Opened[]>;
  /** Transactions under way. */
  readonly pending: number;
  /** Threads at work or ready for it. */
  readonly threads: number;
  /** Ends the threads; what is under way is finished on the calling thread. */
  close(): void;
}

export interface RecoveryOptions {
  /** At most; 0 leaves everything to the calling thread. */
  readonly threads: number;
  readonly maxPending?: number;
  /** Milliseconds without work after which the threads end. */
  readonly idleMs?: number;
  /** Told when a thread is lost; it is not replaced, and its work is done on the calling thread. */
  readonly onThreadLost?: (reason: string) => void;
  /** Told when a thread has neither native code nor the fast portable one. */
  readonly onSlowThread?: (reason: string) => void;
}

interface WellFormed {
  readonly position: number;
  readonly raw: Uint8Array;
  readonly tx: Transaction;
}

interface Task {
  readonly items: readonly WellFormed[];
  readonly resolve: (results: (SignedTransaction | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** In the order they were sent, which is the order of the answers. */
  readonly tasks: Task[];
  /** It has started; before, work for it waits. */
  ready: boolean;
}

/** Inside the executable, entry points are found below its root; elsewhere beside this file. */
function workerLocation(): string {
  const executable = import.meta.url.includes("/$bunfs/") || import.meta.url.includes("/~BUN/");
  return executable ? "./crypto/recovery-worker.ts" : new URL("./recovery-worker.ts", import.meta.url).href;
}

function inline({ items, resolve, reject }: Task): void {
  try {
    resolve(decodeAnswer(answerRequest(encodeRequest(items.map(({ raw }) => raw))), items));
  } catch (error) {
    reject(error);
  }
}

function decodeAll(raws: readonly Uint8Array[], results: Opened[]): WellFormed[] {
  const items: WellFormed[] = [];
  for (const [position, raw] of raws.entries()) {
    try {
      items.push({ position, raw, tx: decodeTransaction(raw) });
      results.push({ kind: "unsigned" });
    } catch (error) {
      if (!(error instanceof KoraError)) throw error;
      results.push({ kind: "malformed", reason: error.message });
    }
  }
  return items;
}

/** Cuts a batch into chunks, smaller ones towards its end, so that threads end together. */
function chunksOf(raws: readonly Uint8Array[], threads: number, most: number): (readonly Uint8Array[])[] {
  const chunks: (readonly Uint8Array[])[] = [];
  for (let at = 0; at < raws.length; ) {
    const share = Math.ceil((raws.length - at) / (2 * Math.max(threads, 1)));
    const size = Math.min(most, Math.max(MIN_CHUNK, share));
    chunks.push(raws.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** Decodes here and lets `run` find the senders. */
async function openChunk(
  raws: readonly Uint8Array[],
  run: (items: readonly WellFormed[]) => Promise<(SignedTransaction | undefined)[]>,
): Promise<Opened[]> {
  const results: Opened[] = [];
  const items = decodeAll(raws, results);
  const answers = items.length === 0 ? [] : await run(items);
  for (const [i, signed] of answers.entries()) {
    const { position } = items[i] as WellFormed;
    if (signed !== undefined) results[position] = { kind: "opened", signed };
  }
  return results;
}

/** The threads and what waits for them. */
class Pool {
  readonly #options: RecoveryOptions;
  readonly #threads: Thread[] = [];
  readonly #waiting: Readonly<Record<Priority, Task[]>> = { block: [], transactions: [] };
  #left: number;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#left = options.threads;
  }

  get size(): number {
    return this.#threads.length;
  }

  get ready(): boolean {
    return this.#threads.some((thread) => thread.ready);
  }

  /** Starts a thread for work to come. */
  warm(): void {
    if (this.#threads.length === 0 && this.#left > 0) this.#spawn();
    this.#rest();
  }

  run(items: readonly WellFormed[], priority: Priority): Promise<(SignedTransaction | undefined)[]> {
    return new Promise((resolve, reject) => {
      this.#waiting[priority].push({ items, resolve, reject });
      this.#assign();
    });
  }

  close(): void {
    this.#left = 0;
    this.#end();
    this.#assign();
  }

  /** Gives threads their work; without any left, does it here. */
  #assign(): void {
    for (;;) {
      const queue = this.#waiting.block.length > 0 ? this.#waiting.block : this.#waiting.transactions;
      if (queue.length === 0) break;
      const thread = this.#freest();
      // Whoever is busy comes back here with its next answer.
      if (thread === undefined && this.#threads.length > 0) break;
      const task = queue.shift() as Task;
      if (thread === undefined) inline(task);
      else this.#hand(task, thread);
    }
    this.#rest();
  }

  /** The thread with the least before it, a new one while all are busy; undefined when each has enough. */
  #freest(): Thread | undefined {
    let best: Thread | undefined;
    for (const each of this.#threads) {
      if (best === undefined || each.tasks.length < best.tasks.length) best = each;
    }
    const busy = best === undefined || best.tasks.length > 0;
    const started = busy && this.#threads.length < this.#left ? this.#spawn() : undefined;
    if (started !== undefined) return started;
    return best !== undefined && best.tasks.length < CHUNKS_AHEAD ? best : undefined;
  }

  #hand(task: Task, thread: Thread): void {
    thread.tasks.push(task);
    const request = encodeRequest(task.items.map(({ raw }) => raw));
    thread.worker.postMessage(request, [request.buffer as ArrayBuffer]);
  }

  #spawn(): Thread | undefined {
    let worker: Worker;
    try {
      worker = new Worker(workerLocation());
    } catch (error) {
      this.#left--;
      this.#options.onThreadLost?.(messageOf(error));
      return undefined;
    }
    const thread: Thread = { worker, tasks: [], ready: false };
    worker.onmessage = ({ data }: MessageEvent<Uint8Array | Hello>) => {
      if (!(data instanceof Uint8Array)) {
        this.#greet(thread, data);
        return;
      }
      const task = thread.tasks.shift();
      task?.resolve(decodeAnswer(data, task.items));
      this.#assign();
    };
    worker.onerror = ({ message }) => this.#lose(thread, message);
    worker.addEventListener("close", () => this.#lose(thread, "it ended by itself"));
    // Not unref'd: the runtime's loop then spins while threads work, at twice the cost.
    this.#threads.push(thread);
    return thread;
  }

  #greet(thread: Thread, { reason, slow }: Hello): void {
    // Slower code than the calling thread's own is worse than none.
    if (reason !== undefined && secp256k1Backend().name === "native") {
      this.#lose(thread, reason);
      return;
    }
    thread.ready = true;
    if (slow) this.#options.onSlowThread?.(reason ?? "");
  }

  #lose(thread: Thread, reason: string): void {
    const at = this.#threads.indexOf(thread);
    if (at === -1) return;
    this.#threads.splice(at, 1);
    this.#left--;
    thread.worker.terminate();
    this.#options.onThreadLost?.(reason);
    for (const task of thread.tasks.splice(0)) inline(task);
    this.#assign();
  }

  /** Ends the threads; what they had is done here. */
  #end(): void {
    clearTimeout(this.#idle);
    for (const thread of this.#threads.splice(0)) {
      thread.worker.terminate();
      for (const task of thread.tasks.splice(0)) inline(task);
    }
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#threads.length === 0 || this.#threads.some(({ tasks }) => tasks.length > 0)) return;
    this.#idle = setTimeout(() => this.#end(), this.#options.idleMs ?? DEFAULT_IDLE_MS);
  }
}

/** Recovery on threads of its own, none yet. */
export function createSenderRecovery(options: RecoveryOptions): SenderRecovery {
  const { maxPending } = options;
  const pool = new Pool(options);
  const here = (items: readonly WellFormed[]): Promise<(SignedTransaction | undefined)[]> =>
    new Promise((resolve, reject) => inline({ items, resolve, reject }));
  let pending = 0;
  return {
    async open(raws, priority) {
      const few = raws.length < (pool.ready ? MIN_BATCH : MIN_COLD_BATCH);
      if (few && raws.length >= MIN_BATCH) pool.warm();
      const inPool = !few && pending + raws.length <= (maxPending ?? MAX_PENDING[priority]);
      const run = inPool ? (items: readonly WellFormed[]) => pool.run(items, priority) : here;
      pending += raws.length;
      try {
        // Each chunk leaves as soon as it is decoded, so that the threads do not wait for the whole batch.
        const chunks = chunksOf(raws, options.threads, MAX_CHUNK[priority]);
        return (await Promise.all(chunks.map((chunk) => openChunk(chunk, run)))).flat();
      } finally {
        pending -= raws.length;
      }
    },
    get pending() {
      return pending;
    },
    get threads() {
      return pool.size;
    },
    close: () => pool.close(),
  };
}
