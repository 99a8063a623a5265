// Making a finalized block durable and part of the committed state: its rows inside the running SQLite transaction
// (ops, history, keys, code, twigs, block, indexes), then, once that is committed, the fold into memory.
import { assert } from "#lib/assert.ts";
import { bytesOf } from "#types/ids.ts";
import type { OpRun } from "./appender.ts";
import type { Base, Layer } from "./base.ts";
import type { BlockRows } from "./blocks.ts";
import { NONE, opIsLive, opPrev, TWIG_LEAVES } from "./format.ts";
import type { HistoryIndex } from "./history.ts";
import type { Store } from "./store.ts";
import { slotIn, type TreePatch } from "./tree.ts";
import type { BlockRecord } from "./types.ts";

/** Writers of everything a block leaves behind. */
export interface Writers {
  /** Rows of `layer` and `record`, inside the running transaction. */
  persist(layer: Layer, record: BlockRecord): void;
  /** Moves the height marker, inside the running transaction. */
  mark(layer: Layer, record: BlockRecord): void;
}

/** Extent of the state after `layer`: its own, or that of the nearest layer below that changed something. */
function extentOf(base: Base, layer: Layer): { nextSN: number; floorSN: number; live: number } {
  for (let at: Layer | undefined = layer; at !== undefined && !at.folded; at = at.parent) {
    if (at.patch !== undefined) return at.patch;
  }
  return base.tree.extent;
}

/** Left roots of twigs that `run` completes. */
function completedTwigs(run: OpRun, patch: TreePatch, visit: (twig: number, root: Uint8Array) => void): void {
  const first = Math.floor(run.start / TWIG_LEAVES);
  const end = Math.floor((run.start + run.count) / TWIG_LEAVES);
  for (let twig = first; twig < end; twig++) {
    const slot = slotIn(patch.at, twig);
    assert(slot >= 0, "a completed twig was touched");
    visit(twig, patch.left.subarray(slot * 32, slot * 32 + 32));
  }
}

/** Writers over `base`. */
export function createWriters(base: Base, store: Store, history: HistoryIndex, blocks: BlockRows): Writers {
  const insertKey = store.prepare("INSERT INTO keys(key, preimage) VALUES (?, ?)");
  const insertGone = store.prepare(
    "INSERT INTO gone(sn, key, preimage) SELECT ?1, key, preimage FROM keys WHERE key = ?2",
  );
  const deleteKey = store.prepare("DELETE FROM keys WHERE key = ?");
  const insertCode = store.prepare("INSERT OR IGNORE INTO code(hash, code) VALUES (?, ?)");
  const insertTwig = store.prepare("INSERT INTO twigs(id, left_root) VALUES (?, ?)");
  const updateMeta = store.prepare(
    "UPDATE meta SET height = ?, digest = ?, root = ?, next_sn = ?, floor_sn = ?, live = ?",
  );

  const persistRun = (layer: Layer, run: OpRun, patch: TreePatch): void => {
    base.log.append(run);
    history.append(run.start, run.fingerprints);
    completedTwigs(run, patch, (twig, root) => insertTwig.run(twig, root));
    for (const { key, preimage } of layer.created) insertKey.run(key, preimage);
    if (layer.deleted.length === 0) return;
    // Deleted keys and deletions come in the same order: that of keys.
    let next = 0;
    for (let i = 0; i < run.count && next < layer.deleted.length; i++) {
      if (opIsLive(run.data, run.offsets[i])) continue;
      const key = layer.deleted[next++] as Uint8Array;
      insertGone.run(run.start + i, key);
      deleteKey.run(key);
    }
  };

  return {
    persist(layer, record) {
      if (layer.run !== undefined && layer.patch !== undefined) persistRun(layer, layer.run, layer.patch);
      for (const [hash, code] of layer.code) insertCode.run(bytesOf(hash), code);
      blocks.insert(record, extentOf(base, layer));
    },
    mark(layer, record) {
      const { nextSN, floorSN, live } = extentOf(base, layer);
      updateMeta.run(record.height, bytesOf(record.hash), layer.root, nextSN, floorSN, live);
    },
  };
}

/** Makes `layer`, which is durable now, part of the committed state in memory. */
export function fold(base: Base, layer: Layer): void {
  const { run, patch } = layer;
  if (run !== undefined && patch !== undefined) {
    const { index } = base;
    const { fingerprints } = run;
    for (let i = 0; i < run.count; i++) {
      const high = fingerprints[2 * i] as number;
      const low = fingerprints[2 * i + 1] as number;
      const offset = run.offsets[i] as number;
      const prev = opPrev(run.data, offset);
      if (!opIsLive(run.data, offset)) index.remove(high, low, prev);
      else if (prev === NONE) index.insert(high, low, run.start + i);
      else index.replace(high, low, prev, run.start + i);
    }
    base.log.remember(run);
    base.tree.apply(patch);
    index.setFloor(patch.floorSN);
  }
  layer.folded = true;
  layer.parent = undefined;
  base.ground = layer.token;
}
