// The vote journal (R15 to R18): own votes, certificates, verdicts, bodies and evidence in consensus.db, durable before
// anything that follows from them leaves the process; and the guard file beside the identity key. A failed write throws,
// and whoever sees it must stop.
import { Database, type Statement } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import type { Fault, JournalRecord } from "#consensus/effects.ts";
import type { Restored } from "#consensus/state.ts";
import { utf8 } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { PUBLIC_MODE, writeWhole } from "#node/secret-files.ts";
import { decodeCertificate, encodeCertificate } from "#types/certificate.ts";
import { bytesOf, type Hash, hash } from "#types/ids.ts";
import { decodeVote, encodeVote } from "#types/vote.ts";
import { type JournalledReservation, nextReservation, type Reservation, signingFloor } from "./guard.ts";
import type { Body, JournalPort } from "./ports.ts";

/** What each version of the format adds to the one before. */
const SCHEMA_STEPS = [
  [
    "CREATE TABLE votes (view INTEGER, kind TEXT, vote BLOB NOT NULL, PRIMARY KEY (view, kind)) WITHOUT ROWID",
    `CREATE TABLE certificates (view INTEGER, kind TEXT, certificate BLOB NOT NULL, lottery BLOB,
   PRIMARY KEY (view, kind)) WITHOUT ROWID`,
    "CREATE TABLE verdicts (view INTEGER PRIMARY KEY, payload BLOB NOT NULL, valid INTEGER NOT NULL)",
    "CREATE TABLE bodies (digest BLOB PRIMARY KEY, view INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX bodies_by_view ON bodies (view)",
    `CREATE TABLE faults (id INTEGER PRIMARY KEY, view INTEGER NOT NULL, kind TEXT NOT NULL, signer INTEGER NOT NULL,
   first BLOB NOT NULL, second BLOB NOT NULL)`,
    "CREATE TABLE reservation (one INTEGER PRIMARY KEY CHECK (one = 1), counter INTEGER, up_to INTEGER)",
  ],
  ["ALTER TABLE reservation ADD COLUMN barred INTEGER NOT NULL DEFAULT 0"],
] as const;
const SCHEMA_VERSION = SCHEMA_STEPS.length;
/** What is of one epoch; evidence and the reservation are of the validator. */
const EPOCH_TABLES = ["votes", "certificates", "verdicts", "bodies"] as const;
/**
 * Milliseconds between two looks at the write-ahead log. With blocks of 120 kB, moving what a second wrote takes 0.8 ms;
 * SQLite's own way, inside whichever commit passes 1,000 pages, made every thirty-fifth vote on a block 8 ms late.
 */
const CHECKPOINT_MS = 1_000;
/** Pages (of 4 KiB) of write-ahead log at which a commit moves them all the same: a timer may be late. */
export const MAX_WAL_PAGES = 8_192;
/** Evidence kept; a committee has few enough members that more says nothing new. */
const MAX_FAULTS = 4_096;

export interface JournalOptions<B extends Body> {
  /** consensus.db. */
  readonly path: string;
  /** The guard file beside the identity key; undefined where nothing is ever signed twice (a chain of one node). */
  readonly guard: string | undefined;
  readonly encodeBody: (body: B) => Uint8Array;
  readonly decodeBody: (bytes: Uint8Array) => B;
  /** View of the newest block in chain.db. */
  readonly acknowledgedView: () => number;
}

export interface ConsensusJournal<B extends Body> extends JournalPort<B>, Disposable {
  /** Evidence about views from `fromView` on, oldest first. */
  faults(fromView: number): readonly Fault[];
  /** Forgets the votes, certificates, verdicts and bodies of an epoch that is over (section 12). */
  beginEpoch(): void;
}

function refuse(path: string, why: string, cause?: unknown): KoraError {
  return new KoraError(`${path} cannot be used`, {
    code: "JOURNAL_CORRUPT",
    kind: "safety",
    why,
    hint: "restore the directory, or remove consensus.db: the guard file then keeps this node from signing twice",
    cause,
  });
}

/** A failed write, as its operator has to read it. Whoever sees it must stop (R16). */
function orRefuse<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (cause instanceof KoraError) throw cause;
    throw new KoraError(`${path} cannot be written`, {
      code: "JOURNAL_FAILED",
      why: messageOf(cause),
      hint: "check free space and the health of the disk; what was committed before is safe",
      cause,
    });
  }
}

