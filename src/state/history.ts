// Which op was the last one of a key before a given SN: the index behind states at old heights. Local and unhashed.
// A log-structured merge: each larger block becomes a sorted run, small ones gather in a small table first, and eight
// neighbours of one level become one of the next, a bounded piece at each commit. A B-tree by key would dirty one
// page per op instead. Fingerprints stand for keys: whoever uses an answer confirms the op's key. positions.ts finds
// transactions in the same way, in tables of its own.
import { assert } from "#lib/assert.ts";
import {
  CHUNK_ENTRIES,
  ENTRY_WORDS,
  openRunCursor,
  openRunReader,
  openRunWriter,
  type Run,
  type RunCursor,
  type RunTables,
  type RunWriter,
  sortEntries,
} from "./runs.ts";
import type { Fingerprinter } from "./siphash.ts";
import type { Row, Statement, Store } from "./store.ts";

/** Neighbouring runs of one level that become one run of the next. */
const FANOUT = 8;
/** Entries that small blocks gather before they become a run. */
const RECENT_ENTRIES = 2_048;
/** Entries merged per entry added: at least the number of levels, so that merging keeps up. */
const MERGE_SHARE = 8;
/** Rows of merged-away runs that a commit deletes, at least. */
const SWEEP_ROWS = 256;

/** Entries sorted in memory at once. */
const MAX_SORTED = 2 ** 20;

const LIVE = 0;
const BUILDING = 1;
const TRASH = 2;

/** Tables of the history of ops. */
export const OP_TABLES: RunTables = { runs: "runs", chunks: "hist", recent: "recent" };

/** Reads of the history index, by key. */
export interface HistoryReader {
  /** Greatest SN below `bound` of an op of `key` (or of a key with its fingerprint), or -1. */
  before(key: Uint8Array, bound: number): number;
  /** Least SN from `from` on, or -1. */
  after(key: Uint8Array, from: number): number;
}

function toRun([id, level, lo, hi]: Row): Run {
  return { id: id as number, level: level as number, lo: lo as number, hi: hi as number };
}

function fingerprintBytes(high: number, low: number): Uint8Array {
  const out = new Uint8Array(8);
  const view = new DataView(out.buffer);
  view.setUint32(0, high);
  view.setUint32(4, low);
  return out;
}

/** The read side over `store`; `fingerprint` leaves its result in `out`. */
export function openHistoryReader(
  store: Store,
  fingerprint: Fingerprinter,
  out: Uint32Array,
  tables: RunTables,
): HistoryReader {
  const reader = openRunReader(store, tables);
  const { runs, recent: fresh } = tables;
  const runsBelow = store.prepare(
    `SELECT id, level, lo, hi FROM ${runs} WHERE state = ${LIVE} AND lo < ? ORDER BY lo DESC`,
  );
  const runsFrom = store.prepare(
    `SELECT id, level, lo, hi FROM ${runs} WHERE state = ${LIVE} AND hi > ? ORDER BY lo`,
  );
  const recentBelow = store.prepare(
    `SELECT sn FROM ${fresh} WHERE fingerprint = ? AND sn < ? ORDER BY sn DESC LIMIT 1`,
  );
  const recentFrom = store.prepare(
    `SELECT sn FROM ${fresh} WHERE fingerprint = ? AND sn >= ? ORDER BY sn LIMIT 1`,
  );
  return {
    before(key, bound) {
      fingerprint(key, 0);
      const high = out[0] as number;
      const low = out[1] as number;
      const recent = recentBelow.get(fingerprintBytes(high, low), bound)?.[0];
      if (recent !== undefined) return recent as number;
      for (const row of runsBelow.all(bound)) {
        const sn = reader.before(toRun(row), high, low, bound);
        if (sn >= 0) return sn;
      }
      return -1;
    },
    after(key, from) {
      fingerprint(key, 0);
      const high = out[0] as number;
      const low = out[1] as number;
      for (const row of runsFrom.all(from)) {
        const sn = reader.after(toRun(row), high, low, from);
        if (sn >= 0) return sn;
      }
      return (recentFrom.get(fingerprintBytes(high, low), from)?.[0] as number | undefined) ?? -1;
    },
  };
}

/** A merge under way. */
interface Merge {
  readonly target: Run;
  readonly cursors: RunCursor[];
  readonly writer: RunWriter;
}

/** An index over `tables` of one chain.db. `keepFrom` tells the first SN that anybody may still ask for. */
export class HistoryIndex implements HistoryReader {
  readonly before: HistoryReader["before"];
  readonly after: HistoryReader["after"];
  readonly #store: Store;
  readonly #tables: RunTables;
  readonly #keepFrom: () => number;
  readonly #insertRecent: Statement;
  readonly #insertChunk: Statement;
  #merge: Merge | undefined;
  /** Whether the database may hold a half-built run that nobody is building. */
  #stray = true;
  #recentCount: number;

