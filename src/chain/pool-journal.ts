// Makes the hashes this node has answered survive a crash: an append-only file of wire forms with group commit,
// compacted when most of it is history. Where the bytes go is the port's business; so is the fsync.
import { keccak256 } from "#crypto/hash.ts";
import { concatBytes, equalBytes } from "#lib/bytes.ts";
import { Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import { MAX_TRANSACTION_BYTES } from "#types/limits.ts";

/** A file that the journal owns alone. Every promise resolves when the bytes are on the disk. */
export interface JournalFile {
  /** All of it; empty when there is none. */
  read(): Uint8Array;
  append(bytes: Uint8Array): Promise<void>;
  /** Puts `bytes` in the place of all, atomically. */
  replace(bytes: Uint8Array): Promise<void>;
}

export interface PoolJournal {
  /** Wire forms that the file held when it was opened, oldest first, a torn tail left out; handed out once. */
  load(): readonly Uint8Array[];
  /** Resolves when `raw` is durable; rejects with JOURNAL_FAILED, after which the process must stop. */
  record(raw: Uint8Array): Promise<void>;
}

/** Bytes of history that a journal may hold beside twice what is live before it is compacted. */
export const JOURNAL_SLACK_BYTES: number = 4 * 1024 * 1024;
const CHECK_BYTES = 4;
const FRAME_BYTES: number = 4 + CHECK_BYTES;
/** Room for a blob transaction with its sidecar. */
const MAX_RECORD_BYTES: number = 16 * MAX_TRANSACTION_BYTES;

function frame(raw: Uint8Array): Uint8Array {
  return new Writer(FRAME_BYTES + raw.length)
    .u32(raw.length)
    .raw(keccak256(raw).subarray(0, CHECK_BYTES))
    .raw(raw)
    .finish();
}

/** Reads frames up to the first that is torn or damaged; `end` is where that is, or the end of the bytes. */
function parse(bytes: Uint8Array): { readonly records: readonly Uint8Array[]; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Uint8Array[] = [];
  let at = 0;
  while (at + FRAME_BYTES <= bytes.length) {
    const length = view.getUint32(at);
    const start = at + FRAME_BYTES;
    if (length > MAX_RECORD_BYTES || start + length > bytes.length) break;
    const raw = bytes.slice(start, start + length);
    if (!equalBytes(keccak256(raw).subarray(0, CHECK_BYTES), bytes.subarray(at + 4, start))) break;
    records.push(raw);
    at = start + length;
  }
  return { records, end: at };
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A journal over `file`. `live` gives the wire forms still pooled, in an order in which they can be added again. */
export function createPoolJournal(file: JournalFile, live: () => readonly Uint8Array[]): PoolJournal {
  const held = file.read();
  const { records, end } = parse(held);
  /** What the file held, until it is asked for. */
  let loaded = records;
  let size = held.length;
  /** Size at which to look what is live: that costs as much as writing all of it. */
  let limit = JOURNAL_SLACK_BYTES;
  /** What is whole before a torn tail: nothing written behind the tear would ever be read again. */
  let whole = end < held.length ? held.slice(0, end) : undefined;
  let waiting: Waiting[] = [];
  let running = false;
  /** A write that failed may have left half a frame: what came behind it would be lost. */
  let failed: KoraError | undefined;

  const compact = async (): Promise<void> => {
    const kept = concatBytes(...live().map(frame));
    limit = 2 * kept.length + JOURNAL_SLACK_BYTES;
    if (size <= limit) return;
    await file.replace(kept);
    size = kept.length;
  };

  const mend = async (): Promise<void> => {
    if (whole === undefined) return;
    await file.replace(whole);
    size = whole.length;
    whole = undefined;
  };

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await mend();
        const bytes = concatBytes(...batch.map((item) => item.bytes));
        await file.append(bytes);
        size += bytes.length;
        for (const { resolve } of batch) resolve();
        if (size > limit) await compact();
      } catch (cause) {
        failed = new KoraError("the transaction journal cannot be written", {
          code: "JOURNAL_FAILED",
          hint: "check free space and permissions of the data directory",
          cause,
        });
        for (const { reject } of [...batch, ...waiting]) reject(failed);
        waiting = [];
      }
    }
    running = false;
  };

  const enqueue = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failed !== undefined) return reject(failed);
      waiting.push({ bytes, resolve, reject });
      if (!running) {
        running = true;
        // A turn later, so that what arrives together shares one write.
        queueMicrotask(() => void run());
      }
    });

  return {
    load() {
      const all = loaded;
      loaded = [];
      return all;
    },
    record: (raw) => enqueue(frame(raw)),
  };
}
