// Where transactions are: by hash, by sender and nonce, and by the addresses they concern. One row a block says who its
// transactions are, in the order of the chain; a log-structured index of fingerprints (history.ts) leads to numbers of
// transactions, so that a block appends instead of touching a page for each. What a fingerprint finds is confirmed.
import { type Address, bytesOf, type Hash, type Height, hash, height } from "#types/ids.ts";
import { HistoryIndex, type HistoryReader, openHistoryReader } from "./history.ts";
import type { RunTables } from "./runs.ts";
import type { Fingerprinter } from "./siphash.ts";
import type { Store } from "./store.ts";
import type { PageQuery, TransactionPosition, TransactionRow } from "./types.ts";

/** Tables of the fingerprints. */
const TABLES: RunTables = { runs: "position_runs", chunks: "position_chunks", recent: "position_recent" };

/** A transaction in its block's row: hash, sender, whom else it concerns (zeros for nobody), nonce. */
const SENDER_AT = 32;
const OTHER_AT = 52;
const NONCE_AT = 72;
const RECORD_BYTES = 80;

/** Entries of a transaction in the index, numbered from four times its own number. */
const BY_HASH = 0;
const BY_SENDER = 1;
const BY_OTHER = 2;
const BY_NONCE = 3;
const ENTRIES = 4;

/** The last byte of the key of an address, or of a sender with a nonce behind it. A hash is a key as it is. */
const TAG_ADDRESS = 1;
const TAG_NONCE = 2;
const KEY_BYTES = 32;
const ADDRESS_BYTES = 20;

function addressKey(address: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key.set(address);
  key[KEY_BYTES - 1] = TAG_ADDRESS;
  return key;
}

function nonceKey(sender: Uint8Array, nonce: bigint): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key.set(sender);
  new DataView(key.buffer).setBigUint64(ADDRESS_BYTES, nonce);
  key[KEY_BYTES - 1] = TAG_NONCE;
  return key;
}

const sameAt = (record: Uint8Array, at: number, bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i++) if (record[at + i] !== bytes[i]) return false;
  return true;
};

/** Fingerprints as both sides need them: the function and where it leaves its result. */
export interface Fingerprints {
  readonly fingerprint: Fingerprinter;
  readonly fingerprintOut: Uint32Array;
}

/** Finds transactions of final blocks. */
export interface PositionReader {
  byHash(digest: Hash): { readonly height: Height; readonly index: number } | undefined;
  bySender(sender: Address, nonce: bigint): Hash | undefined;
  /** Those that an address sent, received or was created by, newest first. */
  page(query: PageQuery): readonly TransactionPosition[];
}

interface Found extends TransactionPosition {
  readonly record: Uint8Array;
}

/** The read side over `store`. */
export function openPositionReader(
  store: Store,
  { fingerprint, fingerprintOut }: Fingerprints,
): PositionReader {
  const history: HistoryReader = openHistoryReader(store, fingerprint, fingerprintOut, TABLES);
  const blockOf = store.prepare(
    `SELECT height, first, substr(records, 1 + (?1 - first) * ${RECORD_BYTES}, ${RECORD_BYTES})
       FROM positions WHERE first <= ?1 ORDER BY first DESC LIMIT 1`,
  );
  const firstFrom = store.prepare("SELECT first FROM positions WHERE height >= ? ORDER BY height LIMIT 1");

  const read = (number: number): Found => {
    const [at, first, record] = blockOf.get(number) ?? [];
    if (!(record instanceof Uint8Array) || record.length !== RECORD_BYTES) {
      throw store.corrupt(`the index of transactions names transaction ${number}, which is not there`);
    }
    return {
      height: height(at as number),
      index: number - (first as number),
      hash: hash(record.subarray(0, SENDER_AT)),
      record,
    };
  };
  /** Entries under `key` with numbers from `from` to below `to`, the highest first, that `fits` confirms. */
  function* search(
    key: Uint8Array,
    from: number,
    to: number,
    fits: (entry: number, record: Uint8Array) => boolean,
  ): Generator<Found> {
    for (let at = history.before(key, to); at >= from; at = history.before(key, at)) {
      const found = read(Math.floor(at / ENTRIES));
      if (fits(at % ENTRIES, found.record)) yield found;
    }
  }
  const first = (key: Uint8Array, fits: (entry: number, record: Uint8Array) => boolean) =>
    store.read(() => search(key, 0, Number.MAX_SAFE_INTEGER, fits).next().value as Found | undefined);
  /** Number of the first entry of the transaction at `index` of the block at `at`, or of the one after that block. */
  const entryAt = (at: number, index: number): number => {
    const from = firstFrom.get(at)?.[0];
    return typeof from === "number" ? (from + index) * ENTRIES : Number.MAX_SAFE_INTEGER;
  };
  return {
    byHash(digest) {
      const key = bytesOf(digest);
      const found = first(key, (entry, record) => entry === BY_HASH && sameAt(record, 0, key));
      return found && { height: found.height, index: found.index };
    },
    bySender(sender, nonce) {
      const key = nonceKey(bytesOf(sender), nonce);
      const [from, count] = [key.subarray(0, ADDRESS_BYTES), key.subarray(ADDRESS_BYTES, ADDRESS_BYTES + 8)];
      return first(
        key,
        (entry, record) =>
          entry === BY_NONCE && sameAt(record, SENDER_AT, from) && sameAt(record, NONCE_AT, count),
      )?.hash;
    },
    page: ({ address, from, to, before, limit }) =>
      store.read(() => {
        const who = bytesOf(address);
        const until =
          before !== undefined && before.height <= to
            ? entryAt(before.height, before.index)
            : entryAt(to + 1, 0);
        const fits = (entry: number, record: Uint8Array): boolean =>
          (entry === BY_SENDER && sameAt(record, SENDER_AT, who)) ||
          (entry === BY_OTHER && sameAt(record, OTHER_AT, who));
        const found: TransactionPosition[] = [];
        if (limit === 0) return found;
        for (const { record: _, ...position } of search(addressKey(who), entryAt(from, 0), until, fits)) {
          if (found.push(position) === limit) break;
        }
        return found;
      }),
  };
}