function upgrade(database: Database, version: number): void {
  database.transaction(() => {
    for (const statement of SCHEMA_STEPS.slice(version).flat()) database.run(statement);
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  })();
}

function openDatabase(path: string): { readonly database: Database; readonly statements: Statements } {
  let database: Database | undefined;
  try {
    database = new Database(path, { create: true });
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run(`PRAGMA wal_autocheckpoint = ${MAX_WAL_PAGES}`);
    const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
    if (version > SCHEMA_VERSION) throw refuse(path, `its format ${version} is newer than this program's`);
    if (version < SCHEMA_VERSION) upgrade(database, version);
    return { database, statements: statementsOf(database) };
  } catch (error) {
    database?.close();
    throw error instanceof KoraError ? error : refuse(path, messageOf(error), error);
  }
}

/** The guard's reservation; undefined without a file. Throws for one that says nothing clear. */
export function readGuard(path: string): Reservation | undefined {
  if (!existsSync(path)) return undefined;
  const found = /^kora signing guard 1\ncounter (\d{1,15})\nviews up to (\d{1,15})\n$/.exec(
    readFileSync(path, "utf8"),
  );
  if (found !== null) return { counter: Number(found[1]), upTo: Number(found[2]) };
  throw new KoraError(`${path} is not a signing guard`, {
    code: "GUARD_CORRUPT",
    kind: "safety",
    why: "without it this node cannot know what it has signed",
    hint: "restore it from beside the identity key",
  });
}

function writeGuard(path: string, { counter, upTo }: Reservation): void {
  const text = `kora signing guard 1\ncounter ${counter}\nviews up to ${upTo}\n`;
  writeWhole(path, utf8(text), PUBLIC_MODE);
}

type Row = Readonly<Record<string, Uint8Array | number | string | null>>;

function readRestored(
  database: Database,
  guard: Reservation | undefined,
  acknowledgedView: number,
): Restored {
  const all = (sql: string): Row[] => database.query(sql).all() as Row[];
  const journal = readReservation(database);
  return {
    votes: all("SELECT vote FROM votes ORDER BY view").map(({ vote }) => decodeVote(vote as Uint8Array)),
    certificates: all("SELECT certificate, lottery FROM certificates ORDER BY view").map(
      ({ certificate, lottery }) => ({
        certificate: decodeCertificate(certificate as Uint8Array),
        lottery: (lottery as Uint8Array | null) ?? undefined,
      }),
    ),
    verdicts: all("SELECT view, payload, valid FROM verdicts ORDER BY view").map(
      ({ view, payload, valid }) => ({
        view: view as number,
        payload: hash(payload as Uint8Array),
        valid: valid === 1,
      }),
    ),
    bodies: all("SELECT view, digest FROM bodies ORDER BY view").map(({ view, digest }) => ({
      view: view as number,
      digest: hash(digest as Uint8Array),
    })),
    signFloor: signingFloor(journal, guard),
    acknowledgedView,
  };
}

function readReservation(database: Database): JournalledReservation | undefined {
  const row = database.query("SELECT counter, up_to AS upTo, barred FROM reservation").get();
  return (row as JournalledReservation | null) ?? undefined;
}

/** One for each kind of record, and what reads a body. */
interface Statements {
  readonly vote: Statement;
  readonly certificate: Statement;
  readonly verdict: Statement;
  readonly body: Statement;
  readonly fault: Statement;
  readonly selectBody: Statement;
}

function statementsOf(database: Database): Statements {
  return {
    vote: database.prepare("INSERT INTO votes VALUES (?, ?, ?)"),
    certificate: database.prepare("INSERT OR REPLACE INTO certificates VALUES (?, ?, ?, ?)"),
    verdict: database.prepare("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)"),
    body: database.prepare("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)"),
    fault: database.prepare("INSERT INTO faults (view, kind, signer, first, second) VALUES (?, ?, ?, ?, ?)"),
    selectBody: database.prepare("SELECT body FROM bodies WHERE digest = ?"),
  };
}

