// The store against a plain-map model and the naive reference root: random blocks, forks, rollbacks, restarts, prunes.
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { openStateDb, openStateReader } from "#state/state.ts";
import { createTemporaryDirectory } from "#state/temporary.ts";
import type { Finalized, LogQuery, StateBatch, StateDb, StateReader } from "#state/types.ts";
import type { AccountChange, StateChanges } from "#types/account.ts";
import { EMPTY_CODE_HASH, height, ZERO_HASH } from "#types/ids.ts";
import { testFolders } from "../support/lifetimes.ts";
import { createRng, type Rng } from "../support/rng.ts";
import {
  addressAt,
  applyChanges,
  EMPTY_MODEL,
  type Model,
  randomChanges,
  recordOf,
  slotAt,
} from "./model.ts";
import { REFERENCE_EMPTY, type RefState, referenceBlock } from "./reference.ts";

const scratch = testFolders();

/** One block in the model's world. */
interface Point {
  readonly model: Model;
  readonly reference: RefState;
}
const START: Point = { model: EMPTY_MODEL, reference: REFERENCE_EMPTY };

function step(point: Point, changes: StateChanges): Point {
  const at = point.model.height + 1;
  const model = applyChanges(point.model, at, changes);
  return { model, reference: referenceBlock(point.reference, at, model.values) };
}

function expectReads(reader: StateReader, { accounts }: Model, span: number): void {
  for (let i = 0; i < span; i++) {
    const who = addressAt(i);
    const account = accounts.get(who);
    const read = reader.account(who);
    expect(read?.balance).toBe(account?.balance);
    expect(read?.nonce).toBe(account?.nonce);
    expect(read?.codeHash).toBe(account?.codeHash);
    expect(reader.hasStorage(who)).toBe((account?.storage.size ?? 0) > 0);
    for (let s = 0; s < span; s++) {
      const value = account?.storage.get(slotAt(s));
      expect(reader.storage(who, slotAt(s)).toHex()).toBe(value?.toHex() ?? "");
    }
    if (read !== undefined)
      expect(reader.code(read.codeHash).length > 0).toBe(read.codeHash !== EMPTY_CODE_HASH);
  }
}

function finalize(db: StateDb, batches: readonly StateBatch[]): void {
  let parentHash = db.isEmpty ? ZERO_HASH : db.head().hash;
  const blocks: Finalized[] = [];
  for (const batch of batches) {
    const record = recordOf(batch.height, batch.root, parentHash);
    blocks.push({ batch, record });
    parentHash = record.hash;
  }
  db.commit(blocks);
}

/** Shuffled copy: the order of entries must not matter. */
function shuffled(rng: Rng, { accounts, code }: StateChanges): StateChanges {
  return { accounts: new Map(rng.shuffle([...accounts])), code };
}

const SPAN = 12;