  constructor(
    store: Store,
    fingerprint: Fingerprinter,
    out: Uint32Array,
    tables: RunTables,
    keepFrom: () => number,
  ) {
    const reader = openHistoryReader(store, fingerprint, out, tables);
    this.before = reader.before;
    this.after = reader.after;
    this.#store = store;
    this.#tables = tables;
    this.#keepFrom = keepFrom;
    this.#insertRecent = store.prepare(`INSERT INTO ${tables.recent}(fingerprint, sn) VALUES (?, ?)`);
    this.#insertChunk = store.prepare(`INSERT INTO ${tables.chunks}(run, first, entries) VALUES (?, ?, ?)`);
    this.#recentCount = this.#countRecent();
  }

  #countRecent(): number {
    return this.#store.prepare(`SELECT count(*) FROM ${this.#tables.recent}`).get()?.[0] as number;
  }

  #newRun(level: number, lo: number, hi: number, state: number): number {
    const insert = `INSERT INTO ${this.#tables.runs}(level, lo, hi, state) VALUES (?, ?, ?, ?) RETURNING id`;
    return this.#store.prepare(insert).get(level, lo, hi, state)?.[0] as number;
  }

  #setState(id: number, state: number): void {
    this.#store.prepare(`UPDATE ${this.#tables.runs} SET state = ? WHERE id = ?`).run(state, id);
  }

  #writeRun(lo: number, fingerprints: Uint32Array): void {
    const count = fingerprints.length / 2;
    const { words } = sortEntries(fingerprints, count);
    const writer = openRunWriter(this.#insertChunk, this.#newRun(0, lo, lo + count, LIVE), lo);
    for (let at = 0; at < words.length; at += ENTRY_WORDS) {
      writer.add(words[at] as number, words[at + 1] as number, words[at + 2] as number);
    }
    writer.flush();
  }

  /** Turns what small blocks gathered into a run. */
  #flushRecent(): void {
    if (this.#recentCount === 0) return;
    const { recent } = this.#tables;
    const rows = this.#store.prepare(`SELECT fingerprint, sn FROM ${recent} ORDER BY sn`).all();
    const fingerprints = new Uint32Array(rows.length * 2);
    const lo = rows[0]?.[1] as number;
    rows.forEach(([bytes, sn], i) => {
      assert(sn === lo + i, "gathered entries have consecutive SNs");
      const { buffer, byteOffset } = bytes as Uint8Array;
      const view = new DataView(buffer, byteOffset, 8);
      fingerprints[2 * i] = view.getUint32(0);
      fingerprints[2 * i + 1] = view.getUint32(4);
    });
    this.#writeRun(lo, fingerprints);
    this.#store.prepare(`DELETE FROM ${recent}`).run();
    this.#recentCount = 0;
  }

  /** Starts merging the youngest group of neighbours of one level, if there is one, of what reaches past `keepFrom`. */
  #startMerge(keepFrom: number): Merge | undefined {
    const tables = this.#tables;
    const drop = `UPDATE ${tables.runs} SET state = ${TRASH} WHERE state = ${LIVE} AND hi <= ?`;
    this.#store.prepare(drop).run(keepFrom);
    const select = `SELECT id, level, lo, hi FROM ${tables.runs} WHERE state = ${LIVE} ORDER BY lo`;
    const runs = this.#store.prepare(select).all().map(toRun);
    const readChunks = this.#store.prepare(
      `SELECT first, entries FROM ${tables.chunks} WHERE run = ? AND first > ? ORDER BY first LIMIT ?`,
    );
    const next = groupOf(runs);
    if (next === undefined) return undefined;
    const [oldest] = next.group as [Run];
    const target = { level: next.level + 1, lo: oldest.lo, hi: (next.group[FANOUT - 1] as Run).hi };
    const id = this.#newRun(target.level, target.lo, target.hi, BUILDING);
    const cursors = next.group.map((run) => openRunCursor(readChunks, run));
    return { target: { id, ...target }, cursors, writer: openRunWriter(this.#insertChunk, id, target.lo) };
  }

  #finishMerge({ target, cursors, writer }: Merge): void {
    writer.flush();
    for (const { run } of cursors) this.#setState(run.id, TRASH);
    this.#setState(target.id, LIVE);
    this.#merge = undefined;
  }

  /** Deletes some rows of runs that were merged away. */
  #sweep(rows: number): void {
    const { runs, chunks } = this.#tables;
    const { prepare } = this.#store;
    const id = prepare(`SELECT id FROM ${runs} WHERE state = ${TRASH} LIMIT 1`).get()?.[0];
    if (id === undefined) return;
    prepare(
      `DELETE FROM ${chunks} WHERE run = ?1 AND first IN (SELECT first FROM ${chunks} WHERE run = ?1 LIMIT ?2)`,
    ).run(id, Math.max(rows, SWEEP_ROWS));
    if (prepare(`SELECT 1 FROM ${chunks} WHERE run = ? LIMIT 1`).get(id) === undefined) {
      prepare(`DELETE FROM ${runs} WHERE id = ?`).run(id);
    }
  }

  /** Merges up to `budget` entries. */
  #work(budget: number): void {
    if (this.#stray) this.#discardBuilding();
    this.#stray = false;
    this.#sweep(Math.ceil(budget / CHUNK_ENTRIES));
    const keepFrom = this.#keepFrom();
    while (budget > 0) {
      this.#merge ??= this.#startMerge(keepFrom);
      if (this.#merge === undefined) return;
      budget = mergeSome(this.#merge, budget, keepFrom);
      if (budget > 0) this.#finishMerge(this.#merge);
    }
  }

  #discardBuilding(): void {
    this.#store.prepare(`UPDATE ${this.#tables.runs} SET state = ${TRASH} WHERE state = ${BUILDING}`).run();
  }

  /** Adds the entries of a block, numbered from `start`, and merges a little, inside the running transaction. */
  append(start: number, fingerprints: Uint32Array): void {
    const count = fingerprints.length / 2;
    if (count < RECENT_ENTRIES / 2) {
      for (let i = 0; i < count; i++) {
        const bytes = fingerprintBytes(fingerprints[2 * i] as number, fingerprints[2 * i + 1] as number);
        this.#insertRecent.run(bytes, start + i);
      }
      this.#recentCount += count;
      if (this.#recentCount >= RECENT_ENTRIES) this.#flushRecent();
    } else {
      this.#flushRecent();
      for (let from = 0; from < count; from += MAX_SORTED) {
        const to = Math.min(count, from + MAX_SORTED);
        this.#writeRun(start + from, fingerprints.subarray(2 * from, 2 * to));
      }
    }
    this.#work(count * MERGE_SHARE);
  }

  /** Forgets everything from `sn` on, inside the running transaction. */
  truncate(sn: number): void {
    this.#discardBuilding();
    const { prepare } = this.#store;
    const { runs, recent } = this.#tables;
    prepare(`UPDATE ${runs} SET state = ${TRASH} WHERE state = ${LIVE} AND lo >= ?`).run(sn);
    prepare(`UPDATE ${runs} SET hi = ? WHERE state = ${LIVE} AND hi > ?`).run(sn, sn);
    prepare(`DELETE FROM ${recent} WHERE sn >= ?`).run(sn);
    this.abandon();
  }

  /** Forgets the merge under way: its transaction failed, or its runs changed. */
  abandon(): void {
    this.#merge = undefined;
    this.#stray = true;
    this.#recentCount = this.#countRecent();
  }
}

/**
 * The runs to merge next, of `runs` in their order, and their level: the oldest of the youngest stretch of one level that
 * is long enough. A run counts for at least the level of all younger ones: left behind among higher ones, it would stay
 * for ever, and every read would look into it.
 */
function groupOf(runs: readonly Run[]): { group: readonly Run[]; level: number } | undefined {
  let level = 0;
  for (let end = runs.length; end >= FANOUT; ) {
    level = Math.max(level, (runs[end - 1] as Run).level);
    let start = end;
    while (start > 0 && (runs[start - 1] as Run).level <= level) start--;
    if (end - start >= FANOUT) return { group: runs.slice(start, start + FANOUT), level };
    end = start;
  }
  return undefined;
}

/** Moves up to `budget` entries of a merge; returns what is left of it, above zero only at the end. */
function mergeSome({ target, cursors, writer }: Merge, budget: number, keepFrom: number): number {
  // The next entries of all runs side by side: most of a merge is finding the least of them.
  const open = cursors.filter((cursor) => cursor.at < cursor.words.length || cursor.more());
  const highs = new Uint32Array(open.length);
  const lows = new Uint32Array(open.length);
  const look = (i: number): void => {
    const { words, at } = open[i] as RunCursor;
    highs[i] = words[at] as number;
    lows[i] = words[at + 1] as number;
  };
  for (let i = 0; i < open.length; i++) look(i);
  for (let count = open.length; budget > 0 && count > 0; budget--) {
    let least = 0;
    let high = highs[0] as number;
    for (let i = 1; i < count; i++) {
      const h = highs[i] as number;
      // Of equals the older run comes first: its SNs are lower.
      if (h < high || (h === high && (lows[i] as number) < (lows[least] as number))) {
        least = i;
        high = h;
      }
    }
    const cursor = open[least] as RunCursor;
    const sn = cursor.run.lo + (cursor.words[cursor.at + 2] as number);
    if (sn >= keepFrom && sn < cursor.run.hi) writer.add(high, lows[least] as number, sn - target.lo);
    cursor.at += ENTRY_WORDS;
    if (cursor.at < cursor.words.length || cursor.more()) {
      look(least);
      continue;
    }
    open.splice(least, 1);
    count--;
    for (let i = least; i < count; i++) look(i);
  }
  return budget;
}
