// Going back to an earlier height in one transaction: undoes ops from the tip, index entry by index entry. And
// dropping history from the other end, whole twigs at a time.
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { Base } from "./base.ts";
import type { BlockRows } from "./blocks.ts";
import {
  HASH_BYTES,
  NONE,
  OP_KEY,
  opIsLive,
  opPrev,
  TWIG_BITS_BYTES,
  TWIG_LEAVES,
  twigCount,
} from "./format.ts";
import type { HistoryIndex } from "./history.ts";
import type { IndexGap } from "./index-gap.ts";
import { readMarker } from "./marker.ts";
import { Marks } from "./marks.ts";
import { pruned } from "./readers.ts";
import { loadLeftRoots } from "./recovery.ts";
import type { Extent } from "./tree.ts";

/** Twigs that one call of prune drops at most: bounds the time it takes. */
const PRUNE_TWIGS = 16;

export interface Rollback {
  readonly base: Base;
  readonly history: HistoryIndex;
  readonly blocks: BlockRows;
  readonly gap: IndexGap;
}

/** Bits of the twigs from the earlier floor's on, undone op by op; index and keys follow. */
function undoOps({ base }: Rollback, target: Extent): Uint8Array {
  const { store, log, index, tree } = base;
  const { nextSN, floorSN } = tree.extent;
  const marks = new Marks(base, target.floorSN, nextSN);
  const firstTwig = Math.floor(target.floorSN / TWIG_LEAVES);
  for (let twig = Math.floor(floorSN / TWIG_LEAVES); twig < twigCount(nextSN); twig++) {
    const held = tree.bits(twig);
    if (held !== undefined) marks.bits.set(held, (twig - firstTwig) * TWIG_BITS_BYTES);
  }
  const forgetKey = store.prepare("DELETE FROM keys WHERE key = ?");
  const restoreKey = store.prepare(
    "INSERT INTO keys(key, preimage) SELECT key, preimage FROM gone WHERE sn = ?",
  );
  index.setFloor(target.floorSN);
  for (let sn = nextSN - 1; sn >= target.nextSN; sn--) {
    const op = log.walk(sn);
    marks.undo(sn, op);
    if (!opIsLive(op)) restoreKey.run(sn);
    else if (opPrev(op) === NONE) forgetKey.run(op.subarray(OP_KEY, OP_KEY + HASH_BYTES));
  }
  return marks.between(target.floorSN, target.nextSN);
}

/** The state of an earlier block. */
export interface RollbackTarget extends Extent {
  readonly height: number;
  readonly hash: Uint8Array;
  readonly root: Uint8Array;
}

/** What returning to `height` would restore; throws STATE_UNKNOWN or STATE_PRUNED. */
export function rollbackTarget({ base }: Rollback, height: number): RollbackTarget {
  const row = base.store
    .prepare(
      "SELECT hash, root, next_sn, floor_sn, live, (SELECT oldest FROM meta) FROM blocks WHERE height = ?",
    )
    .get(height);
  if (row === undefined) {
    throw new KoraError(`no block at height ${height} to return to`, { code: "STATE_UNKNOWN" });
  }
  const [hash, root] = row as readonly Uint8Array[] as readonly [Uint8Array, Uint8Array];
  const [nextSN, floorSN, live, oldest] = row.slice(2) as readonly number[] as [
    number,
    number,
    number,
    number,
  ];
  if (height < oldest) throw pruned(height, oldest);
  return { height, hash, root, nextSN, floorSN, live };
}

/** Returns to `target`. On failure the caller must load everything again. */
export function rollbackTo(parts: Rollback, target: RollbackTarget): void {
  const { base, history, blocks, gap } = parts;
  const { store, log, tree } = base;
  const { height, hash, root, nextSN, floorSN, live } = target;
  store.write(() => {
    const bits = undoOps(parts, target);
    log.truncate(nextSN);
    history.truncate(nextSN);
    store.prepare("DELETE FROM gone WHERE sn >= ?").run(nextSN);
    store.prepare("DELETE FROM twigs WHERE id >= ?").run(Math.floor(nextSN / TWIG_LEAVES));
    blocks.removeAbove(height);
    const unindexed = gap.from();
    if (unindexed !== undefined) gap.set(Math.min(unindexed, height + 1));
    store
      .prepare(
        `UPDATE meta SET height = ?, digest = ?, root = ?, next_sn = ?, floor_sn = ?, live = ?,
           rollbacks = rollbacks + 1`,
      )
      .run(height, hash, root, nextSN, floorSN, live);
    const { leftRoots, young } = loadLeftRoots(base, nextSN);
    tree.load({ nextSN, floorSN, live }, leftRoots, bits, young);
    if (!equalBytes(tree.root, root)) {
      throw store.corrupt(`undoing blocks down to height ${height} does not give that block's root`);
    }
  });
}

/** Drops ops and history that no height from `oldest` on needs, a bounded number of twigs a call. */
export function pruneBelow({ base }: Rollback, oldest: number): void {
  const { store, log } = base;
  store.write(() => {
    const row = store
      .prepare("SELECT floor_sn, (SELECT oldest FROM meta) FROM blocks WHERE height = ?")
      .get(oldest);
    if (row === undefined) return;
    const [floorSN, held] = row as readonly number[];
    const { prunedSN } = readMarker(store);
    const wanted = Math.floor((floorSN as number) / TWIG_LEAVES) * TWIG_LEAVES;
    const bound = Math.min(wanted, prunedSN + PRUNE_TWIGS * TWIG_LEAVES);
    if (bound > prunedSN) {
      log.dropBelow(bound);
      store.prepare("DELETE FROM gone WHERE sn < ?").run(bound);
    }
    store
      .prepare("UPDATE meta SET oldest = ?, pruned_sn = ?")
      .run(Math.max(oldest, held as number), Math.max(bound, prunedSN));
  });
}
