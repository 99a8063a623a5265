// Opens transactions in batches on threads: a signature costs some sixty microseconds, which the event loop of a node
// under load cannot spare. Order is kept; what waits is bounded.
import { KoraError } from "#lib/error.ts";
import { decodeTransaction, type SignedTransaction, type Transaction } from "#types/transaction.ts";
import { answerRequest, decodeAnswer, encodeRequest } from "./recovery-batch.ts";

/** Transactions handed to a thread at once: long enough to be worth a message, short enough to share work. */
const CHUNK = 64;
/** Transactions under way at most, unless the options say otherwise. */
const DEFAULT_MAX_PENDING = 65_536;

/** What became of one wire form. */
export type Opened =
  | { readonly kind: "opened"; readonly signed: SignedTransaction }
  /** The signature recovers no sender. */
  | { readonly kind: "unsigned" }
  | { readonly kind: "malformed"; readonly reason: string };

export interface SenderRecovery {
  /**
   * Decodes, hashes and recovers; the answers are in the order of `raws`. Rejects with RECOVERY_BUSY when too many
   * are under way.
   */
  open(raws: readonly Uint8Array[]): Promise<readonly Opened[]>;
  /** Transactions under way. */
  readonly pending: number;
  /** Ends the threads; what is under way is finished on the calling thread. */
  close(): void;
}

export interface RecoveryOptions {
  readonly threads: number;
  readonly maxPending?: number;
  /** Told when a thread ends by itself; its work is done on the calling thread. */
  readonly onThreadLost?: (reason: string) => void;
}

interface WellFormed {
  readonly position: number;
  readonly raw: Uint8Array;
  readonly tx: Transaction;
}

interface Task {
  readonly items: readonly WellFormed[];
  readonly resolve: (results: (SignedTransaction | undefined)[]) => void;
}

interface Thread {
  readonly worker: Worker;
  /** In the order they were sent, which is the order of the answers. */
  readonly tasks: Task[];
}

/** Inside the executable, entry points are found below its root; elsewhere beside this file. */
function workerLocation(): string {
  const executable = import.meta.url.includes("/$bunfs/") || import.meta.url.includes("/~BUN/");
  return executable ? "./crypto/recovery-worker.ts" : new URL("./recovery-worker.ts", import.meta.url).href;
}

function inline({ items, resolve }: Task): void {
  resolve(decodeAnswer(answerRequest(encodeRequest(items.map(({ raw }) => raw))), items));
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

/** Threads that wait for work from the start; they keep the process alive until `close`. */
export function createSenderRecovery(options: RecoveryOptions): SenderRecovery {
  const { maxPending = DEFAULT_MAX_PENDING, onThreadLost } = options;
  const threads: Thread[] = [];
  let pending = 0;

  function lose(thread: Thread, reason: string): void {
    const at = threads.indexOf(thread);
    if (at === -1) return;
    threads.splice(at, 1);
    thread.worker.terminate();
    onThreadLost?.(reason);
    for (const task of thread.tasks.splice(0)) inline(task);
  }
  function spawn(): void {
    const worker = new Worker(workerLocation());
    const thread: Thread = { worker, tasks: [] };
    worker.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
      const task = thread.tasks.shift();
      task?.resolve(decodeAnswer(data, task.items));
    };
    worker.onerror = ({ message }) => lose(thread, message);
    // Not unref'd: the runtime's loop then spins while threads work, at twice the cost.
    threads.push(thread);
  }
  function run(items: readonly WellFormed[]): Promise<(SignedTransaction | undefined)[]> {
    return new Promise((resolve) => {
      const task: Task = { items, resolve };
      const [first, ...others] = threads;
      if (first === undefined) {
        inline(task);
        return;
      }
      const thread = others.reduce(
        (best, each) => (each.tasks.length < best.tasks.length ? each : best),
        first,
      );
      thread.tasks.push(task);
      const request = encodeRequest(items.map(({ raw }) => raw));
      thread.worker.postMessage(request, [request.buffer as ArrayBuffer]);
    });
  }
  async function openChunk(raws: readonly Uint8Array[]): Promise<Opened[]> {
    const results: Opened[] = [];
    const items = decodeAll(raws, results);
    const answers = items.length === 0 ? [] : await run(items);
    for (const [i, signed] of answers.entries()) {
      const { position } = items[i] as WellFormed;
      if (signed !== undefined) results[position] = { kind: "opened", signed };
    }
    return results;
  }
  for (let i = 0; i < options.threads; i++) spawn();
  return {
    async open(raws) {
      if (pending + raws.length > maxPending) {
        throw new KoraError("too many transactions wait for their senders", {
          code: "RECOVERY_BUSY",
          why: `${pending} are under way, at most ${maxPending} may be`,
        });
      }
      pending += raws.length;
      try {
        // Each chunk leaves as soon as it is decoded, so that the threads do not wait for the whole batch.
        const chunks = Array.from({ length: Math.ceil(raws.length / CHUNK) }, (_, i) =>
          openChunk(raws.slice(i * CHUNK, (i + 1) * CHUNK)),
        );
        return (await Promise.all(chunks)).flat();
      } finally {
        pending -= raws.length;
      }
    },
    get pending() {
      return pending;
    },
    close() {
      for (const thread of threads.splice(0)) {
        thread.worker.terminate();
        for (const task of thread.tasks.splice(0)) inline(task);
      }
    },
  };
}
