// The indexes that only queries need (transactions, senders, parties, transfers, logs): writing, removing and emptying
// them inside a running transaction. Reading is archive.ts's business; all of it can be built again from the blocks.
import { concatBytes } from "#lib/bytes.ts";
import { bytesOf } from "#types/ids.ts";
import { logTerm, nonceBytes } from "./archive.ts";
import { holdersOf, partiesOf, splitParties } from "./parties.ts";
import type { Store } from "./store.ts";
import type { IndexRows, LogRow, TransactionRow } from "./types.ts";

const WORD_BYTES = 32;
const TABLES = ["transactions", "senders", "parties", "transfers", "logs", "log_terms"] as const;

export interface Indexes {
  add(height: number, rows: IndexRows): void;
  removeAbove(height: number): void;
  clear(): void;
}

function openAdder(store: Store): Indexes["add"] {
  const insertTransaction = store.prepare(
    "INSERT OR REPLACE INTO transactions(hash, height, position, parties) VALUES (?, ?, ?, ?)",
  );
  const insertParty = store.prepare("INSERT INTO parties(address, height, position) VALUES (?, ?, ?)");
  const insertSender = store.prepare(
    "INSERT OR REPLACE INTO senders(sender, nonce, hash, height) VALUES (?, ?, ?, ?)",
  );
  const insertLog = store.prepare(
    "INSERT INTO logs(height, log, position, address, topics) VALUES (?, ?, ?, ?, ?)",
  );
  const insertTerm = store.prepare("INSERT OR IGNORE INTO log_terms(term, height, log) VALUES (?, ?, ?)");
  const insertTransfer = store.prepare("INSERT INTO transfers(holder, height, log) VALUES (?, ?, ?)");

  const addTransaction = (height: number, row: TransactionRow, position: number): void => {
    const hash = bytesOf(row.hash);
    const parties = partiesOf(row);
    insertTransaction.run(hash, height, position, concatBytes(...parties));
    for (const party of parties) insertParty.run(party, height, position);
    insertSender.run(bytesOf(row.sender), nonceBytes(row.nonce), hash, height);
  };
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
    transactions.forEach((row, position) => {
      addTransaction(height, row, position);
    });
    for (const row of logs) addLog(height, row);
  };
}

function openRemover(store: Store): Indexes["removeAbove"] {
  const logsAbove = store.prepare("SELECT height, log, address, topics FROM logs WHERE height > ?");
  const removeTerm = store.prepare("DELETE FROM log_terms WHERE term = ? AND height = ? AND log = ?");
  const removeTransfer = store.prepare("DELETE FROM transfers WHERE holder = ? AND height = ? AND log = ?");
  const partiesAbove = store.prepare("SELECT height, position, parties FROM transactions WHERE height > ?");
  const removeParty = store.prepare("DELETE FROM parties WHERE address = ? AND height = ? AND position = ?");
  const removals = ["transactions", "senders", "logs"].map((table) =>
    store.prepare(`DELETE FROM ${table} WHERE height > ?`),
  );
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
    for (const [at, position, joined] of partiesAbove.all(height)) {
      for (const party of splitParties(joined as Uint8Array)) {
        removeParty.run(party, at as number, position as number);
      }
    }
    for (const removal of removals) removal.run(height);
  };
}

/** Writers of the indexes of `store`. */
export function openIndexes(store: Store): Indexes {
  return {
    add: openAdder(store),
    removeAbove: openRemover(store),
    clear() {
      for (const table of TABLES) store.prepare(`DELETE FROM ${table}`).run();
    },
  };
}
