// The op log on disk: an op a row, each with a checksum, and a bounded cache of ops. Reads and appends by SN, one by
// one or many at once; what an op means is decided elsewhere.
import { assert } from "#lib/assert.ts";
import { type OpRun, opOfRun } from "./appender.ts";
import { TWIG_LEAVES } from "./format.ts";
import { NewestOps } from "./newest.ts";
import { orderOf } from "./order.ts";
import type { Row, Statement, Store, Value } from "./store.ts";

/** Places for cached ops, a power of two; about 300 bytes each. */
const CACHED_OPS = 65_536;
/** Ops fetched by one statement: its list of SNs is one JSON text. */
const FETCHED_AT_ONCE = 4_096;
/** Ops that one statement inserts: a statement each takes a fifth longer. */
const INSERTED_AT_ONCE = 16;
/** Ops read ahead while SNs are walked in order. */
const AHEAD = 1_024;

function checksum(sn: number, op: Uint8Array): number {
  return Bun.hash.crc32(op, sn % 0x1_0000_0000) >>> 0;
}

/** The log of one chain.db. */
export class OpLog {
  readonly #store: Store;
  readonly #select: Statement;
  readonly #selectMany: Statement;
  readonly #selectRange: Statement;
  readonly #insert: Statement;
  readonly #insertMany: Statement;
  /** What is cached at the place of each SN (its lowest bits): the SN, and its op. */
  readonly #cachedSNs: Float64Array = new Float64Array(CACHED_OPS).fill(-1);
  readonly #cachedOps: (Uint8Array | undefined)[] = new Array(CACHED_OPS);
  readonly #newest = new NewestOps();
  #ahead: readonly Row[] = [];
  #aheadFrom = 0;
  /** Rollbacks there had been when the cache was last valid. */
  rollbacks = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#select = store.prepare("SELECT op, checksum, sn FROM ops WHERE sn = ?");
    this.#selectMany = store.prepare(
      "SELECT o.op, o.checksum, o.sn FROM json_each(?) CROSS JOIN ops o ON o.sn = value",
    );
    this.#selectRange = store.prepare(
      "SELECT op, checksum, sn FROM ops WHERE sn >= ? AND sn < ? ORDER BY sn",
    );
    const insertion = (rows: number): Statement =>
      store.prepare(`INSERT INTO ops(sn, op, checksum) VALUES ${Array(rows).fill("(?, ?, ?)").join(", ")}`);
    this.#insert = insertion(1);
    this.#insertMany = insertion(INSERTED_AT_ONCE);
  }

  /** The op of `row`, which must be the one of `sn`. */
  #check(sn: number, row: Row | undefined): Uint8Array {
    const op = row?.[0];
    if (!(op instanceof Uint8Array) || row?.[2] !== sn) throw this.#store.corrupt(`op ${sn} is missing`);
    if (row[1] !== checksum(sn, op)) throw this.#store.corrupt(`op ${sn} fails its checksum`);
    return op;
  }

  #cached(sn: number): Uint8Array | undefined {
    const place = sn & (CACHED_OPS - 1);
    return this.#cachedSNs[place] === sn ? this.#cachedOps[place] : this.#newest.find(sn);
  }

  /** The op at `sn`, which must be held: anything else is corruption. The bytes must not be changed. */
  op(sn: number): Uint8Array {
    const held = this.#cached(sn);
    if (held !== undefined) return held;
    const op = this.#check(sn, this.#select.get(sn));
    const place = sn & (CACHED_OPS - 1);
    this.#cachedSNs[place] = sn;
    this.#cachedOps[place] = op;
    return op;
  }

  /** The ops at `sns`, in that order, by a few statements; leaves the cache alone. */
  many(sns: Float64Array): Uint8Array[] {
    const ops = new Array<Uint8Array>(sns.length);
    const places = new Uint32Array(sns.length);
    const missing = new Float64Array(sns.length);
    let count = 0;
    for (let i = 0; i < sns.length; i++) {
      const sn = sns[i] as number;
      const held = this.#cached(sn);
      if (held !== undefined) {
        ops[i] = held;
      } else {
        places[count] = i;
        missing[count++] = sn;
      }
    }
    const order = orderOf(missing.subarray(0, count));
    for (let from = 0; from < count; from += FETCHED_AT_ONCE) {
      const some = order.subarray(from, Math.min(count, from + FETCHED_AT_ONCE));
      const list = new Float64Array(some.length);
      for (let j = 0; j < some.length; j++) list[j] = missing[some[j] as number] as number;
      const rows = this.#selectMany.all(`[${list.join(",")}]`);
      for (let j = 0; j < some.length; j++) {
        ops[places[some[j] as number] as number] = this.#check(list[j] as number, rows[j]);
      }
    }
    return ops;
  }

  /** Like op, for SNs walked one after the other, up or down: leaves the cache alone. */
  walk(sn: number): Uint8Array {
    const held = this.#newest.find(sn);
    if (held !== undefined) return held;
    let row = this.#ahead[sn - this.#aheadFrom];
    if (row === undefined) {
      const down = sn === this.#aheadFrom - 1;
      const from = down ? Math.max(0, sn - AHEAD + 1) : sn;
      this.#ahead = this.#selectRange.all(from, down ? sn + 1 : sn + AHEAD);
      // Downwards they end with the one asked for, and begin where pruning has stopped.
      this.#aheadFrom = down ? sn + 1 - this.#ahead.length : sn;
      row = this.#ahead[sn - this.#aheadFrom];
    }
    return this.#check(sn, row);
  }

  /** Calls `visit` for every op of [from, to), in order. All of them must be held. */
  scan(from: number, to: number, visit: (sn: number, op: Uint8Array) => void): void {
    for (let sn = from; sn < to; sn++) visit(sn, this.walk(sn));
  }

  /** Appends inside the running transaction. */
  append(run: OpRun): void {
    const whole = run.count - (run.count % INSERTED_AT_ONCE);
    const values: Value[] = [];
    for (let i = 0; i < run.count; i++) {
      const op = opOfRun(run, i);
      values.push(run.start + i, op, checksum(run.start + i, op));
      if (i < whole && values.length < 3 * INSERTED_AT_ONCE) continue;
      (i < whole ? this.#insertMany : this.#insert).run(...values);
      values.length = 0;
    }
  }

  /** Keeps the ops of `run`, which are committed by now, at hand. */
  remember(run: OpRun): void {
    this.#newest.add(run);
  }

  /** Deletes all from `sn` on, inside the running transaction. */
  truncate(sn: number): void {
    this.#store.prepare("DELETE FROM ops WHERE sn >= ?").run(sn);
    this.forget();
  }

  /** Deletes all below `sn`, a twig's first, inside the running transaction: nobody may ask for these any more. */
  dropBelow(sn: number): void {
    assert(sn % TWIG_LEAVES === 0, "whole twigs are dropped");
    this.#store.prepare("DELETE FROM ops WHERE sn < ?").run(sn);
  }

  /** Forgets all cached ops: they may have been replaced. */
  forget(): void {
    this.#cachedSNs.fill(-1);
    this.#cachedOps.fill(undefined);
    this.#newest.clear();
    this.#ahead = [];
  }
}
