// The store against a plain-map model and the naive reference root: random blocks, forks, rollbacks, restarts, prunes.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, type Rng } from "#lib/rng.ts";
import { openStateDb, openStateReader } from "#state/state.ts";
import type { Finalized, StateBatch, StateDb, StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import { EMPTY_CODE_HASH, height, ZERO_HASH } from "#types/ids.ts";
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

const directories: string[] = [];
function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), "kora-test-state-"));
  directories.push(path);
  return path;
}
afterEach(() => {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
});

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
});
