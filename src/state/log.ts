// The op log on disk: runs of up to sixteen ops of one block in a row, each with a checksum, and a bounded cache of
// single ops. Reads and appends by SN; what an op means is decided elsewhere.
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { TWIG_LEAVES } from "./format.ts";
import type { Store } from "./store.ts";
import type { OpRun } from "./tree.ts";

/** Ops of one row: enough to make a row cheap, few enough to make one op cheap to read. */
const RUN_OPS = 16;
/** Checksum (4), count (1). */
const RUN_HEAD = 5;
/** Ops kept decoded; about 300 bytes each. */
const CACHED_OPS = 65_536;

export interface Log {
  /** The op at `sn`, which must be held: anything else is corruption. The bytes must not be changed. */
  op(sn: number): Uint8Array;
  /** Like op, for SNs walked in ascending order: leaves the cache alone. */
  walk(sn: number): Uint8Array;
  /** Calls `visit` for every op of [from, to), in order. All of them must be held. */
  scan(from: number, to: number, visit: (sn: number, op: Uint8Array) => void): void;
  /** Appends inside the running transaction. */
  append(run: OpRun): void;
  /** Deletes all from `sn` on, which must be where a block starts, inside the running transaction. */
  truncate(sn: number): void;
  /** Deletes all below `sn`, a twig's first, inside the running transaction. */
  dropBelow(sn: number): void;
  forget(): void;
}

interface Run {
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly count: number;
}

function checksum(start: number, bytes: Uint8Array): number {
  return Bun.hash.crc32(bytes.subarray(4), start % 0x1_0000_0000) >>> 0;
}

function encodeRun(run: OpRun, from: number, to: number): Uint8Array {
  const count = to - from;
  const begin = run.offsets[from] as number;
  const body = RUN_HEAD + count;
  const bytes = new Uint8Array(body + (run.offsets[to] as number) - begin);
  bytes[4] = count;
  for (let i = 0; i < count; i++) {
    bytes[RUN_HEAD + i] = (run.offsets[from + i + 1] as number) - (run.offsets[from + i] as number);
  }
  bytes.set(run.data.subarray(begin, run.offsets[to]), body);
  new DataView(bytes.buffer).setUint32(0, checksum(run.start + from, bytes));
  return bytes;
}

/** The op at `sn` of a row, as a view. */
function opOf(run: Run, sn: number): Uint8Array {
  let at = RUN_HEAD + run.count;
  const index = sn - run.start;
  for (let i = 0; i < index; i++) at += run.bytes[RUN_HEAD + i] as number;
  return run.bytes.subarray(at, at + (run.bytes[RUN_HEAD + index] as number));
}

/** The log of `store`. */
export function openLog(store: Store): Log {
  const at = store.prepare("SELECT sn, run FROM ops WHERE sn <= ? ORDER BY sn DESC LIMIT 1");
  const insert = store.prepare("INSERT INTO ops(sn, run) VALUES (?, ?)");
  const deleteFrom = store.prepare("DELETE FROM ops WHERE sn >= ?");
  const deleteBelow = store.prepare("DELETE FROM ops WHERE sn < ?");
  const cache = createLru<number, Uint8Array>(CACHED_OPS);
  let last: Run | undefined;

  const load = (sn: number): Run => {
    const row = at.get(sn);
    const [start, bytes] = row ?? [];
    if (typeof start !== "number" || !(bytes instanceof Uint8Array) || bytes.length < RUN_HEAD) {
      throw store.corrupt(`op ${sn} is missing`);
    }
    const run: Run = { start, bytes, count: bytes[4] as number };
    const stored = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (stored !== checksum(start, bytes))
      throw store.corrupt(`the ops from ${start} on fail their checksum`);
    if (sn >= start + run.count) throw store.corrupt(`op ${sn} is missing`);
    return run;
  };
  const walk = (sn: number): Uint8Array => {
    if (last === undefined || sn < last.start || sn >= last.start + last.count) last = load(sn);
    return opOf(last, sn);
  };
  const forget = (): void => {
    cache.clear();
    last = undefined;
  };

  return {
    op(sn) {
      const held = cache.get(sn);
      if (held !== undefined) return held;
      const op = opOf(load(sn), sn).slice();
      cache.set(sn, op);
      return op;
    },
    walk,
    scan(from, to, visit) {
      for (let sn = from; sn < to; sn++) visit(sn, walk(sn));
    },
    append(run) {
      let from = 0;
      while (from < run.count) {
        const room = TWIG_LEAVES - ((run.start + from) % TWIG_LEAVES);
        const to = Math.min(run.count, from + RUN_OPS, from + room);
        insert.run(run.start + from, encodeRun(run, from, to));
        from = to;
      }
    },
    truncate(sn) {
      deleteFrom.run(sn);
      forget();
    },
    dropBelow(sn) {
      assert(sn % TWIG_LEAVES === 0, "whole twigs are dropped");
      deleteBelow.run(sn);
      forget();
    },
    forget,
  };
}
