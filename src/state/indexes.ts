// The indexes that only queries need (transactions, transfers, logs): writing and removing inside a running transaction.
// Reading is archive.ts's business; all of it can be built from the blocks.
import { concatBytes } from "#lib/bytes.ts";
import { bytesOf } from "#types/ids.ts";
import { logTerm } from "./archive.ts";
import { holdersOf } from "./parties.ts";
import { type Fingerprints, openPositionWriter, type PositionWriter } from "./positions.ts";
import type { Store } from "./store.ts";
import type { IndexRows, LogRow } from "./types.ts";

const WORD_BYTES = 32;

export interface Indexes {
  add(height: number, rows: IndexRows): void;
  removeAbove(height: number): void;
  /** The transaction failed: nothing of it holds. */
  abandon(): void;
}

function openAdder(store: Store, positions: PositionWriter): Indexes["add"] {
  const insertLog = store.prepare(
    "INSERT INTO logs(height, log, position, address, topics) VALUES (?, ?, ?, ?, ?)",
  );
  const insertTerm = store.prepare("INSERT OR IGNORE INTO log_terms(term, height, log) VALUES (?, ?, ?)");
  const insertTransfer = store.prepare("INSERT INTO transfers(holder, height, log) VALUES (?, ?, ?)");

  const addLog = (height: number, row: LogRow): void => {
    const topics = row.topics.map(bytesOf);
    const emitter = bytesOf(row.address);
    const words = concatBytes(...topics);
    insertLog.run(height, row.logIndex, row.transactionIndex, emitter, words);
    insertTerm.run(logTerm(emitter), height, row.logIndex);
    topics.forEach((topic, i) => {
      insertTerm.run(logTerm(topic, i), height, row.logIndex);
    });
    for (const holder of holdersOf(words)) insertTransfer.run(holder, height, row.logIndex);
  };
  return (height, { transactions, logs }) => {
    positions.add(height, transactions);
    for (const row of logs) addLog(height, row);
  };
}

function openRemover(store: Store, positions: PositionWriter): Indexes["removeAbove"] {
  const logsAbove = store.prepare("SELECT height, log, address, topics FROM logs WHERE height > ?");
  const removeTerm = store.prepare("DELETE FROM log_terms WHERE term = ? AND height = ? AND log = ?");
  const removeTransfer = store.prepare("DELETE FROM transfers WHERE holder = ? AND height = ? AND log = ?");
  const removeLogs = store.prepare("DELETE FROM logs WHERE height > ?");
  return (height) => {
    for (const [at, log, emitter, joined] of logsAbove.all(height)) {
      const place = [at as number, log as number];
      const words = joined as Uint8Array;
      removeTerm.run(logTerm(emitter as Uint8Array), ...place);
      for (let i = 0; i * WORD_BYTES < words.length; i++) {
        removeTerm.run(logTerm(words.subarray(i * WORD_BYTES, (i + 1) * WORD_BYTES), i), ...place);
      }
      for (const holder of holdersOf(words)) removeTransfer.run(holder, ...place);
    }
    removeLogs.run(height);
    positions.removeAbove(height);
  };
}

/** Writers of the indexes of `store`. */
export function openIndexes(store: Store, fingerprints: Fingerprints): Indexes {
  const positions = openPositionWriter(store, fingerprints);
  return {
    add: openAdder(store, positions),
    removeAbove: openRemover(store, positions),
    abandon: positions.abandon,
  };
}
