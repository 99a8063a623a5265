// The indexes by address against a plain list: random transactions and Transfer logs, pages, rollbacks, gaps.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStateDb } from "#state/state.ts";
import type { IndexRows, LogRow, StateDb, TokenKind, TransactionRow } from "#state/types.ts";
import { MAX_PAGE } from "#state/types.ts";
import {
  type Address,
  EMPTY_CODE_HASH,
  type Hash,
  type Height,
  hash,
  height,
  ZERO_HASH,
} from "#types/ids.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { addressAt, recordOf } from "./model.ts";

const SPAN = 6;
const word = (who: Address): Hash => hash(`0x${"0".repeat(24)}${who.slice(2)}`);
const TRANSFER = hash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const SINGLE = hash("0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
const BATCH = hash("0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb");

function randomTopics(rng: Rng): { topics: Hash[]; kind: TokenKind | undefined; holders: Address[] } {
  const from = addressAt(rng.below(SPAN));
  const to = addressAt(rng.below(SPAN));
  const [a, b, operator] = [word(from), word(to), word(addressAt(SPAN + 1))];
  const holders = [from, to];
  switch (rng.below(7)) {
    case 0:
      return { topics: [TRANSFER, a, b], kind: "erc20", holders };
    case 1:
      return { topics: [TRANSFER, a, b, ZERO_HASH], kind: "erc721", holders };
    case 2:
      return { topics: [SINGLE, operator, a, b], kind: "erc1155", holders };
    case 3:
      return { topics: [BATCH, operator, a, b], kind: "erc1155", holders };
    case 4:
      return { topics: [SINGLE, a, b], kind: undefined, holders: [] };
    case 5:
      return { topics: [TRANSFER, a], kind: undefined, holders: [] };
    default:
      return { topics: [], kind: undefined, holders: [] };
  }
}

interface ModelTransaction {
  readonly height: number;
  readonly index: number;
  readonly hash: Hash;
  readonly parties: readonly Address[];
}
interface ModelTransfer {
  readonly height: number;
  readonly logIndex: number;
  readonly transactionIndex: number;
  readonly token: Address;
  readonly kind: TokenKind;
  readonly holders: readonly Address[];
}
interface Block {
  readonly rows: IndexRows;
  readonly transactions: readonly ModelTransaction[];
  readonly transfers: readonly ModelTransfer[];
}

function randomBlock(rng: Rng, at: number): Block {
  const transactions: TransactionRow[] = [];
  const logs: LogRow[] = [];
  const mine: ModelTransaction[] = [];
  const transfers: ModelTransfer[] = [];
  for (let index = 0; index < rng.below(4); index++) {
    const sender = addressAt(rng.below(SPAN));
    const to = rng.chance(0.8) ? addressAt(rng.below(SPAN)) : undefined;
    const created = to === undefined ? addressAt(rng.below(SPAN)) : undefined;
    const id = hash(rng.bytes(32));
    transactions.push({ hash: id, sender, to, created, nonce: BigInt(at * 8 + index) });
    const parties = [sender, to, created].filter((who) => who !== undefined);
    mine.push({ height: at, index, hash: id, parties });
    for (let i = rng.below(4); i > 0; i--) {
      const { topics, kind, holders } = randomTopics(rng);
      const token = addressAt(100 + rng.below(2));
      const logIndex = logs.length;
      logs.push({ transactionIndex: index, logIndex, address: token, topics });
      const transfer = { height: at, logIndex, transactionIndex: index, token };
      if (kind !== undefined) transfers.push({ ...transfer, kind, holders });
    }
  }
  return { rows: { transactions, logs }, transactions: mine, transfers };
}

/** All results for one address, fetched page by page. */
function paged<T extends { readonly height: number }>(
  fetch: (before: { height: number; index: number } | undefined) => readonly T[],
  indexOf: (item: T) => number,
): T[] {
  const all: T[] = [];
  for (;;) {
    const last = all[all.length - 1];
    const page = fetch(last && { height: last.height, index: indexOf(last) });
    all.push(...page);
    if (page.length === 0) return all;
  }
}

function expectSame({ archive }: StateDb, chain: readonly Block[], limit: number): void {
  const from = Math.min(2, Math.max(0, chain.length - 1));
  const range = { from: height(from), to: height(chain.length + 5), limit };
  for (let i = 0; i < SPAN; i++) {
    const address = addressAt(i);
    const transactions = paged(
      (before) => archive.transactionsOf({ ...range, address, before: before as never }),
      ({ index }) => index,
    );
    const expected = chain.slice(from).flatMap((block) => block.transactions);
    const mine = expected.filter(({ parties }) => parties.includes(address));
    expect(transactions as unknown).toEqual(mine.map(({ parties: _, ...rest }) => rest).reverse());
    for (const token of [undefined, addressAt(100)]) {
      const transfers = paged(
        (before) => archive.transfersOf({ ...range, address, token, before: before as never }),
        ({ logIndex }) => logIndex,
      );
      const moved = chain
        .slice(from)
        .flatMap((block) => block.transfers)
        .filter((at) => at.holders.includes(address) && (token === undefined || at.token === token));
      expect(transfers as unknown).toEqual(moved.map(({ holders: _, ...rest }) => rest).reverse());
    }
  }
}

function grow(db: StateDb, rng: Rng, chain: Block[], to: number): void {
  while (chain.length < to) {
    const at = chain.length;
    const account = { nonce: BigInt(at), balance: BigInt(rng.u32()), codeHash: EMPTY_CODE_HASH };
    const change = { account, reset: false, storage: new Map() };
    const changes = { accounts: new Map([[addressAt(0), change]]), code: new Map() };
    const batch = db.prepare(undefined, height(at), changes);
    const block = randomBlock(rng, at);
    const parent = db.isEmpty ? ZERO_HASH : db.head().hash;
    db.commit([{ batch, record: recordOf(at, batch.root, parent, block.rows) }]);
    chain.push(block);
  }
}

test("transactions and transfers of an address, in pages, through rollbacks", () => {
  const seed = Date.now() % 0x1_0000_0000;
  console.log(`seed ${seed}`);
  const rng = createRng(seed);
  const db = openStateDb({ directory: undefined });
  const chain: Block[] = [];
  grow(db, rng, chain, 40);
  expectSame(db, chain, 3);
  db.rollback(height(25));
  chain.length = 26;
  expectSame(db, chain, 100);
  grow(db, rng, chain, 40);
  expectSame(db, chain, 7);
  const query = { from: height(0), to: height(9), address: addressAt(0), limit: MAX_PAGE + 1 };
  expect(() => db.archive.transactionsOf(query)).toThrow("at most");
  db.close();
});

/** Looks up all transactions of `chain`; those of blocks from `gap` on are not found, nor said to be absent. */
function expectLookups({ archive }: StateDb, chain: readonly Block[], gap: number): void {
  for (const { transactions, rows } of chain) {
    for (const [i, { height: at, index, hash: id }] of transactions.entries()) {
      const { sender, nonce } = rows.transactions[i] as TransactionRow;
      if (at >= gap) {
        expect(() => archive.transaction(id)).toThrow(`it reaches block ${gap - 1} of`);
        expect(() => archive.transactionBySender(sender, nonce)).toThrow("being built");
      } else {
        expect(archive.transaction(id) as unknown).toEqual({ height: at, index });
        expect(archive.transactionBySender(sender, nonce)).toBe(id);
      }
    }
  }
}

test("blocks committed while they were switched off are added in slices, and asked for in vain until then", () => {
  const seed = Date.now() % 0x1_0000_0000;
  console.log(`seed ${seed}`);
  const rng = createRng(seed);
  const directory = mkdtempSync(join(tmpdir(), "kora-test-indexes-"));
  const chain: Block[] = [];
  const rowsOf = (at: number): IndexRows => (chain[at] as Block).rows;
  const open = (indexes: boolean): StateDb => openStateDb({ directory, indexes });
  const grown = (indexes: boolean, by: number): void => {
    const db = open(indexes);
    grow(db, rng, chain, chain.length + by);
    db.close();
  };
  grown(true, 20);
  grown(false, 400);
  const db = open(true);
  expect(db.unindexed as number).toBe(20);
  const wide = { address: addressAt(0), from: height(0), limit: 5, addresses: [], topics: [] };
  for (const method of ["logs", "transactionsOf", "transfersOf"] as const) {
    db.archive[method]({ ...wide, to: height(19) });
    expect(() => db.archive[method]({ ...wide, to: height(20) })).toThrow("it reaches block 19 of 419");
  }
  // What comes meanwhile waits for its turn.
  grow(db, rng, chain, 430);
  const gaps = [db.unindexed];
  while (db.unindexed !== undefined) {
    expectLookups(db, chain.slice(-40), db.unindexed);
    expect(() =>
      db.indexSome(() => {
        throw new Error("stopped");
      }),
    ).toThrow("stopped");
    expect(db.unindexed).toBe(gaps[gaps.length - 1] as Height);
    db.indexSome(rowsOf);
    gaps.push(db.unindexed);
  }
  expect(gaps.length).toBeGreaterThan(2);
  expectLookups(db, chain, chain.length);
  expectSame(db, chain, MAX_PAGE);
  // And what comes now is added at once.
  grow(db, rng, chain, 440);
  expectSame(db, chain, 50);
  db.close();
  // A rollback below the gap takes it along.
  grown(false, 30);
  const back = open(true);
  expect(back.unindexed as number).toBe(440);
  back.rollback(height(430));
  chain.length = 431;
  expect(back.unindexed as number).toBe(431);
  grow(back, rng, chain, 440);
  back.indexSome(rowsOf);
  expect(back.unindexed).toBeUndefined();
  expectLookups(back, chain, chain.length);
  expectSame(back, chain, 50);
  back.close();
  rmSync(directory, { recursive: true, force: true });
});

test("switched off, nothing is kept, nor asked for", () => {
  const rng = createRng(5);
  const db = openStateDb({ directory: undefined, indexes: false });
  const chain: Block[] = [];
  grow(db, rng, chain, 10);
  expect(db.unindexed).toBeUndefined();
  db.indexSome(() => {
    throw new Error("nothing is to be built");
  });
  expect(() => expectSame(db, chain, 10)).toThrow("is switched off: it reaches no block of 9");
  db.close();
});