function campaign(seed: number, blocks: number, size: number, span: number): void {
  const rng = createRng(seed);
  const directory = scratch();
  let db = openStateDb({ directory });
  const points: Point[] = [];
  let oldest = 0;
  const tip = (): Point => points[points.length - 1] ?? START;
  const reopen = (): void => {
    db.close();
    db = openStateDb({ directory });
  };
  while (points.length < blocks) {
    const roll = rng.unit();
    if (roll < 0.08 && points.length > 2) {
      reopen();
    } else if (roll < 0.14 && points.length > 3) {
      const to = Math.max(oldest, points.length - 1 - rng.below(8));
      db.rollback(height(to));
      points.length = to + 1;
      expect(db.head().root).toBe(tip().reference.root as never);
    } else if (roll < 0.17 && points.length > 10) {
      oldest = Math.max(oldest, points.length - 1 - rng.below(10));
      db.prune(height(oldest));
    } else {
      // A stack of speculative blocks, with a losing sibling beside each.
      const depth = 1 + rng.below(3);
      const batches: StateBatch[] = [];
      let point = tip();
      for (let i = 0; i < depth; i++) {
        const at = height(point.model.height + 1);
        const parent = batches[batches.length - 1];
        const loser = db.prepare(parent, at, randomChanges(rng, point.model, rng.below(size), span));
        const changes = randomChanges(rng, point.model, rng.below(size), span);
        point = step(point, changes);
        const batch = db.prepare(parent, at, changes);
        expect(batch.root).toBe(point.reference.root as never);
        expect(db.prepare(parent, at, shuffled(rng, changes)).root).toBe(batch.root);
        if (rng.chance(0.2)) expectReads(batch, point.model, span);
        expect(loser.height).toBe(at);
        batches.push(batch);
        points.push(point);
      }
      if (rng.chance(0.5)) for (const batch of batches) finalize(db, [batch]);
      else finalize(db, batches);
      expect(db.head().root).toBe(point.reference.root as never);
    }
    if (rng.chance(0.1) && points.length > 0) {
      expectReads(db.latest(), tip().model, span);
      const at = oldest + rng.below(points.length - oldest);
      expectReads(db.at(height(at)), points[at]!.model, span);
      const reader = openStateReader(join(directory, "chain.db"));
      expectReads(reader.at(height(at)), points[at]!.model, span);
      expectReads(reader.latest(), tip().model, span);
      reader.close();
    }
  }
  reopen();
  expectReads(db.latest(), tip().model, span);
  db.close();
}

describe("model", () => {
  test.each([1, 2, 3])("small random chains, seed %d", (seed) => {
    campaign(seed, 60, 8, SPAN);
  });

  test("a small chain of a new seed", () => {
    const seed = Date.now() % 0x1_0000_0000;
    console.log(`seed ${seed}`);
    campaign(seed, 60, 1 + (seed % 30), 4 + (seed % 17));
  });
});

