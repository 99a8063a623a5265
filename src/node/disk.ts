// How much room the data directory has, and what its databases take. Measures; whoever writes finds out by itself when
// a disk is full, and stops.
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Metrics } from "./metrics.ts";

/** Free bytes below which an operator should make room: a busy chain writes as much in some minutes. */
export const MIN_FREE_BYTES: number = 512 * 1024 * 1024;

/** What grows in a data directory. */
const FILES = [
  "chain.db",
  "chain.db-wal",
  "consensus.db",
  "consensus.db-wal",
  "transactions.journal",
] as const;

const MIB = 1024 * 1024;

/** Bytes left on the disk of `directory`; undefined where the system does not tell. */
export function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

export interface DiskWatch {
  /** Why the disk needs the operator; empty while it does not. */
  concerns(): readonly string[];
}

/** Watches the disk of `directory`; `free` answers the bytes that are left there. */
export function watchDisk(
  directory: string,
  metrics: Metrics,
  free: () => number | undefined = () => freeBytes(directory),
): DiskWatch {
  const room = metrics.gauge("kora_disk_free_bytes", "Bytes left on the disk of the data directory.");
  const sizes = metrics.gauge("kora_database_bytes", "Size of the files in the data directory.");
  metrics.beforeScrape(() => {
    const left = free();
    if (left !== undefined) room.set(left);
    for (const file of FILES) {
      const stat = statSync(join(directory, file), { throwIfNoEntry: false });
      if (stat !== undefined) sizes.set(stat.size, { file });
    }
  });
  return {
    concerns() {
      const left = free();
      if (left === undefined) return ["the disk of the data directory cannot be looked at"];
      if (left >= MIN_FREE_BYTES) return [];
      return [`only ${Math.floor(left / MIB)} MiB left on the disk of the data directory`];
    },
  };
}
