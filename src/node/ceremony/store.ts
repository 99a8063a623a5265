// What a node keeps of its key ceremonies: one SQLite file beside the identity key, mode 0600, one process at a time.
// Every record is sealed under a key made from the identity, so secrets are no easier to read than validator.key and
// an edited or truncated file is refused. Finished and abandoned rounds keep no secrets.
import { Database, type Statement } from "bun:sqlite";
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { chmodSync, existsSync } from "node:fs";
import { concatBytes, utf8 } from "#lib/bytes.ts";
import { Writer } from "#lib/codec.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { SECRET_MODE } from "#node/secret-files.ts";
import { type CeremonyRecord, decodeCeremonyRecord, encodeCeremonyRecord } from "#types/ceremony-record.ts";
import { bytesOf, type Hash } from "#types/ids.ts";
import { type CeremonyGuard, openCeremonyGuard } from "./guard.ts";

const SCHEMA_VERSION = 2;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEED_BYTES = 32;

/** Entries of the agreement's journal lie beside those of the ceremony. */
type RecordLog = "ceremony" | "agreement";

/** Records that bind this node: what follows from them may be said only once. */
const BINDING: ReadonlySet<CeremonyRecord["kind"]> = new Set(["begin", "log", "agreed"]);

export interface CeremonyStore extends Disposable {
  /** The newest round begun on `chain`; 0 if none was. Rounds are never used twice. */
  lastRound(chain: Hash): number;
  /** Whether `chain`'s newest round has records that this file does not hold: it is older than what was said. */
  isBehind(chain: Hash): boolean;
  /** Whether the round may put its result in the place of an older share: the operator said so when it began. */
  replaces(chain: Hash, round: number): boolean;
  /** Remembers that answer, and erases the secrets of unfinished rounds before `round`. Durable when it returns. */
  beginReplacing(chain: Hash, round: number): void;
  /** Records of a round in the order they were appended. Throws BAD_CEREMONY_FILE. */
  records(chain: Hash, round: number): CeremonyRecord[];
  entries(chain: Hash, round: number): Uint8Array[];
  /** Durable when it returns. */
  append(chain: Hash, round: number, record: CeremonyRecord): void;
  /** Durable, all or none, when it returns. */
  appendEntries(chain: Hash, round: number, entries: readonly Uint8Array[]): void;
  /** Replaces a round's records by `kept`, overwriting what they held on the disk. */
  forget(chain: Hash, round: number, kept: readonly CeremonyRecord[]): void;
}

/** The guard beside the file: ceremony.guard of ceremony.db. */
function guardFile(path: string): string {
  return path.replace(/(\.db)?$/, ".guard");
}

interface Row {
  readonly seq: number;
  readonly sealed: Uint8Array;
}

function unusable(path: string, thrown: unknown): KoraError {
  const busy = messageOf(thrown).includes("locked");
  return new KoraError(busy ? `${path} is in use` : `${path} cannot be used`, {
    code: busy ? "CEREMONY_LOCKED" : "CEREMONY_FILE_UNUSABLE",
    kind: "safety",
    why: busy ? "another kora dkg runs with this key" : messageOf(thrown),
    hint: busy
      ? "stop that process first"
      : "restore it from a backup, or move it away and use --force-restart",
    cause: thrown,
  });
}

function damaged(path: string): KoraError {
  return new KoraError(`${path} cannot be used`, {
    code: "BAD_CEREMONY_FILE",
    kind: "safety",
    why: "a record is damaged, or was written with another validator_key; nothing was changed",
    hint: "use the key and file that belong together, or begin a new round with --force-restart",
  });
}

/** Tables of a new file; an existing one is left exactly as it is. */
function createTables(database: Database): void {
  const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
  if (version > SCHEMA_VERSION) {
    throw new KoraError(`its format ${version} is newer than this program`, { code: "SCHEMA" });
  }
  if (version === SCHEMA_VERSION) return;
  if (version !== 0) throw new KoraError(`its format ${version} is of an older program`, { code: "SCHEMA" });
  database.transaction(() => {
    database.run(
      "CREATE TABLE records (chain TEXT, round INTEGER, log TEXT, seq INTEGER PRIMARY KEY AUTOINCREMENT, sealed BLOB NOT NULL)",
    );
    database.run("CREATE TABLE replacing (chain TEXT, round INTEGER, PRIMARY KEY (chain, round))");
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  })();
}