describe("edges", () => {
  const NOTHING: StateChanges = { accounts: new Map(), code: new Map() };
  const account = (n: number): AccountChange => ({
    account: { nonce: BigInt(n), balance: 1n, codeHash: EMPTY_CODE_HASH },
    reset: false,
    storage: new Map([[slotAt(1), Uint8Array.of(n + 1)]]),
  });
  const one = (change: AccountChange): StateChanges => ({
    accounts: new Map([[addressAt(1), change]]),
    code: new Map(),
  });

  test("an empty genesis has the sentinel's root, an empty block its parent's", () => {
    const db = openStateDb({ directory: undefined });
    expect(db.isEmpty).toBe(true);
    expect(() => db.head()).toThrow("no block yet");
    const genesis = db.prepare(undefined, height(0), NOTHING);
    expect(genesis.root).toBe(referenceBlock(REFERENCE_EMPTY, 0, new Map()).root as never);
    const child = db.prepare(genesis, height(1), NOTHING);
    expect(child.root).toBe(genesis.root);
    finalize(db, [genesis, child]);
    expect(db.head().root).toBe(genesis.root);
    db.close();
  });

  test("a removed and re-created account has none of its old slots, in one block and over two", () => {
    const db = openStateDb({ directory: undefined });
    const created = db.prepare(undefined, height(0), one(account(1)));
    const reset = one({ ...account(2), reset: true, storage: new Map() });
    const inOne = db.prepare(created, height(1), reset);
    expect(inOne.storage(addressAt(1), slotAt(1)).length).toBe(0);
    expect(inOne.hasStorage(addressAt(1))).toBe(false);
    const removed = db.prepare(
      created,
      height(1),
      one({ account: undefined, reset: true, storage: new Map() }),
    );
    expect(removed.account(addressAt(1))).toBeUndefined();
    const again = db.prepare(removed, height(2), one({ ...account(3), storage: new Map() }));
    expect(again.storage(addressAt(1), slotAt(1)).length).toBe(0);
    finalize(db, [created, removed, again]);
    expect(db.latest().storage(addressAt(1), slotAt(1)).length).toBe(0);
    expect(db.at(height(0)).storage(addressAt(1), slotAt(1))).toEqual(Uint8Array.of(2));
    db.close();
  });

  test("a batch of a branch that lost is refused, one that won reads on", () => {
    const db = openStateDb({ directory: undefined });
    finalize(db, [db.prepare(undefined, height(0), one(account(1)))]);
    const winner = db.prepare(undefined, height(1), one(account(2)));
    const loser = db.prepare(undefined, height(1), one(account(3)));
    const child = db.prepare(winner, height(2), one(account(4)));
    finalize(db, [winner]);
    expect(() => loser.account(addressAt(1))).toThrow("lost");
    expect(() => db.prepare(loser, height(2), NOTHING)).toThrow("lost");
    expect(() => finalize(db, [loser])).toThrow("another block is final");
    expect(winner.account(addressAt(1))?.nonce).toBe(2n);
    expect(child.account(addressAt(1))?.nonce).toBe(4n);
    finalize(db, [child]);
    expect(winner.account(addressAt(1))?.nonce).toBe(2n);
    expect(child.parent).toBeUndefined();
    db.rollback(height(0));
    expect(() => winner.account(addressAt(1))).toThrow("lost");
    expect(db.latest().account(addressAt(1))?.nonce).toBe(1n);
    db.close();
  });

  test("commit is idempotent, and refuses what does not fit", () => {
    const db = openStateDb({ directory: undefined });
    const batch = db.prepare(undefined, height(0), one(account(1)));
    const record = recordOf(0, batch.root, ZERO_HASH);
    db.commit([{ batch, record }]);
    db.commit([{ batch, record }]);
    expect(db.head().height).toBe(height(0));
    const next = db.prepare(undefined, height(1), one(account(2)));
    expect(() => db.commit([{ batch: next, record: recordOf(1, batch.root, db.head().hash) }])).toThrow(
      "state root",
    );
    expect(() => db.commit([{ batch: next, record: recordOf(1, next.root, ZERO_HASH) }])).toThrow("parent");
    db.commit([{ batch: next, record: recordOf(1, next.root, db.head().hash) }]);
    expect(db.latest().account(addressAt(1))?.nonce).toBe(2n);
    db.close();
  });

  test("a pruned height is refused with the oldest that is held", () => {
    const db = openStateDb({ directory: undefined });
    for (let at = 0; at < 6; at++) finalize(db, [db.prepare(undefined, height(at), one(account(at)))]);
    db.prune(height(4));
    expect(db.archive.oldestState()).toBe(height(4));
    try {
      db.at(height(3));
      throw new Error("it was readable");
    } catch (error) {
      expect(error).toMatchObject({ code: "STATE_PRUNED", details: { height: 3, oldest: 4 } });
    }
    expect(db.at(height(4)).account(addressAt(1))?.nonce).toBe(4n);
    expect(() => db.rollback(height(3))).toThrow("pruned");
    expect(() => db.rollback(height(9))).toThrow("no block at height 9");
    db.rollback(height(4));
    expect(db.latest().account(addressAt(1))?.nonce).toBe(4n);
    db.close();
  });

  test("blocks, transactions and logs are found, and gone after a rollback", () => {
    const db = openStateDb({ directory: undefined });
    finalize(db, [db.prepare(undefined, height(0), NOTHING)]);
    const batch = db.prepare(undefined, height(1), one(account(1)));
    const emitter = addressAt(7);
    const transaction = {
      hash: slotAt(99),
      sender: addressAt(3),
      to: emitter,
      created: undefined,
      nonce: 5n,
    };
    const topics = [slotAt(1), slotAt(2)];
    const record = recordOf(1, batch.root, db.head().hash, {
      certificate: Uint8Array.of(1, 2),
      transactions: [transaction],
      logs: [
        { transactionIndex: 0, logIndex: 0, address: emitter, topics },
        { transactionIndex: 0, logIndex: 1, address: addressAt(8), topics: [slotAt(1)] },
      ],
    });
    db.commit([{ batch, record }]);
    const { archive } = db;
    const query = { from: height(0), to: height(9), addresses: [], topics: [], limit: 10 };
    const found = (more: Partial<LogQuery>): number[] =>
      archive.logs({ ...query, ...more }).map(({ logIndex }) => logIndex);
    expect(archive.block(height(1))?.certificate).toEqual(Uint8Array.of(1, 2));
    expect(archive.heightOf(record.hash)).toBe(height(1));
    expect(archive.transaction(transaction.hash)).toEqual({ height: height(1), index: 0 });
    expect(archive.transactionBySender(addressAt(3), 5n)).toBe(transaction.hash);
    expect(found({})).toEqual([0, 1]);
    expect(found({ addresses: [emitter, addressAt(9)] })).toEqual([0]);
    expect(found({ topics: [[slotAt(1)]] })).toEqual([0, 1]);
    expect(found({ topics: [[], [slotAt(2)]] })).toEqual([0]);
    expect(found({ topics: [[], []] })).toEqual([0]);
    expect(found({ topics: [[slotAt(1)], []] })).toEqual([0]);
    expect(found({ topics: [[], [], []] })).toEqual([]);
    expect(found({ addresses: [addressAt(8)], topics: [[slotAt(1)], [slotAt(2)]] })).toEqual([]);
    expect(found({ limit: 0 })).toEqual([0]);
    expect(found({ to: height(0) })).toEqual([]);
    db.rollback(height(0));
    expect(archive.block(height(1))).toBeUndefined();
    expect(archive.transaction(transaction.hash)).toBeUndefined();
    expect(archive.transactionBySender(addressAt(3), 5n)).toBeUndefined();
    expect(found({})).toEqual([]);
    expect(found({ topics: [[slotAt(1)]] })).toEqual([]);
    db.close();
  });

  test("a reader sees what is committed, and that a chain was rolled back under it", () => {
    const directory = scratch();
    const path = join(directory, "chain.db");
    expect(() => openStateReader(path)).toThrow("cannot open");
    const db = openStateDb({ directory });
    const reader = openStateReader(path);
    expect(() => reader.latest()).toThrow("no block yet");
    for (let at = 0; at < 3; at++) finalize(db, [db.prepare(undefined, height(at), one(account(at)))]);
    const tip = reader.latest();
    expect(tip.account(addressAt(1))?.nonce).toBe(2n);
    expect(() => reader.at(height(3))).toThrow("no block at height 3");
    db.rollback(height(1));
    finalize(db, [db.prepare(undefined, height(2), one(account(7)))]);
    expect(() => tip.account(addressAt(1))).toThrow("rolled back");
    expect(reader.latest().account(addressAt(1))?.nonce).toBe(7n);
    reader.close();
    db.close();
  });

  test("notes are kept; a temporary store is gone when closed, and swept after a kill", () => {
    const directory = scratch();
    let db = openStateDb({ directory });
    db.notes.set("policy", Uint8Array.of(7));
    db.notes.set("empty", new Uint8Array(0));
    db.notes.set("gone", Uint8Array.of(1));
    db.notes.set("gone", undefined);
    db.close();
    db = openStateDb({ directory });
    expect(db.notes.get("policy")).toEqual(Uint8Array.of(7));
    expect(db.notes.get("empty")).toEqual(new Uint8Array(0));
    expect(db.notes.get("gone")).toBeUndefined();
    db.close();
    const root = scratch();
    mkdirSync(join(root, "kora-999999999-abcdef"));
    mkdirSync(join(root, "kora-unrelated"));
    const temporary = createTemporaryDirectory(root);
    expect(readdirSync(root).sort()).toEqual([basename(temporary.path), "kora-unrelated"].sort());
    temporary.remove();
    expect(readdirSync(root)).toEqual(["kora-unrelated"]);
  });
});

test("a longer chain crosses twigs, floors and merges", () => {
  campaign(4, 120, 60, 36);
}, 60_000);
