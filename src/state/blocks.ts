// Rows of finalized blocks: writing and removing them, and what is derived from them, inside a running transaction.
// Reading is archive.ts's business; what the indexes hold is indexes.ts's.
import { bytesOf, type Height, height as toHeight } from "#types/ids.ts";
import { blockChecksum } from "./checksum.ts";
import { openIndexes } from "./indexes.ts";
import type { Fingerprints } from "./positions.ts";
import type { Store } from "./store.ts";
import type { Extent } from "./tree.ts";
import type { BlockRecord, IndexRows } from "./types.ts";

/** What one call of `index` takes on: bounds the time until its transaction ends. */
const SLICE_BLOCKS = 256;
const SLICE_ROWS = 250;

export interface BlockRows {
  insert(record: BlockRecord, extent: Extent): void;
  /**
   * Adds blocks from `from` to below `end` to the indexes, or fewer to keep to a bound: what `rowsOf` finds in each.
   * Answers the height that comes next.
   */
  index(from: number, end: number, rowsOf: (height: Height) => IndexRows): number;
  /** Removes all above `height`, with what was derived from them. */
  removeAbove(height: number): void;
  /** The transaction failed: nothing of it holds. */
  abandon(): void;
}

/** Writers of block rows; while `indexed` says no, what only queries need is left out. */
export function openBlockRows(store: Store, fingerprints: Fingerprints, indexed: () => boolean): BlockRows {
  const insertBlock = store.prepare(
    `INSERT INTO blocks(height, hash, root, next_sn, floor_sn, live, timestamp, checksum, header, certificate, seed,
       inputs, receipts, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertHeight = store.prepare("INSERT INTO heights(hash, height) VALUES (?, ?)");
  const removals = [
    "DELETE FROM heights WHERE hash IN (SELECT hash FROM blocks WHERE height > ?)",
    "DELETE FROM blocks WHERE height > ?",
  ].map((sql) => store.prepare(sql));
  const indexes = openIndexes(store, fingerprints);

  return {
    insert(record, { nextSN, floorSN, live }) {
      const { height, timestamp, header, body, receipts } = record;
      const hash: Uint8Array = bytesOf(record.hash);
      const root = bytesOf(record.stateRoot);
      const { certificate, seed, inputs } = record;
      const parts = [header, certificate ?? null, seed ?? null, inputs ?? null, receipts, body];
      const checksum = blockChecksum(height, [hash, ...parts]);
      insertBlock.run(height, hash, root, nextSN, floorSN, live, timestamp, checksum, ...parts);
      insertHeight.run(hash, height);
      if (indexed()) indexes.add(height, record);
    },
    index(from, end, rowsOf) {
      const last = Math.min(end, from + SLICE_BLOCKS);
      let at = from;
      for (let rows = 0; at < last && rows < SLICE_ROWS; at++) {
        const found = rowsOf(toHeight(at));
        indexes.add(at, found);
        rows += found.transactions.length + found.logs.length;
      }
      return at;
    },
    removeAbove(height) {
      indexes.removeAbove(height);
      for (const removal of removals) removal.run(height);
    },
    abandon: indexes.abandon,
  };
}