function openDatabase(path: string): Database {
  const fresh = !existsSync(path);
  const database = new Database(path, { create: true });
  try {
    if (fresh) chmodSync(path, SECRET_MODE);
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA busy_timeout = 0");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA secure_delete = ON");
    // Takes the lock that the mode above keeps until the file is closed.
    database.run("BEGIN EXCLUSIVE");
    database.run("COMMIT");
    createTables(database);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

interface Seal {
  close(context: Uint8Array, content: Uint8Array): Uint8Array;
  /** Undefined if the bytes were not sealed by this key in this context. */
  open(context: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** AES-256-GCM under a key derived from the identity's seed; the context is where the record stands. */
function createSeal(identitySeed: Uint8Array): Seal {
  const key = new Uint8Array(
    hkdfSync("sha256", identitySeed, utf8("KORA_CEREMONY_STORE"), new Uint8Array(0), 32),
  );
  return {
    close(context, content) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(context);
      return concatBytes(nonce, cipher.update(content), cipher.final(), cipher.getAuthTag());
    },
    open(context, sealed) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      try {
        const end = sealed.length - TAG_BYTES;
        const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
        decipher.setAAD(context).setAuthTag(sealed.subarray(end));
        return concatBytes(decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final());
      } catch {
        return undefined;
      }
    },
  };
}

function contextOf(chain: Hash, round: number, log: RecordLog): Uint8Array {
  return new Writer(64).raw(bytesOf(chain)).u64(round).bytes(utf8(log)).finish();
}

/** What is left of a ceremony's records once it is over: all that peers may still ask for, no secrets. */
export function withoutSecrets(records: readonly CeremonyRecord[]): CeremonyRecord[] {
  return records
    .filter((record) => record.kind !== "share" && record.kind !== "ack" && record.kind !== "log")
    .map((record) => (record.kind === "begin" ? { ...record, seed: new Uint8Array(SEED_BYTES) } : record));
}

/**
 * Opens the file, made if it is not there, for the holder of the identity with this seed. Throws CEREMONY_LOCKED and
 * CEREMONY_FILE_UNUSABLE, both refusals for safety.
 */
export function openCeremonyStore(path: string, identitySeed: Uint8Array): CeremonyStore {
  const guard: CeremonyGuard = openCeremonyGuard(guardFile(path));
  let database: Database;
  try {
    database = openDatabase(path);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
  const seal = createSeal(identitySeed);
  const insert: Statement = database.query(
    "INSERT INTO records (chain, round, log, sealed) VALUES (?, ?, ?, ?)",
  );
  const select: Statement<Row, [string, number, string]> = database.query(
    "SELECT seq, sealed FROM records WHERE chain = ? AND round = ? AND log = ? ORDER BY seq",
  );
  const put = (chain: Hash, round: number, log: RecordLog, content: Uint8Array): void => {
    insert.run(chain, round, log, seal.close(contextOf(chain, round, log), content));
  };
  /** Number of the last record ever written; erasing does not lower it. */
  const sequence = (): number => {
    const row = database.query("SELECT seq FROM sqlite_sequence WHERE name = 'records'").get();
    return (row as { seq: number } | null)?.seq ?? 0;
  };
  const behind = sequence() < guard.sequence;
  const bind = (chain: Hash, round: number): void => guard.advance(sequence(), chain, round);
  const read = (chain: Hash, round: number, log: RecordLog): Uint8Array[] =>
    select.all(chain, round, log).map(({ sealed }) => {
      const content = seal.open(contextOf(chain, round, log), sealed);
      if (content === undefined) throw damaged(path);
      return content;
    });
  return {
    lastRound(chain) {
      const rounds =
        "SELECT round FROM records WHERE chain = ?1 UNION SELECT round FROM replacing WHERE chain = ?1";
      const row = database.query(`SELECT max(round) AS last FROM (${rounds})`).get(chain);
      return Math.max((row as { last: number | null }).last ?? 0, guard.lastRound(chain));
    },
    isBehind: (chain) => behind && guard.lastRound(chain) > 0,
    replaces: (chain, round) =>
      database.query("SELECT 1 FROM replacing WHERE chain = ? AND round = ?").get(chain, round) !== null,
    beginReplacing(chain, round) {
      database.transaction(() => {
        database.run("INSERT OR IGNORE INTO replacing (chain, round) VALUES (?, ?)", [chain, round]);
        database.run("DELETE FROM records WHERE chain = ? AND round < ?", [chain, round]);
        // From here on this file is as good as the one that is lost: nothing of its rounds is said any more.
        const from = Math.max(sequence(), guard.sequence);
        database.run("DELETE FROM sqlite_sequence WHERE name = 'records'");
        database.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('records', ?)", [from]);
      })();
      bind(chain, round);
    },
    records: (chain, round) =>
      read(chain, round, "ceremony").map((content) => {
        try {
          return decodeCeremonyRecord(content);
        } catch {
          throw damaged(path);
        }
      }),
    entries: (chain, round) => read(chain, round, "agreement"),
    append: (chain, round, record) => {
      put(chain, round, "ceremony", encodeCeremonyRecord(record));
      if (BINDING.has(record.kind)) bind(chain, round);
    },
    appendEntries: (chain, round, entries) => {
      database.transaction(() => {
        for (const entry of entries) put(chain, round, "agreement", entry);
      })();
      bind(chain, round);
    },
    forget: (chain, round, kept) => {
      database.transaction(() => {
        database.run("DELETE FROM records WHERE chain = ? AND round = ? AND log = 'ceremony'", [
          chain,
          round,
        ]);
        for (const record of kept) put(chain, round, "ceremony", encodeCeremonyRecord(record));
      })();
    },
    [Symbol.dispose]: () => database.close(),
  };
}
