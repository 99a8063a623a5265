// Tables of chain.db and the version of their layout. Says what is stored; how, is the business of store.ts.

/** Layout of chain.db, its notes included; a database with another one is refused. */
export const SCHEMA_VERSION = 5;

/** Statements that make an empty chain.db. */
export const SCHEMA: readonly string[] = [
  // One row: the height marker that everything of a block commits together with.
  `CREATE TABLE meta(
     id INTEGER PRIMARY KEY CHECK (id = 0), schema INTEGER NOT NULL, height INTEGER, digest BLOB, root BLOB,
     next_sn INTEGER NOT NULL, floor_sn INTEGER NOT NULL, live INTEGER NOT NULL,
     oldest INTEGER NOT NULL, pruned_sn INTEGER NOT NULL, rollbacks INTEGER NOT NULL, secret BLOB NOT NULL)`,
  // Ops by SN, appended at the right edge.
  "CREATE TABLE ops(sn INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, op BLOB NOT NULL)",
  // Preimages of the keys that exist, in key order (predecessors) and by account (storage ranges).
  "CREATE TABLE keys(key BLOB PRIMARY KEY, preimage BLOB NOT NULL) WITHOUT ROWID",
  "CREATE UNIQUE INDEX keys_by_preimage ON keys(preimage)",
  // The same of deleted keys, by the SN of the deletion: for rollback and for absence at old heights.
  "CREATE TABLE gone(sn INTEGER PRIMARY KEY, key BLOB NOT NULL, preimage BLOB NOT NULL)",
  "CREATE INDEX gone_by_preimage ON gone(preimage)",
  "CREATE INDEX gone_by_key ON gone(key)",
  // Which ops a key had: sorted runs of (fingerprint, SN), each for a range of SNs; recent ones one by one.
  "CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, level INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, state INTEGER NOT NULL)",
  "CREATE TABLE hist(run INTEGER, first BLOB, entries BLOB NOT NULL, PRIMARY KEY(run, first)) WITHOUT ROWID",
  "CREATE TABLE recent(fingerprint BLOB, sn INTEGER, PRIMARY KEY(fingerprint, sn)) WITHOUT ROWID",
  "CREATE TABLE twigs(id INTEGER PRIMARY KEY, left_root BLOB NOT NULL)",
  "CREATE TABLE code(hash BLOB PRIMARY KEY, code BLOB NOT NULL) WITHOUT ROWID",
  `CREATE TABLE blocks(
     height INTEGER PRIMARY KEY, hash BLOB NOT NULL, root BLOB NOT NULL, next_sn INTEGER NOT NULL,
     floor_sn INTEGER NOT NULL, live INTEGER NOT NULL, timestamp INTEGER NOT NULL, checksum INTEGER NOT NULL, header BLOB NOT NULL,
     certificate BLOB, seed BLOB, inputs BLOB, receipts BLOB NOT NULL, body BLOB NOT NULL)`,
  "CREATE TABLE heights(hash BLOB PRIMARY KEY, height INTEGER NOT NULL) WITHOUT ROWID",
  // The transactions of each block that has any, numbered along the chain, and the index that leads to the numbers.
  "CREATE TABLE positions(height INTEGER PRIMARY KEY, first INTEGER NOT NULL UNIQUE, records BLOB NOT NULL)",
  "CREATE TABLE position_runs(id INTEGER PRIMARY KEY AUTOINCREMENT, level INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, state INTEGER NOT NULL)",
  "CREATE TABLE position_chunks(run INTEGER, first BLOB, entries BLOB NOT NULL, PRIMARY KEY(run, first)) WITHOUT ROWID",
  "CREATE TABLE position_recent(fingerprint BLOB, sn INTEGER, PRIMARY KEY(fingerprint, sn)) WITHOUT ROWID",
  // Token transfers by who gave or received.
  "CREATE TABLE transfers(holder BLOB, height INTEGER, log INTEGER, PRIMARY KEY(holder, height, log)) WITHOUT ROWID",
  // Logs by position, and each of their terms (kind byte ‖ address or topic) by position.
  `CREATE TABLE logs(
     height INTEGER, log INTEGER, position INTEGER NOT NULL, address BLOB NOT NULL, topics BLOB NOT NULL,
     PRIMARY KEY(height, log)) WITHOUT ROWID`,
  "CREATE TABLE log_terms(term BLOB, height INTEGER, log INTEGER, PRIMARY KEY(term, height, log)) WITHOUT ROWID",
  "CREATE TABLE notes(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
];