/** Writes one record inside the running transaction; `body` are the bytes of a body record's block. */
function writeRecord(to: Statements, record: JournalRecord, body: Uint8Array | undefined): void {
  switch (record.type) {
    case "vote":
      to.vote.run(record.vote.view, record.vote.kind, encodeVote(record.vote));
      break;
    case "certificate": {
      const { certificate, lottery } = record;
      to.certificate.run(certificate.view, certificate.kind, encodeCertificate(certificate), lottery ?? null);
      break;
    }
    case "verdict":
      to.verdict.run(record.view, bytesOf(record.payload), record.valid ? 1 : 0);
      break;
    case "body":
      if (body !== undefined) to.body.run(bytesOf(record.digest), record.view, body);
      break;
    case "fault": {
      const { kind, signer, first, second } = record.fault;
      to.fault.run(first.view, kind, signer, encodeVote(first), encodeVote(second));
      break;
    }
  }
}

function prune(database: Database, below: number): void {
  database.transaction(() => {
    database.run("DELETE FROM votes WHERE view < ?", [below]);
    database.run(
      `DELETE FROM certificates WHERE view < ?1 AND NOT (kind = 'finalize' AND view =
       (SELECT max(view) FROM certificates WHERE kind = 'finalize'))`,
      [below],
    );
    database.run("DELETE FROM verdicts WHERE view < ?", [below]);
    database.run("DELETE FROM bodies WHERE view < ?", [below]);
    database.run("DELETE FROM faults WHERE id <= (SELECT max(id) FROM faults) - ?", [MAX_FAULTS]);
  })();
}

/** Moves the write-ahead log into the database file between votes, until disposed. */
function startCheckpoints(database: Database): Disposable {
  const timer = setInterval(() => {
    try {
      database.run("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // What was committed is safe in the log. If the disk fails, the next commit says so.
    }
  }, CHECKPOINT_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Opens the journal. Throws JOURNAL_CORRUPT and GUARD_CORRUPT, both refusals; its writes throw JOURNAL_FAILED. */
export function openJournal<B extends Body>(options: JournalOptions<B>): ConsensusJournal<B> {
  const { path, guard, encodeBody, decodeBody } = options;
  const { database, statements } = openDatabase(path);
  const pending: { readonly record: JournalRecord; readonly body: Uint8Array | undefined }[] = [];
  const write = database.transaction(() => {
    for (const { record, body } of pending) writeRecord(statements, record, body);
  });
  const checkpoints = startCheckpoints(database);
  return {
    load() {
      const guarded = guard === undefined ? undefined : readGuard(guard);
      try {
        return readRestored(database, guarded, options.acknowledgedView());
      } catch (error) {
        throw refuse(path, messageOf(error), error);
      }
    },
    append: (record, body) => void pending.push({ record, body: body && encodeBody(body) }),
    reserve: (upTo) =>
      orRefuse(path, () => {
        const guarded = guard === undefined ? undefined : readGuard(guard);
        const reservation = nextReservation(readReservation(database), guarded, upTo);
        const { counter, barred } = reservation;
        database.run("INSERT OR REPLACE INTO reservation VALUES (1, ?, ?, ?)", [counter, upTo, barred]);
        if (guard !== undefined) writeGuard(guard, reservation);
      }),
    commit() {
      orRefuse(path, write);
      pending.length = 0;
    },
    body(digest: Hash) {
      const row = statements.selectBody.get(bytesOf(digest)) as { body: Uint8Array } | null;
      return row === null ? undefined : decodeBody(row.body);
    },
    prune: (below) => orRefuse(path, () => prune(database, below)),
    beginEpoch: database.transaction(() => {
      for (const table of EPOCH_TABLES) database.run(`DELETE FROM ${table}`);
    }),
    faults: (fromView) =>
      (database.query("SELECT * FROM faults WHERE view >= ? ORDER BY id").all(fromView) as Row[]).map(
        (row) => ({
          kind: row["kind"] as Fault["kind"],
          signer: row["signer"] as number,
          first: decodeVote(row["first"] as Uint8Array),
          second: decodeVote(row["second"] as Uint8Array),
        }),
      ),
    [Symbol.dispose]() {
      checkpoints[Symbol.dispose]();
      database.close();
    },
  };
}
