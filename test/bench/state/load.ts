// What the benches of the store share: keys, blocks over them, medians, and the naive baselines.
import { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { StateDb } from "#state/types.ts";
import type { AccountChange, StateChanges } from "#types/account.ts";
import { type Address, EMPTY_CODE_HASH, height, ZERO_HASH } from "#types/ids.ts";
import { recordOf } from "../../state/model.ts";

export function keyAt(i: number): Address {
  return `0x${i.toString(16).padStart(40, "0")}` as Address;
}

/** A block that writes accounts `keys`. */
export function blockOf(keys: readonly number[], version: number): StateChanges {
  const accounts = new Map<Address, AccountChange>();
  for (const i of keys) {
    const account = { nonce: BigInt(version), balance: 10n ** 18n + BigInt(i), codeHash: EMPTY_CODE_HASH };
    accounts.set(keyAt(i), { account, reset: false, storage: new Map() });
  }
  return { accounts, code: new Map() };
}

export interface Timing {
  /** Write list to root, ms. */
  readonly root: number;
  /** Durable commit and fold, ms. */
  readonly commit: number;
  /** WAL checkpoint after it, ms. */
  readonly checkpoint: number;
}

/** Prepares, commits and checkpoints one block. */
export function runBlock(db: StateDb, changes: StateChanges): Timing {
  const at = db.isEmpty ? 0 : db.head().height + 1;
  const start = performance.now();
  const batch = db.prepare(undefined, height(at), changes);
  const rooted = performance.now();
  const record = recordOf(at, batch.root, at === 0 ? ZERO_HASH : db.head().hash);
  const sealed = performance.now();
  db.commit([{ batch, record }]);
  const committed = performance.now();
  db.checkpoint();
  const checkpointed = performance.now();
  return { root: rooted - start, commit: committed - sealed, checkpoint: checkpointed - committed };
}

const LOAD_STEP = 50_000;

/** Grows the store to `keys` keys. */
export function loadKeys(db: StateDb, from: number, keys: number): void {
  for (let i = from; i < keys; i += LOAD_STEP) {
    runBlock(
      db,
      blockOf(
        Array.from({ length: Math.min(LOAD_STEP, keys - i) }, (_, j) => i + j),
        0,
      ),
    );
    process.stderr.write(`\rloaded ${Math.min(keys, i + LOAD_STEP)} of ${keys} keys   `);
  }
  process.stderr.write("\n");
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;
}
export const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface Baseline {
  /** Time of one block of updates, ms. */
  block(keys: readonly number[], version: number): number;
  close(): void;
}

const sha = (data: Uint8Array): Uint8Array => Bun.SHA256.hash(data) as Uint8Array;

/** The naive store: rows in a SQLite table, and a sorted Merkle tree over all of them rebuilt per block. */
export function openNaive(directory: string, keys: number): Baseline {
  const database = new Database(join(directory, "naive.db"));
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  database.run("CREATE TABLE state(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
  const upsert = database.prepare("INSERT OR REPLACE INTO state VALUES (?, ?)");
  const hashed = Array.from({ length: keys }, (_, i) => sha(new TextEncoder().encode(keyAt(i))));
  const order = hashed
    .map((key, i) => ({ key: Buffer.from(key), i }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  const place = new Uint32Array(keys);
  order.forEach(({ i }, at) => {
    place[i] = at;
  });
  let width = 1;
  while (width < keys) width *= 2;
  const leaves = new Uint8Array(width * 32);
  const value = (i: number, version: number): Uint8Array =>
    createHash("sha256").update(`${i} ${version}`).digest().subarray(0, 57);
  const put = (i: number, version: number): void => {
    const bytes = value(i, version);
    upsert.run(hashed[i]!, bytes);
    leaves.set(sha(bytes), place[i]! * 32);
  };
  database.transaction(() => {
    for (const { i } of order) put(i, 0);
  })();
  const rebuild = (): Uint8Array => {
    let level = leaves;
    while (level.length > 32) {
      const above = new Uint8Array(level.length / 2);
      for (let at = 0; at < above.length; at += 32) {
        Bun.SHA256.hash(level.subarray(2 * at, 2 * at + 64), above.subarray(at, at + 32));
      }
      level = above;
    }
    return level;
  };
  return {
    block(touched, version) {
      const start = performance.now();
      database.transaction(() => {
        for (const i of touched) put(i, version);
      })();
      rebuild();
      return performance.now() - start;
    },
    close: () => database.close(),
  };
}

/** SQLite alone: rows of the same size appended and committed at FULL, nothing hashed. */
export function openRaw(directory: string): Baseline {
  const database = new Database(join(directory, "raw.db"));
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = FULL");
  database.run("CREATE TABLE rows(id INTEGER PRIMARY KEY, key BLOB, value BLOB)");
  const insert = database.prepare("INSERT INTO rows(key, value) VALUES (?, ?)");
  const key = crypto.getRandomValues(new Uint8Array(32));
  const value = new Uint8Array(57);
  return {
    block(touched) {
      const start = performance.now();
      database.transaction(() => {
        for (const _ of touched) insert.run(key, value);
      })();
      return performance.now() - start;
    },
    close: () => database.close(),
  };
}
