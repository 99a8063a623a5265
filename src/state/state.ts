// The door of the authenticated store: opening chain.db as its one owner, or for reading beside the owner.
// What the owner does is in owner.ts.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { KoraError, messageOf } from "#lib/error.ts";
import type { Height } from "#types/ids.ts";
import { openArchive } from "./archive.ts";
import type { Base } from "./base.ts";
import { OP_TABLES, openHistoryReader } from "./history.ts";
import { openIndexGap } from "./index-gap.ts";
import { createKeyIndex } from "./keyindex.ts";
import { OpLog } from "./log.ts";
import { checkSchema, ensureSchema, readMarker } from "./marker.ts";
import { StateOwner } from "./owner.ts";
import { type HistorySource, openAt, openCode } from "./readers.ts";
import { recover } from "./recovery.ts";
import { createFingerprinter } from "./siphash.ts";
import { openStore, type Store } from "./store.ts";
import { createTemporaryDirectory } from "./temporary.ts";
import { refuseTorn } from "./torn.ts";
import { createTree } from "./tree.ts";
import type { Archive, StateDb, StateReader } from "./types.ts";

/** Name of the database inside a data directory. */
export const CHAIN_DB = "chain.db";

/** Name of the derived file beside it. */
export const INDEX_FILE = "chain.index";

export interface StateDbOptions {
  /** Data directory, made if missing; undefined for a temporary one that is removed on close. */
  readonly directory: string | undefined;
  /** Whether indexes that only queries need are kept (transactions, transfers, logs); they are unless told otherwise. */
  readonly indexes?: boolean;
}

function openFiles(directory: string | undefined): { store: Store; cleanUp: () => void } {
  if (directory === undefined) {
    const temporary = createTemporaryDirectory();
    const store = openStore(join(temporary.path, CHAIN_DB), { mode: "owner", synchronous: "OFF" });
    return { store, cleanUp: temporary.remove };
  }
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new KoraError(`cannot make the data directory ${directory}`, {
      code: "STATE_OPEN",
      why: messageOf(error),
      hint: "choose a directory that this user may write to",
      cause: error,
    });
  }
  refuseTorn(join(directory, CHAIN_DB), join(directory, INDEX_FILE));
  const store = openStore(join(directory, CHAIN_DB), { mode: "owner", synchronous: "FULL" });
  return { store, cleanUp: () => {} };
}

function openBase(store: Store, indexFile: string | undefined): Base {
  const marker = readMarker(store);
  const fingerprintOut = new Uint32Array(2);
  const below = store.prepare("SELECT key FROM keys WHERE key < ? ORDER BY key DESC LIMIT 1");
  const manyBelow = store.prepare(
    `SELECT (SELECT key FROM keys WHERE key < unhex(value) ORDER BY key DESC LIMIT 1) FROM json_each(?)
       ORDER BY json_each.key`,
  );
  const base: Base = {
    store,
    indexFile,
    indexedSN: 0,
    log: new OpLog(store),
    index: createKeyIndex(),
    tree: createTree(),
    fingerprint: createFingerprinter(marker.secret, fingerprintOut),
    fingerprintOut,
    keyBelow: (key) => below.get(key)?.[0] as Uint8Array | undefined,
    keysBelow: (keys) =>
      manyBelow
        .all(JSON.stringify(keys.map((key) => key.toHex())))
        .map(([key]) => (key instanceof Uint8Array ? key : undefined)),
    ground: {},
  };
  base.indexedSN = recover(base, marker, indexFile);
  return base;
}

/** Opens the store as its one owner; throws STATE_OPEN, STATE_SCHEMA or STATE_CORRUPT. */
export function openStateDb(options: StateDbOptions): StateDb {
  const { store, cleanUp } = openFiles(options.directory);
  try {
    ensureSchema(store);
    const indexFile = options.directory === undefined ? undefined : join(options.directory, INDEX_FILE);
    return new StateOwner(openBase(store, indexFile), options.indexes ?? true, cleanUp);
  } catch (error) {
    store.close();
    cleanUp();
    throw error;
  }
}

/** Read-only access for other threads; sees what is committed, through SQL alone. The Rust Kora's `QmdbHandle`. */
export interface QmdbHandle {
  readonly archive: Archive;
  at(height: Height): StateReader;
  latest(): StateReader;
  close(): void;
}

/** Opens the chain.db at `path` for reading beside its owner; throws STATE_OPEN, STATE_SCHEMA or STATE_CORRUPT. */
export function openStateReader(path: string): QmdbHandle {
  const store = openStore(path, { mode: "reader", synchronous: "FULL" });
  try {
    checkSchema(store);
    return readerOver(store);
  } catch (error) {
    store.close();
    throw error;
  }
}

function readerOver(store: Store): QmdbHandle {
  const out = new Uint32Array(2);
  const fingerprint = createFingerprinter(readMarker(store).secret, out);
  const source: HistorySource = {
    store,
    log: new OpLog(store),
    history: openHistoryReader(store, fingerprint, out, OP_TABLES),
    code: openCode(store),
  };
  const tip = store.prepare("SELECT height FROM meta");
  return {
    // Who reads beside an owner does so for a node with RPC, which builds what is missing.
    archive: openArchive(store, { fingerprint, fingerprintOut: out }, openIndexGap(store, true)),
    at: (to) => openAt(source, to),
    latest() {
      const height = tip.get()?.[0];
      if (typeof height === "number") return openAt(source, height);
      throw new KoraError("the store holds no block yet", { code: "NO_GENESIS" });
    },
    close: store.close,
  };
}
