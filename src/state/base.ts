// The committed state in memory: op log, key index and merkle cache together, and lookups of keys in it.
// Also how a block's layer looks from inside, and how lookups go through layers that were not folded yet.
import { assert } from "#lib/assert.ts";
import type { Address, Hash } from "#types/ids.ts";
import { type OpRun, opOfRun } from "./appender.ts";
import { OP_KEY, opIsLive, type StoredAccount, sameHash } from "./format.ts";
import type { KeyIndex } from "./keyindex.ts";
import type { OpLog } from "./log.ts";
import type { Fingerprinter } from "./siphash.ts";
import type { Store } from "./store.ts";
import { type Tree, type TreePatch, type TreeView, viewThrough } from "./tree.ts";

/** A key that a block brought into being. */
export interface CreatedKey {
  readonly key: Uint8Array;
  readonly preimage: Uint8Array;
}

/** What a block did, as others see it before it is final. */
export interface Overlay {
  /** Final record of each account the block touched; undefined when absent. */
  readonly accounts: ReadonlyMap<Address, StoredAccount | undefined>;
  /** Written slots; of a reset account all it has. */
  readonly slots: ReadonlyMap<Address, ReadonlyMap<Hash, Uint8Array>>;
  readonly reset: ReadonlySet<Address>;
  readonly code: ReadonlyMap<Hash, Uint8Array>;
}

/** One block's batch from inside. */
export interface Layer extends Overlay {
  readonly height: number;
  readonly root: Uint8Array;
  /** The layer below; undefined when it stood on the committed state from the start, and once this one is folded. */
  parent: Layer | undefined;
  /** Identity of the committed state while this layer is its newest. Not the layer: nobody may keep old ones alive. */
  readonly token: object;
  /** Identity of the committed state that it (or its lowest ancestor) stands on. */
  readonly ground: object;
  /** Appended ops; undefined for a block that changed nothing. */
  readonly run: OpRun | undefined;
  /** Position of an op in the run, plus one, by fingerprint: open addressing, a power of two long. */
  readonly table: Int32Array;
  readonly patch: TreePatch | undefined;
  /** In key order. */
  readonly created: readonly CreatedKey[];
  readonly deleted: readonly Uint8Array[];
  /** Set when it became part of the committed state. */
  folded: boolean;
}

/** The committed state. */
export interface Base {
  readonly store: Store;
  /** Where the index file lies; undefined for a temporary store. */
  readonly indexFile: string | undefined;
  /** nextSN of the state that it describes; 0 without one. */
  indexedSN: number;
  readonly log: OpLog;
  readonly index: KeyIndex;
  readonly tree: Tree;
  readonly fingerprint: Fingerprinter;
  readonly fingerprintOut: Uint32Array;
  /** Greatest existing key below `key`, sentinel not counted. */
  keyBelow(key: Uint8Array): Uint8Array | undefined;
  /** keyBelow of many keys at once. */
  keysBelow(keys: readonly Uint8Array[]): (Uint8Array | undefined)[];
  /** Identity of this committed state: replaced by each fold and rollback. */
  ground: object;
}

/** An op that is alive in some view. */
export interface Found {
  readonly sn: number;
  readonly op: Uint8Array;
}

/** The table of a layer that appends `run`. */
export function buildTable({ fingerprints, count }: OpRun): Int32Array {
  let size = 4;
  while (size < count * 2) size *= 2;
  const table = new Int32Array(size);
  for (let i = 0; i < count; i++) {
    let slot = (fingerprints[2 * i + 1] as number) & (size - 1);
    while (table[slot] !== 0) slot = (slot + 1) & (size - 1);
    table[slot] = i + 1;
  }
  return table;
}

/** Position in the layer's run of the op of this key, or -1. */
function positionIn(layer: Layer, key: Uint8Array, high: number, low: number): number {
  const { run, table } = layer;
  if (run === undefined) return -1;
  const { fingerprints } = run;
  const mask = table.length - 1;
  for (let slot = low & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
    const i = (table[slot] as number) - 1;
    if (
      fingerprints[2 * i + 1] === low &&
      fingerprints[2 * i] === high &&
      sameHash(run.data, (run.offsets[i] as number) + OP_KEY, key, 0)
    ) {
      return i;
    }
  }
  return -1;
}

