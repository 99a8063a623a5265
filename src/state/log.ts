// The op log on disk: groups of eight consecutive ops in a row, each with a checksum, and a bounded cache of single
// ops. Reads and appends by SN, one by one or many at once; what an op means is decided elsewhere.
import { assert } from "#lib/assert.ts";
import { createLru, type LruMap } from "#lib/bounded.ts";
import { readU32, TWIG_LEAVES } from "./format.ts";
import type { Statement, Store } from "./store.ts";
import type { OpRun } from "./tree.ts";

/** Ops of one row: three rows share a page, and reading one op costs little more than it must. */
const GROUP_OPS = 8;
/** Checksum (4), count (1). */
const GROUP_HEAD = 5;
/** Ops kept decoded; about 300 bytes each. */
const CACHED_OPS = 65_536;
/** Groups fetched by one statement: its list of ids is one JSON text. */
const FETCH_GROUPS = 4_096;
/** Groups read ahead while SNs are walked in order. */
const AHEAD_GROUPS = 128;

assert(TWIG_LEAVES % GROUP_OPS === 0, "a group lies in one twig");

const idOf = (sn: number): number => Math.floor(sn / GROUP_OPS);

/** Checksum of a group whose first four bytes are zero. */
function checksum(id: number, group: Uint8Array): number {
  return Bun.hash.crc32(group, id % 0x1_0000_0000) >>> 0;
}

function writeChecksum(group: Uint8Array, value: number): void {
  group[0] = value >>> 24;
  group[1] = value >>> 16;
  group[2] = value >>> 8;
  group[3] = value;
}

/** Reads the checksum and leaves zeros in its place. */
function takeChecksum(group: Uint8Array): number {
  const stored = readU32(group, 0);
  writeChecksum(group, 0);
  return stored;
}

/** A group of ops; `parts` are messages, first to last. */
function encodeGroup(id: number, parts: readonly Uint8Array[]): Uint8Array {
  let at = GROUP_HEAD + parts.length;
  const group = new Uint8Array(parts.reduce((sum, part) => sum + part.length, at));
  group[4] = parts.length;
  parts.forEach((part, i) => {
    group[GROUP_HEAD + i] = part.length;
    group.set(part, at);
    at += part.length;
  });
  writeChecksum(group, checksum(id, group));
  return group;
}

/** The op at `index` of a group, as a view; undefined behind its last. */
function opOf(group: Uint8Array, index: number): Uint8Array | undefined {
  const count = group[4] as number;
  if (index >= count) return undefined;
  let at = GROUP_HEAD + count;
  for (let i = 0; i < index; i++) at += group[GROUP_HEAD + i] as number;
  return group.subarray(at, at + (group[GROUP_HEAD + index] as number));
}

