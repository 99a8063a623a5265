// Hashes of final blocks by height, for BLOCKHASH and for those who poll for new blocks: read once each. Knows nothing
// of blocks that are not final.
import { createLru } from "#lib/bounded.ts";
import type { Archive } from "#state/types.ts";
import type { Hash, Height } from "#types/ids.ts";
import { BLOCK_HASH_WINDOW } from "#types/limits.ts";

/** Hashes that are remembered: twice as far as a call can look back. */
const REMEMBERED: number = 2 * BLOCK_HASH_WINDOW;

export interface FinalHashes {
  at(height: Height): Hash | undefined;
  /** Forgets all, after a rollback. */
  clear(): void;
}

/** The hashes of the blocks that `archive` holds. */
export function createFinalHashes(archive: Pick<Archive, "hashAt">): FinalHashes {
  const known = createLru<Height, Hash>(REMEMBERED);
  return {
    at(height) {
      let found = known.get(height);
      if (found === undefined) {
        found = archive.hashAt(height);
        if (found !== undefined) known.set(height, found);
      }
      return found;
    },
    clear: () => known.clear(),
  };
}
