// Sorted runs of an index: chunks of (fingerprint, number) entries in SQLite rows, how one is searched, written and
// read through in order. The numbers are SNs of ops in one index and places of transactions in the other; "SN" stands
// for both. Which runs there are, and when they are merged, is history.ts's business.
import { writeU64 } from "./format.ts";
import type { Statement, Store } from "./store.ts";

/** Words of an entry: high and low fingerprint, SN relative to the run's first. */
export const ENTRY_WORDS = 3;
/** Entries of one row: as many as SQLite keeps on a page without spilling. */
export const CHUNK_ENTRIES = 64;
/** Rows fetched at once while a run is read through. */
const CURSOR_ROWS = 32;

/** The tables of one index. */
export interface RunTables {
  /** Which runs there are. */
  readonly runs: string;
  /** Their entries. */
  readonly chunks: string;
  /** Entries that are in no run yet. */
  readonly recent: string;
}

/** One sorted run: the entries of the ops of [lo, hi). Entries outside that range are ignored. */
export interface Run {
  readonly id: number;
  readonly level: number;
  readonly lo: number;
  readonly hi: number;
}

/** Sorted entries in memory. */
export interface Entries {
  readonly words: Uint32Array;
  readonly count: number;
}

/** First column of a chunk: sorts as (fingerprint, SN) does. */
function position(high: number, low: number, sn: number): Uint8Array {
  const out = new Uint8Array(16);
  const view = new DataView(out.buffer);
  view.setUint32(0, high);
  view.setUint32(4, low);
  writeU64(out, 8, sn);
  return out;
}

function wordsOf(data: Uint8Array): Uint32Array {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

/** Sorts entries (whose SNs ascend) by fingerprint, then SN. */
export function sortEntries(fingerprints: Uint32Array, count: number): Entries {
  const SHIFT = 2 ** 21;
  // A number holds the high word and the entry's place; places keep SNs in order among equals.
  const order = new Float64Array(count);
  for (let i = 0; i < count; i++) order[i] = (fingerprints[2 * i] as number) * SHIFT + i;
  order.sort();
  const words = new Uint32Array(count * ENTRY_WORDS);
  for (let at = 0; at < count; at++) {
    const i = (order[at] as number) % SHIFT;
    const high = fingerprints[2 * i] as number;
    const low = fingerprints[2 * i + 1] as number;
    let to = at * ENTRY_WORDS;
    while (to > 0 && words[to - 3] === high && (words[to - 2] as number) > low) {
      words.copyWithin(to, to - 3, to);
      to -= ENTRY_WORDS;
    }
    words[to] = high;
    words[to + 1] = low;
    words[to + 2] = i;
  }
  return { words, count };
}

/** Index of the first entry of `words` that is not below (high, low, relative SN). */
function lowerBound(words: Uint32Array, high: number, low: number, sn: number): number {
  let from = 0;
  let to = words.length / ENTRY_WORDS;
  while (from < to) {
    const middle = (from + to) >> 1;
    const at = middle * ENTRY_WORDS;
    const h = words[at] as number;
    const l = words[at + 1] as number;
    const below = h < high || (h === high && (l < low || (l === low && (words[at + 2] as number) < sn)));
    if (below) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Searches in runs. */
export interface RunReader {
  /** Greatest SN below `bound` under this fingerprint, or -1. */
  before(run: Run, high: number, low: number, bound: number): number;
  /** Least SN from `from` on under this fingerprint, or -1. */
  after(run: Run, high: number, low: number, from: number): number;
}

/** Searches in the runs of `store`. */
export function openRunReader(store: Store, { chunks }: RunTables): RunReader {
  const atOrBelow = store.prepare(
    `SELECT entries FROM ${chunks} WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1`,
  );
  const above = store.prepare(
    `SELECT entries FROM ${chunks} WHERE run = ? AND first > ? ORDER BY first LIMIT 1`,
  );
  const matches = (words: Uint32Array, index: number, high: number, low: number): boolean =>
    words[index * ENTRY_WORDS] === high && words[index * ENTRY_WORDS + 1] === low;
  return {
    before(run, high, low, bound) {
      const limit = Math.min(bound, run.hi);
      const data = atOrBelow.get(run.id, position(high, low, limit - 1))?.[0];
      if (!(data instanceof Uint8Array)) return -1;
      const words = wordsOf(data);
      const index = lowerBound(words, high, low, limit - run.lo) - 1;
      return index >= 0 && matches(words, index, high, low)
        ? run.lo + (words[index * ENTRY_WORDS + 2] as number)
        : -1;
    },
    after(run, high, low, from) {
      const start = position(high, low, Math.max(from, run.lo));
      for (const statement of [atOrBelow, above]) {
        const data = statement.get(run.id, start)?.[0];
        if (!(data instanceof Uint8Array)) continue;
        const words = wordsOf(data);
        const index = lowerBound(words, high, low, Math.max(from - run.lo, 0));
        if (index * ENTRY_WORDS >= words.length) continue;
        const sn = run.lo + (words[index * ENTRY_WORDS + 2] as number);
        return matches(words, index, high, low) && sn < run.hi ? sn : -1;
      }
      return -1;
    },
  };
}

/** Appends sorted entries to a run, chunk by chunk; `flush` writes the last, short one. */
export interface RunWriter {
  add(high: number, low: number, relative: number): void;
  flush(): void;
}

/** A writer of run `id`, whose SNs are relative to `lo`. */
export function openRunWriter(insert: Statement, id: number, lo: number): RunWriter {
  const words = new Uint32Array(CHUNK_ENTRIES * ENTRY_WORDS);
  let length = 0;
  const flush = (): void => {
    if (length === 0) return;
    const first = position(words[0] as number, words[1] as number, lo + (words[2] as number));
    insert.run(id, first, new Uint8Array(words.buffer, 0, length * 4));
    length = 0;
  };
  return {
    add(high, low, relative) {
      words[length] = high;
      words[length + 1] = low;
      words[length + 2] = relative;
      length += ENTRY_WORDS;
      if (length === words.length) flush();
    },
    flush,
  };
}

/** Reads a run through in order. */
export interface RunCursor {
  readonly run: Run;
  words: Uint32Array;
  /** Word offset of the current entry; at `words.length` the run is exhausted. */
  at: number;
  /** Loads more; false at the end. */
  more(): boolean;
}

/** A cursor before the first entry of `run`. */
export function openRunCursor(select: Statement, run: Run): RunCursor {
  let last: Uint8Array = new Uint8Array(0);
  let ended = false;
  return {
    run,
    words: new Uint32Array(0),
    at: 0,
    more() {
      if (ended) return false;
      const rows = select.all(run.id, last, CURSOR_ROWS);
      const chunks = rows.map(([, entries]) => wordsOf(entries as Uint8Array));
      const words = new Uint32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      let to = 0;
      for (const chunk of chunks) {
        words.set(chunk, to);
        to += chunk.length;
      }
      this.words = words;
      this.at = 0;
      const end = rows[rows.length - 1];
      if (end === undefined) ended = true;
      else last = end[0] as Uint8Array;
      return !ended;
    },
  };
}