/** A state for lookups by key: the committed one under unfolded layers. */
export interface View {
  readonly base: Base;
  /** Newest first. */
  readonly layers: readonly Layer[];
  readonly tree: TreeView;
}

/** The state after `layer`, or the committed one. */
export function viewOf(base: Base, layer: Layer | undefined): View {
  const layers: Layer[] = [];
  for (let at = layer; at !== undefined && !at.folded; at = at.parent) layers.push(at);
  const patches: TreePatch[] = [];
  for (const { patch } of layers) if (patch !== undefined) patches.push(patch);
  return { base, layers, tree: viewThrough(base.tree, patches) };
}

/** A key with its fingerprint. */
export interface Fingerprinted {
  readonly key: Uint8Array;
  readonly high: number;
  readonly low: number;
}

/** `key` with its fingerprint. */
export function fingerprinted(base: Base, key: Uint8Array): Fingerprinted {
  base.fingerprint(key, 0);
  return { key, high: base.fingerprintOut[0] as number, low: base.fingerprintOut[1] as number };
}

/** The live op of a key among the layers of `view`; null for one that they deleted, undefined where they are silent. */
function findInLayers({ layers }: View, { key, high, low }: Fingerprinted): Found | null | undefined {
  for (const layer of layers) {
    const i = positionIn(layer, key, high, low);
    if (i < 0) continue;
    const run = layer.run as OpRun;
    const op = opOfRun(run, i);
    return opIsLive(op) ? { sn: run.start + i, op } : null;
  }
  return undefined;
}

/** The committed op of a key, among the entries with its fingerprint from the `nth` on. */
function findInBase({ index, log }: Base, { key, high, low }: Fingerprinted, nth: number): Found | undefined {
  for (;;) {
    const sn = index.find(high, low, nth++);
    if (sn < 0) return undefined;
    const op = log.op(sn);
    if (sameHash(op, OP_KEY, key, 0)) return { sn, op };
  }
}

/** The live op of `key`; undefined when absent. */
export function findKey(view: View, key: Uint8Array): Found | undefined {
  const named = fingerprinted(view.base, key);
  const above = findInLayers(view, named);
  return above === undefined ? findInBase(view.base, named, 0) : (above ?? undefined);
}

/** findKey for many keys: their ops are fetched together, as a query each would cost three times as much. */
export function findKeys(view: View, keys: readonly Fingerprinted[]): (Found | undefined)[] {
  const { index, log } = view.base;
  const found = new Array<Found | undefined>(keys.length);
  const places = new Uint32Array(keys.length);
  const sns = new Float64Array(keys.length);
  let count = 0;
  for (let i = 0; i < keys.length; i++) {
    const named = keys[i] as Fingerprinted;
    const above = findInLayers(view, named);
    const sn = above === undefined ? index.find(named.high, named.low, 0) : -1;
    if (sn < 0) {
      found[i] = above ?? undefined;
    } else {
      places[count] = i;
      sns[count++] = sn;
    }
  }
  const ops = log.many(sns.subarray(0, count));
  for (let j = 0; j < count; j++) {
    const i = places[j] as number;
    const named = keys[i] as Fingerprinted;
    const op = ops[j] as Uint8Array;
    // Another key with the same fingerprint: whoever is sought may come after it.
    const isIt = sameHash(op, OP_KEY, named.key, 0);
    found[i] = isIt ? { sn: sns[j] as number, op } : findInBase(view.base, named, 1);
  }
  return found;
}

/** The op at `sn`, for SNs walked in ascending order. */
export function walkOp(view: View, sn: number): Uint8Array {
  for (const { run } of view.layers) {
    if (run !== undefined && sn >= run.start) {
      assert(sn < run.start + run.count, `SN ${sn} is in the log`);
      return opOfRun(run, sn - run.start);
    }
  }
  return view.base.log.walk(sn);
}
