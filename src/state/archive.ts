// Reads of finalized blocks and of the indexes derived from them. Each call sees one SQLite snapshot.
import { keccakHash } from "#crypto/hash.ts";
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { address, bytesOf, type Hash, type Height, hash, height } from "#types/ids.ts";
import { type BlockParts, blockChecksum } from "./checksum.ts";
import type { IndexGap } from "./index-gap.ts";
import { transferKind } from "./parties.ts";
import { type Fingerprints, openPositionReader } from "./positions.ts";
import type { Row, Store, Value } from "./store.ts";
import {
  type Archive,
  type LogPosition,
  type LogQuery,
  MAX_PAGE,
  type PageQuery,
  type StoredBlock,
  type TransferPosition,
} from "./types.ts";

/** Addresses and topics of one log query. */
export const MAX_LOG_TERMS = 10_000;
/** Index entries counted per term to find the most selective condition. */
const ESTIMATE_LIMIT = 1_000;
/** Terms per condition that are counted. */
const ESTIMATE_TERMS = 16;

/** Index term of a log's address, or of the topic at `position`. */
export function logTerm(bytes: Uint8Array, position?: number): Uint8Array {
  const term = new Uint8Array(1 + bytes.length);
  term[0] = position === undefined ? 0 : 1 + position;
  term.set(bytes, 1);
  return term;
}

/** One condition of a log query: any of `values` in `column`, found in the index as `terms`. */
interface Condition {
  readonly column: string;
  readonly values: readonly Uint8Array[];
  readonly terms: readonly Uint8Array[];
}

function conditionsOf(query: LogQuery): Condition[] {
  const conditions: Condition[] = [];
  const add = (column: string, values: readonly Uint8Array[], position?: number): void => {
    if (values.length === 0) return;
    conditions.push({ column, values, terms: values.map((value) => logTerm(value, position)) });
  };
  add("l.address", query.addresses.map(bytesOf));
  query.topics.forEach((topics, i) => {
    add(`substr(l.topics, ${1 + 32 * i}, 32)`, topics.map(bytesOf), i);
  });
  const total = conditions.reduce((sum, condition) => sum + condition.values.length, 0);
  assert(total <= MAX_LOG_TERMS, `a log query names at most ${MAX_LOG_TERMS} addresses and topics`);
  return conditions;
}

const marks = (values: readonly unknown[]): string => values.map(() => "?").join(", ");

function queryLogs(store: Store, query: LogQuery): readonly LogPosition[] {
  const conditions = conditionsOf(query);
  const count = store.prepare(
    `SELECT count(*) FROM (SELECT 1 FROM log_terms WHERE term = ? AND height BETWEEN ? AND ?
       LIMIT ${ESTIMATE_LIMIT})`,
  );
  const cost = (condition: Condition): number =>
    condition.terms
      .slice(0, ESTIMATE_TERMS)
      .reduce((sum, term) => sum + (count.get(term, query.from, query.to)?.[0] as number), 0) +
    condition.terms.length;
  const ranked = conditions.map((condition) => ({ condition, cost: cost(condition) }));
  ranked.sort((a, b) => a.cost - b.cost);
  const driver = ranked[0]?.condition;
  const values: Value[] = [];
  let sql = "SELECT l.height, l.position, l.log FROM ";
  if (driver === undefined) {
    sql += "logs l WHERE l.height BETWEEN ? AND ?";
    values.push(query.from, query.to);
  } else {
    sql += `log_terms t JOIN logs l ON l.height = t.height AND l.log = t.log
      WHERE t.term IN (${marks(driver.terms)}) AND t.height BETWEEN ? AND ?`;
    values.push(...driver.terms, query.from, query.to);
  }
  for (const condition of conditions) {
    if (condition === driver) continue;
    sql += ` AND ${condition.column} IN (${marks(condition.values)})`;
    values.push(...condition.values);
  }
  // Positions that ask for nothing still ask that the log has them.
  if (query.topics.length > 0) sql += ` AND length(l.topics) >= ${32 * query.topics.length}`;
  sql += " ORDER BY 1, 3 LIMIT ?";
  values.push(query.limit + 1);
  return store
    .prepare(sql)
    .all(...values)
    .map(([at, position, log]) => ({
      height: height(at as number),
      transactionIndex: position as number,
      logIndex: log as number,
    }));
}

