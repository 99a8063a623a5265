// The door to SQLite: opening chain.db, prepared statements, transactions, checkpoints of the write-ahead log, and
// the translation of SQLite's failures into refusals. Knows no table but meta's height.
import { Database } from "bun:sqlite";
import { createLru } from "#lib/bounded.ts";
import { KoraError, messageOf } from "#lib/error.ts";

export type Value = Uint8Array | string | number | null;
export type Row = readonly Value[];

export interface Statement {
  /** First row, or undefined. */
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): readonly Row[];
  run(...values: Value[]): void;
}

export interface Store {
  readonly path: string;
  /** A statement, kept for the next caller with the same text. Rows are read at once, so callers may share it. */
  prepare(sql: string): Statement;
  /** Runs `work` in one write transaction; rolled back if it throws. */
  write<T>(work: () => T): T;
  /** Runs `work` on one snapshot. */
  read<T>(work: () => T): T;
  /**
   * Moves what it can of the write-ahead log into the database file; `truncate` also empties the log. Answers the bytes
   * of the log, moved or not. The next write begins it anew where all of it is moved and no reader stands on it; a
   * reader of the newest state does, if it began before this.
   */
  checkpoint(truncate: boolean): number;
  /** A refusal that names the file and, where it can be read, the height. */
  corrupt(what: string, cause?: unknown): KoraError;
  close(): void;
}

export interface StoreOptions {
  readonly mode: "owner" | "reader";
  /** FULL for data that must survive power loss; OFF for temporary files. */
  readonly synchronous: "FULL" | "OFF";
}

/**
 * KiB of page cache: the inner pages of large tables, and room to reuse. More is slower, as old ops are read at random
 * and pages that the processor's caches let go of are written over. Nothing is mapped instead: reading would take half
 * the time, but the pages would count as resident memory, which would grow with the file. Temporary files are small
 * and remain in the system's cache anyway.
 */
const CACHE_KIB = { owner: 32_768, temporary: 8_192, reader: 16_384 } as const;
/** Milliseconds to wait for another process' lock. */
const BUSY_MS = 5_000;

/** Statements kept prepared: all fixed ones, and some log queries. */
const KEPT_STATEMENTS = 160;

/** The layout's version is checked when a file is opened: a table or column that is missing all the same is damage. */
const CORRUPTION =
  /SQLITE_CORRUPT|SQLITE_NOTADB|malformed|not a database|SHORT_READ|disk image|no such (table|column)|has no column/;

function heightOf(database: Database | undefined): number | undefined {
  try {
    const row = database?.prepare("SELECT height FROM meta").get() as { height: number | null } | null;
    return row?.height ?? undefined;
  } catch {
    // The file may be too broken to tell: the refusal then says so.
    return undefined;
  }
}

/** A refusal to work on damaged data: what, in which file, at which height, and what to do. */
export function corruption(
  path: string,
  height: number | undefined,
  what: string,
  cause?: unknown,
): KoraError {
  return new KoraError(`${path} is damaged at height ${height ?? "unknown"}: ${what}`, {
    code: "STATE_CORRUPT",
    kind: "safety",
    why: what,
    hint: "restore the data directory from a snapshot, or remove it and let the node sync again from its peers",
    details: { path, height },
    cause,
  });
}

function configure(database: Database, options: StoreOptions): void {
  database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
  if (options.mode === "owner") {
    database.run("PRAGMA journal_mode = WAL");
    database.run(`PRAGMA synchronous = ${options.synchronous}`);
    // Checkpoints are taken between blocks, never inside a commit.
    database.run("PRAGMA wal_autocheckpoint = 0");
  } else {
    database.run("PRAGMA query_only = ON");
  }
  const kind = options.mode === "owner" && options.synchronous === "OFF" ? "temporary" : options.mode;
  database.run(`PRAGMA cache_size = ${-CACHE_KIB[kind]}`);
  database.run("PRAGMA temp_store = MEMORY");
}

function openDatabase(path: string, options: StoreOptions): Database {
  let database: Database | undefined;
  try {
    database =
      options.mode === "owner"
        ? new Database(path, { create: true, readwrite: true })
        : new Database(path, { readwrite: true, create: false });
    configure(database, options);
    return database;
  } catch (error) {
    database?.close();
    if (CORRUPTION.test(`${(error as { code?: string }).code} ${messageOf(error)}`)) {
      throw corruption(path, undefined, `SQLite cannot read it (${messageOf(error)})`, error);
    }
    throw new KoraError(`cannot open ${path}`, {
      code: "STATE_OPEN",
      why: messageOf(error),
      hint: "check that the directory exists, is writable and has free space",
      cause: error,
    });
  }
}

/** Opens chain.db at `path`; throws STATE_OPEN or STATE_CORRUPT. */
export function openStore(path: string, options: StoreOptions): Store {
  const database = openDatabase(path, options);
  const statements = createLru<string, Statement>(KEPT_STATEMENTS);
  const corrupt = (what: string, cause?: unknown): KoraError =>
    corruption(path, heightOf(database), what, cause);
  const guard = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof KoraError) throw error;
      const code = (error as { code?: string }).code ?? "";
      if (CORRUPTION.test(`${code} ${messageOf(error)}`)) {
        throw corrupt(`SQLite reports ${messageOf(error)}`, error);
      }
      throw new KoraError(`SQLite failed on ${path}: ${messageOf(error)}`, {
        code: "STATE_IO",
        hint: "check free space and the health of the disk; what was committed before is safe",
        cause: error,
      });
    }
  };
  const pageBytes = guard(() => database.prepare("PRAGMA page_size").values()[0]?.[0]) as number;
  const rollBack = (): void => {
    try {
      // SQLite may have rolled back by itself (disk full): then there is nothing left to roll back.
      if (database.inTransaction) database.run("ROLLBACK");
    } catch {
      // What failed first is what its reader has to know; an open transaction is undone when the file is opened.
    }
  };
  const transact = <T>(begin: string, work: () => T): T => {
    guard(() => database.run(begin));
    try {
      const result = work();
      guard(() => database.run("COMMIT"));
      return result;
    } catch (error) {
      rollBack();
      throw error;
    }
  };
  return {
    path,
    corrupt,
    prepare(sql) {
      const held = statements.get(sql);
      if (held !== undefined) return held;
      const statement = guard(() => database.prepare(sql));
      const prepared: Statement = {
        get: (...values) => guard(() => statement.values(...values)[0] as Row | undefined),
        all: (...values) => guard(() => statement.values(...values) as unknown as readonly Row[]),
        run: (...values) => {
          guard(() => statement.run(...values));
        },
      };
      statements.set(sql, prepared);
      return prepared;
    },
    write: (work) => transact("BEGIN IMMEDIATE", work),
    read: (work) => (database.inTransaction ? work() : transact("BEGIN", work)),
    checkpoint(truncate) {
      const mode = truncate ? "TRUNCATE" : "PASSIVE";
      const [row] = guard(() => database.prepare(`PRAGMA wal_checkpoint(${mode})`).values());
      const [, frames] = row as readonly number[] as readonly [number, number, number];
      return frames * pageBytes;
    },
    close: () => database.close(),
  };
}
