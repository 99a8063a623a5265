// Execution outcomes of blocks that are not lost yet, by digest, and the hashed seeds of their rounds. In memory and
// bounded: a snapshot that was dropped is rebuilt by executing its block again.
import { keccakHash } from "#crypto/hash.ts";
import type { Hash, Height } from "#types/ids.ts";
import type { SeedTracker, Snapshot, SnapshotStore } from "./ports.ts";

/** Snapshots held; the oldest inserted goes first. Far above the 32 certified unfinalized blocks after which only empty ones are built. */
const MAX_SNAPSHOTS = 256;
/** Seeds held; the oldest inserted goes first. One per round of an unfinalized block, and some of the recent past. */
const MAX_SEEDS = 1_024;

/** An in-memory store of at most MAX_SNAPSHOTS. */
export function createSnapshotStore(): SnapshotStore {
  const snapshots = new Map<Hash, Snapshot>();
  return {
    insert(snapshot) {
      snapshots.set(snapshot.block.hash, snapshot);
      if (snapshots.size > MAX_SNAPSHOTS) snapshots.delete(snapshots.keys().next().value as Hash);
    },
    get: (digest) => snapshots.get(digest),
    markPersisted(digest) {
      const snapshot = snapshots.get(digest);
      if (snapshot !== undefined) snapshots.set(digest, { ...snapshot, persisted: true });
    },
    isPersisted: (digest) => snapshots.get(digest)?.persisted ?? false,
    prune(height) {
      for (const [digest, { block }] of snapshots) {
        if (block.header.number <= height) snapshots.delete(digest);
      }
    },
    clear: () => snapshots.clear(),
    get size() {
      return snapshots.size;
    },
  };
}

/** An in-memory tracker of at most MAX_SEEDS. */
export function createSeedTracker(): SeedTracker {
  const seeds = new Map<
    Hash,
    { readonly hash: Hash; readonly height: Height; readonly seed: Uint8Array | undefined }
  >();
  return {
    insert(digest, height, seedHash, seed) {
      seeds.set(digest, { hash: seedHash, height, seed: seed ?? seeds.get(digest)?.seed });
      if (seeds.size > MAX_SEEDS) seeds.delete(seeds.keys().next().value as Hash);
    },
    get: (digest) => seeds.get(digest)?.hash,
    signature: (digest) => seeds.get(digest)?.seed,
    prune(height) {
      // Oldest first: one that came late is dropped by a later call.
      for (const [digest, entry] of seeds) {
        if (entry.height >= height) break;
        seeds.delete(digest);
      }
    },
  };
}

/** prevrandao of the children of a block whose round has this seed signature (R13). */
export function seedHash(seed: Uint8Array): Hash {
  return keccakHash(seed);
}