/** Rows of `sql` for one page: a query of an address column and the position (`index`) within a block. */
function page(
  store: Store,
  sql: string,
  index: string,
  query: PageQuery,
  more: readonly Value[],
): readonly Row[] {
  const { from, to, before, limit } = query;
  assert(limit >= 0 && limit <= MAX_PAGE, `a page has at most ${MAX_PAGE} results`);
  const last = before ?? { height: to, index: Number.MAX_SAFE_INTEGER };
  const bounds = `x.height BETWEEN ? AND ? AND (x.height, ${index}) < (?, ?)`;
  return store
    .prepare(`${sql} AND ${bounds} ORDER BY x.height DESC, ${index} DESC LIMIT ?`)
    .all(bytesOf(query.address), ...more, from, Math.min(to, last.height), last.height, last.index, limit);
}

function queryTransfers(
  store: Store,
  query: Parameters<Archive["transfersOf"]>[0],
): readonly TransferPosition[] {
  const { token } = query;
  const sql = `SELECT x.height, x.log, l.position, l.address, l.topics FROM transfers x CROSS JOIN logs l
    ON l.height = x.height AND l.log = x.log WHERE x.holder = ?${token === undefined ? "" : " AND l.address = ?"}`;
  const rows = page(store, sql, "x.log", query, token === undefined ? [] : [bytesOf(token)]);
  return rows.map(([at, log, position, emitter, topics]) => {
    const kind = transferKind(topics as Uint8Array);
    if (kind === undefined) throw store.corrupt(`the index of transfers names log ${log} of block ${at}`);
    return {
      height: height(at as number),
      logIndex: log as number,
      transactionIndex: position as number,
      token: address(emitter as Uint8Array),
      kind,
    };
  });
}

/** The archive of `store`, whose indexes lack what is in `gap`. */
export function openArchive(
  store: Store,
  fingerprints: Fingerprints,
  gap: Pick<IndexGap, "from" | "refusal">,
): Archive {
  const positions = openPositionReader(store, fingerprints);
  const block = store.prepare(
    "SELECT checksum, hash, header, certificate, seed, inputs, receipts, body FROM blocks WHERE height = ?",
  );
  const named = store.prepare("SELECT hash, header FROM blocks WHERE height = ?");
  const heightOf = store.prepare("SELECT height FROM heights WHERE hash = ?");
  const oldest = store.prepare("SELECT oldest FROM meta");
  /** What `find` answers for heights up to `to`, all of which the indexes must know. */
  const throughout = <T>(to: number, find: () => T): T =>
    store.read(() => {
      const from = gap.from();
      if (from !== undefined && to >= from) throw gap.refusal(from);
      return find();
    });
  /** What `find` answers, for which there is nothing to find only where the indexes are whole. */
  const anywhere = <T>(find: () => T | undefined): T | undefined =>
    store.read(() => {
      const found = find();
      const from = found === undefined ? gap.from() : undefined;
      if (from !== undefined) throw gap.refusal(from);
      return found;
    });
  return {
    block(at): StoredBlock | undefined {
      const row = block.get(at);
      if (row === undefined) return undefined;
      const [checksum, ...parts] = row;
      const sound = parts.every((part) => part === null || part instanceof Uint8Array);
      if (!sound || blockChecksum(at, parts as BlockParts) !== checksum) {
        throw store.corrupt(`the row of block ${at} fails its checksum`);
      }
      const [digest, header, certificate, seed, inputs, receipts, body] = parts as BlockParts;
      return {
        height: at,
        hash: hash(digest as Uint8Array),
        header: header as Uint8Array,
        body: body as Uint8Array,
        receipts: receipts as Uint8Array,
        certificate: certificate ?? undefined,
        seed: seed ?? undefined,
        inputs: inputs ?? undefined,
      };
    },
    hashAt(at): Hash | undefined {
      const row = named.get(at);
      if (row === undefined) return undefined;
      const [digest, header] = row;
      // Where the row's checksum is not looked at, what the hash is of stands in for it.
      const found = header instanceof Uint8Array ? keccakHash(header) : undefined;
      if (found !== undefined && digest instanceof Uint8Array && equalBytes(bytesOf(found), digest))
        return found;
      throw store.corrupt(`the header of block ${at} does not have the block's hash`);
    },
    heightOf(digest): Height | undefined {
      const row = heightOf.get(bytesOf(digest));
      return row === undefined ? undefined : height(row[0] as number);
    },
    transaction: (digest) => anywhere(() => positions.byHash(digest)),
    transactionBySender: (sender, nonce) => anywhere(() => positions.bySender(sender, nonce)),
    logs: (query) => throughout(query.to, () => queryLogs(store, query)),
    transactionsOf(query) {
      assert(query.limit >= 0 && query.limit <= MAX_PAGE, `a page has at most ${MAX_PAGE} results`);
      return throughout(query.to, () => positions.page(query));
    },
    transfersOf: (query) => throughout(query.to, () => queryTransfers(store, query)),
    oldestState: () => height(oldest.get()?.[0] as number),
  };
}
