// Transactions found by hash and by sender and nonce, against plain maps: blocks of all sizes, so that entries gather,
// become runs and are merged; rollbacks, a failed commit, and a reader beside the owner.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHAIN_DB, openStateDb, openStateReader } from "#state/state.ts";
import type { Archive, StateDb, TransactionRow } from "#state/types.ts";
import { type Address, type Hash, hash, height, ZERO_HASH } from "#types/ids.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { addressAt, recordOf } from "./model.ts";

const SENDERS = 7;

interface Placed extends TransactionRow {
  readonly height: number;
  readonly index: number;
}

const changes = { accounts: new Map(), code: new Map() };

function grow(db: StateDb, rng: Rng, chain: Placed[][], to: number): void {
  while (chain.length < to) {
    const at = chain.length;
    const sizes = [0, 1, 5, 60, 300, 700] as const;
    const transactions = Array.from(
      { length: sizes[rng.below(sizes.length)] as number },
      (_, index): Placed => {
        const [sender, to] = [addressAt(rng.below(SENDERS)), addressAt(rng.below(SENDERS))];
        const nonce = BigInt(at) * 1_000n + BigInt(index);
        return { hash: hash(rng.bytes(32)), sender, to, created: undefined, nonce, height: at, index };
      },
    );
    const batch = db.prepare(undefined, height(at), changes);
    const parent = db.isEmpty ? ZERO_HASH : db.head().hash;
    const record = recordOf(at, batch.root, parent, { transactions, logs: [] });
    // A commit that fails leaves nothing behind, in the database or in what the writer remembers.
    const log = {
      transactionIndex: 0,
      logIndex: 0,
      address: addressAt(0),
      topics: undefined as unknown as Hash[],
    };
    const hopeless = { batch, record: { ...record, logs: [log] } };
    if (rng.chance(0.1)) expect(() => db.commit([hopeless])).toThrow();
    db.commit([{ batch, record }]);
    chain.push(transactions);
  }
}

function expectFound(archive: Archive, chain: readonly Placed[][], rng: Rng): void {
  const all = chain.flat();
  for (let i = 0; i < 200; i++) {
    const one = all[rng.below(all.length)] as Placed;
    expect(archive.transaction(one.hash) as unknown).toEqual({ height: one.height, index: one.index });
    expect(archive.transactionBySender(one.sender, one.nonce)).toBe(one.hash);
    expect(archive.transactionBySender(addressAt(SENDERS), one.nonce)).toBeUndefined();
  }
  expect(archive.transaction(hash(rng.bytes(32)))).toBeUndefined();
  const address = addressAt(rng.below(SENDERS));
  const page = { address, from: height(0), to: height(chain.length), limit: 100, before: undefined };
  const mine = all.filter(({ sender, to }) => sender === address || to === address).reverse();
  const found: readonly { readonly hash: Hash }[] = archive.transactionsOf(page);
  expect(found.map((each) => each.hash)).toEqual(mine.slice(0, 100).map((each) => each.hash));
}

function expectGone(archive: Archive, gone: readonly Placed[]): void {
  for (const { hash: id, sender, nonce } of gone.slice(0, 50)) {
    expect(archive.transaction(id)).toBeUndefined();
    expect(archive.transactionBySender(sender, nonce)).toBeUndefined();
  }
}

test("every transaction is found at its place, and none that was rolled back", () => {
  const seed = Date.now() % 0x1_0000_0000;
  console.log(`seed ${seed}`);
  const rng = createRng(seed);
  const directory = mkdtempSync(join(tmpdir(), "kora-test-"));
  let db = openStateDb({ directory });
  const reader = (): ReturnType<typeof openStateReader> => openStateReader(join(directory, CHAIN_DB));
  const chain: Placed[][] = [];
  grow(db, rng, chain, 60);
  expectFound(db.archive, chain, rng);
  const beside = reader();
  expectFound(beside.archive, chain, rng);
  for (const to of [41, 40, 20]) {
    db.rollback(height(to));
    expectGone(db.archive, chain.splice(to + 1).flat());
    expectFound(db.archive, chain, rng);
    grow(db, rng, chain, to + 20);
    expectFound(db.archive, chain, rng);
    expectFound(beside.archive, chain, rng);
  }
  beside.close();
  db.close();
  db = openStateDb({ directory });
  grow(db, rng, chain, 60);
  expectFound(db.archive, chain, rng);
  db.close();
  rmSync(directory, { recursive: true });
});

test("a transaction to oneself is one of the address's once", () => {
  const db = openStateDb({ directory: undefined });
  const [me, other]: [Address, Address] = [addressAt(1), addressAt(2)];
  const row = { created: undefined, nonce: 0n };
  const transactions = [
    { ...row, hash: hash(`0x${"11".repeat(32)}`), sender: me, to: me },
    { ...row, hash: hash(`0x${"22".repeat(32)}`), sender: other, to: undefined, created: me },
  ];
  const batch = db.prepare(undefined, height(0), changes);
  db.commit([{ batch, record: recordOf(0, batch.root, ZERO_HASH, { transactions, logs: [] }) }]);
  const page = { address: me, from: height(0), to: height(9), limit: 10, before: undefined };
  expect(db.archive.transactionsOf(page).map(({ index }) => index)).toEqual([1, 0]);
  expect(db.archive.transactionsOf({ ...page, limit: 1 }).map(({ index }) => index)).toEqual([1]);
  expect(db.archive.transactionsOf({ ...page, limit: 0 })).toEqual([]);
  db.close();
});