/** The log of one chain.db. */
export class OpLog {
  readonly #store: Store;
  readonly #select: Statement;
  readonly #selectMany: Statement;
  readonly #selectRange: Statement;
  readonly #upsert: Statement;
  readonly #cache: LruMap<number, Uint8Array> = createLru(CACHED_OPS);
  readonly #fetched = new Map<number, Uint8Array>();
  #ahead: Uint8Array[] = [];
  #aheadFrom = 0;
  /** Rollbacks there had been when the cache was last valid. */
  rollbacks = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#select = store.prepare("SELECT ops FROM ops WHERE id = ?");
    this.#selectMany = store.prepare("SELECT o.id, o.ops FROM json_each(?) CROSS JOIN ops o ON o.id = value");
    this.#selectRange = store.prepare("SELECT id, ops FROM ops WHERE id >= ? AND id < ? ORDER BY id");
    this.#upsert = store.prepare("INSERT OR REPLACE INTO ops(id, ops) VALUES (?, ?)");
  }

  #check(id: number, group: unknown): Uint8Array {
    if (!(group instanceof Uint8Array) || group.length < GROUP_HEAD) {
      throw this.#store.corrupt(`the ops from ${id * GROUP_OPS} on are missing`);
    }
    if (takeChecksum(group) !== checksum(id, group)) {
      throw this.#store.corrupt(`the ops from ${id * GROUP_OPS} on fail their checksum`);
    }
    return group;
  }

  #opIn(group: Uint8Array, sn: number): Uint8Array {
    const op = opOf(group, sn % GROUP_OPS);
    if (op === undefined) throw this.#store.corrupt(`op ${sn} is missing`);
    return op;
  }

  #group(id: number): Uint8Array {
    return this.#check(id, this.#select.get(id)?.[0]);
  }

  /** Ops before `sn` in the group that it lies in. */
  #headOf(sn: number): Uint8Array[] {
    const count = sn % GROUP_OPS;
    if (count === 0) return [];
    const group = this.#group(idOf(sn));
    return Array.from({ length: count }, (_, i) => this.#opIn(group, sn - count + i));
  }

  /** The op at `sn`, which must be held: anything else is corruption. The bytes must not be changed. */
  op(sn: number): Uint8Array {
    const held = this.#cache.get(sn);
    if (held !== undefined) return held;
    const many = this.#fetched.get(idOf(sn));
    if (many !== undefined) return this.#opIn(many, sn);
    const op = this.#opIn(this.#group(idOf(sn)), sn).slice();
    this.#cache.set(sn, op);
    return op;
  }

  /** Fetches the groups of `sns` at once, so that op finds them without a query, until release. */
  fetch(sns: Float64Array): void {
    const ids: number[] = [];
    for (const sn of sns.sort()) {
      const id = idOf(sn);
      if (ids[ids.length - 1] !== id && !this.#cache.has(sn)) ids.push(id);
    }
    for (let i = 0; i < ids.length; i += FETCH_GROUPS) {
      const list = JSON.stringify(ids.slice(i, i + FETCH_GROUPS));
      for (const [id, group] of this.#selectMany.all(list)) {
        this.#fetched.set(id as number, this.#check(id as number, group));
      }
    }
  }

  /** Lets go of what fetch brought. */
  release(): void {
    this.#fetched.clear();
  }

  /** Like op, for SNs walked in ascending order: leaves the cache alone. */
  walk(sn: number): Uint8Array {
    const id = idOf(sn);
    let held = this.#ahead[id - this.#aheadFrom];
    if (held === undefined) {
      this.#ahead = [];
      this.#aheadFrom = id;
      for (const [at, group] of this.#selectRange.all(id, id + AHEAD_GROUPS)) {
        if (at !== id + this.#ahead.length) break;
        this.#ahead.push(this.#check(at, group));
      }
      held = this.#ahead[0] ?? this.#check(id, undefined);
    }
    return this.#opIn(held, sn);
  }

  /** Calls `visit` for every op of [from, to), in order. All of them must be held. */
  scan(from: number, to: number, visit: (sn: number, op: Uint8Array) => void): void {
    for (let sn = from; sn < to; sn++) visit(sn, this.walk(sn));
  }

  /** Appends inside the running transaction. */
  append(run: OpRun): void {
    this.#ahead = [];
    let parts = this.#headOf(run.start);
    for (let i = 0; i < run.count; i++) {
      parts.push(run.data.subarray(run.offsets[i], run.offsets[i + 1]));
      if (parts.length < GROUP_OPS && i + 1 < run.count) continue;
      const id = idOf(run.start + i);
      this.#upsert.run(id, encodeGroup(id, parts));
      parts = [];
    }
  }

  /** Deletes all from `sn` on, inside the running transaction. */
  truncate(sn: number): void {
    const parts = this.#headOf(sn);
    const id = idOf(sn);
    this.#store.prepare("DELETE FROM ops WHERE id >= ?").run(id);
    if (parts.length > 0) this.#upsert.run(id, encodeGroup(id, parts));
    this.forget();
  }

  /** Deletes all below `sn`, a twig's first, inside the running transaction. */
  dropBelow(sn: number): void {
    assert(sn % TWIG_LEAVES === 0, "whole twigs are dropped");
    this.#store.prepare("DELETE FROM ops WHERE id < ?").run(idOf(sn));
    this.forget();
  }

  /** Forgets all cached ops: they may have been replaced. */
  forget(): void {
    this.#cache.clear();
    this.#fetched.clear();
    this.#ahead = [];
  }
}
