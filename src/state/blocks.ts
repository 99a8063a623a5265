// Rows of finalized blocks and the indexes derived from them (by hash, by sender and nonce, logs by term): writing
// and removing them inside a running transaction. Reading is archive.ts's business.
import { concatBytes } from "#lib/bytes.ts";
import { bytesOf } from "#types/ids.ts";
import { logTerm, nonceBytes } from "./archive.ts";
import { blockChecksum } from "./checksum.ts";
import type { Store } from "./store.ts";
import type { Extent } from "./tree.ts";
import type { BlockRecord, LogRow, TransactionRow } from "./types.ts";

export interface BlockRows {
  insert(record: BlockRecord, extent: Extent): void;
  /** Removes all above `height`, with what was derived from them. */
  removeAbove(height: number): void;
}

/** Writers of block rows; `indexes` false leaves out what only queries need. */
export function openBlockRows(store: Store, indexes: boolean): BlockRows {
  const insertBlock = store.prepare(
    `INSERT INTO blocks(height, hash, root, next_sn, floor_sn, live, timestamp, checksum, header, certificate, seed,
       inputs, receipts, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertHeight = store.prepare("INSERT INTO heights(hash, height) VALUES (?, ?)");
  const insertTransaction = store.prepare(
    "INSERT OR REPLACE INTO transactions(hash, height, position) VALUES (?, ?, ?)",
  );
  const insertSender = store.prepare(
    "INSERT OR REPLACE INTO senders(sender, nonce, hash, height) VALUES (?, ?, ?, ?)",
  );
  const insertLog = store.prepare(
    "INSERT INTO logs(height, log, position, address, topics) VALUES (?, ?, ?, ?, ?)",
  );
  const insertTerm = store.prepare("INSERT OR IGNORE INTO log_terms(term, height, log) VALUES (?, ?, ?)");
  const removals = [
    "DELETE FROM heights WHERE hash IN (SELECT hash FROM blocks WHERE height > ?)",
    "DELETE FROM blocks WHERE height > ?",
    "DELETE FROM transactions WHERE height > ?",
    "DELETE FROM senders WHERE height > ?",
    "DELETE FROM logs WHERE height > ?",
  ].map((sql) => store.prepare(sql));
  const logsAbove = store.prepare("SELECT height, log, address, topics FROM logs WHERE height > ?");
  const removeTerm = store.prepare("DELETE FROM log_terms WHERE term = ? AND height = ? AND log = ?");

  const addTransaction = (height: number, row: TransactionRow, position: number): void => {
    const hash = bytesOf(row.hash);
    insertTransaction.run(hash, height, position);
    insertSender.run(bytesOf(row.sender), nonceBytes(row.nonce), hash, height);
  };
  const addLog = (height: number, row: LogRow): void => {
    const topics = row.topics.map(bytesOf);
    const emitter = bytesOf(row.address);
    insertLog.run(height, row.logIndex, row.transactionIndex, emitter, concatBytes(...topics));
    insertTerm.run(logTerm(emitter), height, row.logIndex);
    topics.forEach((topic, i) => {
      insertTerm.run(logTerm(topic, i), height, row.logIndex);
    });
  };

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
      if (!indexes) return;
      record.transactions.forEach((row, position) => {
        addTransaction(height, row, position);
      });
      for (const row of record.logs) addLog(height, row);
    },
    removeAbove(height) {
      for (const [at, log, emitter, topics] of logsAbove.all(height)) {
        removeTerm.run(logTerm(emitter as Uint8Array), at as number, log as number);
        const words = topics as Uint8Array;
        for (let i = 0; i * 32 < words.length; i++) {
          removeTerm.run(logTerm(words.subarray(i * 32, i * 32 + 32), i), at as number, log as number);
        }
      }
      for (const removal of removals) removal.run(height);
    },
  };
}