/** Writes where transactions are, inside a running transaction. */
export interface PositionWriter {
  add(height: number, transactions: readonly TransactionRow[]): void;
  removeAbove(height: number): void;
  /** The transaction failed: nothing of it holds. */
  abandon(): void;
}

/** The write side over `store`, one at most. */
export function openPositionWriter(
  store: Store,
  { fingerprint, fingerprintOut }: Fingerprints,
): PositionWriter {
  const index = new HistoryIndex(store, fingerprint, fingerprintOut, TABLES, () => 0);
  const insert = store.prepare("INSERT INTO positions(height, first, records) VALUES (?, ?, ?)");
  const last = store.prepare(
    `SELECT first + length(records) / ${RECORD_BYTES} FROM positions ORDER BY height DESC LIMIT 1`,
  );
  /** Number of the next transaction; undefined when it has to be looked up. */
  let next: number | undefined;
  const nextNumber = (): number => next ?? (last.get()?.[0] as number | undefined) ?? 0;

  function encode(
    row: TransactionRow,
    records: Uint8Array,
    at: number,
    marks: Uint32Array,
    slot: number,
  ): void {
    const [id, sender] = [bytesOf(row.hash), bytesOf(row.sender)];
    const other = row.to ?? row.created;
    const mark = (entry: number, key: Uint8Array): void => {
      fingerprint(key, 0);
      marks.set(fingerprintOut, slot + 2 * entry);
    };
    records.set(id, at);
    records.set(sender, at + SENDER_AT);
    const nonce = nonceKey(sender, row.nonce);
    records.set(nonce.subarray(ADDRESS_BYTES, ADDRESS_BYTES + 8), at + NONCE_AT);
    mark(BY_HASH, id);
    mark(BY_SENDER, addressKey(sender));
    mark(BY_NONCE, nonce);
    // A fingerprint is never zero: an entry that stays so is found by nobody.
    if (other === undefined || other === row.sender) return;
    const bytes = bytesOf(other);
    records.set(bytes, at + OTHER_AT);
    mark(BY_OTHER, addressKey(bytes));
  }
  return {
    add(height, transactions) {
      const count = transactions.length;
      if (count === 0) return;
      const start = nextNumber();
      const records = new Uint8Array(count * RECORD_BYTES);
      const marks = new Uint32Array(count * ENTRIES * 2);
      for (const [i, row] of transactions.entries()) {
        encode(row, records, i * RECORD_BYTES, marks, i * ENTRIES * 2);
      }
      insert.run(height, start, records);
      index.append(start * ENTRIES, marks);
      next = start + count;
    },
    removeAbove(height) {
      const first = store
        .prepare("SELECT first FROM positions WHERE height > ? ORDER BY height LIMIT 1")
        .get(height)?.[0];
      if (typeof first !== "number") return;
      store.prepare("DELETE FROM positions WHERE height > ?").run(height);
      index.truncate(first * ENTRIES);
      next = undefined;
    },
    abandon() {
      next = undefined;
      index.abandon();
    },
  };
}
