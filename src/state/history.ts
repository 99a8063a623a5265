// Which op was the last one of a key before a given SN: the index behind states at old heights. Local and unhashed.
import { HASH_BYTES, OP_KEY } from "./format.ts";
import type { Store } from "./store.ts";
import type { OpRun } from "./tree.ts";

/** Reads of the history index. */
export interface HistoryReader {
  /** Greatest SN below `bound` of an op of `key`, or -1. */
  before(key: Uint8Array, bound: number): number;
  /** Least SN from `from` on of an op of `key`, or -1. */
  after(key: Uint8Array, from: number): number;
}

export interface History extends HistoryReader {
  /** Adds the ops of a block inside the running transaction. */
  append(run: OpRun): void;
  /** Removes the entry of one op. */
  remove(key: Uint8Array, sn: number): void;
}

/** The read side over `store`. */
export function openHistoryReader(store: Store): HistoryReader {
  const below = store.prepare("SELECT sn FROM hist WHERE key = ? AND sn < ? ORDER BY sn DESC LIMIT 1");
  const above = store.prepare("SELECT sn FROM hist WHERE key = ? AND sn >= ? ORDER BY sn LIMIT 1");
  return {
    before: (key, bound) => (below.get(key, bound)?.[0] as number | undefined) ?? -1,
    after: (key, from) => (above.get(key, from)?.[0] as number | undefined) ?? -1,
  };
}

/** The history index of `store`. */
export function openHistory(store: Store): History {
  const insert = store.prepare("INSERT INTO hist(key, sn) VALUES (?, ?)");
  const remove = store.prepare("DELETE FROM hist WHERE key = ? AND sn = ?");
  return {
    ...openHistoryReader(store),
    append(run) {
      for (let i = 0; i < run.count; i++) {
        const at = (run.offsets[i] as number) + OP_KEY;
        insert.run(run.data.subarray(at, at + HASH_BYTES), run.start + i);
      }
    },
    remove: (key, sn) => remove.run(key, sn),
  };
}
