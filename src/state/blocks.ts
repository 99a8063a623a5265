// Rows of finalized blocks: writing and removing them, and what is derived from them, inside a running transaction.
// Reading is archive.ts's business; what the indexes hold is indexes.ts's.
import { bytesOf, height as toHeight } from "#types/ids.ts";
import { blockChecksum } from "./checksum.ts";
import { openIndexes } from "./indexes.ts";
import type { Fingerprints } from "./positions.ts";
import type { Store } from "./store.ts";
import type { Extent } from "./tree.ts";
import type { Archive, BlockRecord, IndexRows, StoredBlock } from "./types.ts";

export interface BlockRows {
  insert(record: BlockRecord, extent: Extent): void;
  /** Empties all indexes and, unless they are off, builds them again from what `rowsOf` finds in each block. */
  rebuild(archive: Archive, rowsOf: (block: StoredBlock) => IndexRows): void;
  /** Removes all above `height`, with what was derived from them. */
  removeAbove(height: number): void;
  /** The transaction failed: nothing of it holds. */
  abandon(): void;
}

/** Writers of block rows; `indexed` false leaves out what only queries need. */
export function openBlockRows(store: Store, fingerprints: Fingerprints, indexed: boolean): BlockRows {
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
      if (indexed) indexes.add(height, record);
    },
    rebuild(archive, rowsOf) {
      indexes.clear();
      if (!indexed) return;
      const [lowest, highest] = store.prepare("SELECT min(height), max(height) FROM blocks").get() ?? [];
      if (typeof lowest !== "number" || typeof highest !== "number") return;
      for (let at = lowest; at <= highest; at++) {
        const block = archive.block(toHeight(at));
        if (block !== undefined) indexes.add(at, rowsOf(block));
      }
    },
    removeAbove(height) {
      indexes.removeAbove(height);
      for (const removal of removals) removal.run(height);
    },
    abandon: indexes.abandon,
  };
}
