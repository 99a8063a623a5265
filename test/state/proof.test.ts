// Proofs against the model: inclusion, absence, earlier heights, manifests; and every mutated byte fails.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareBytes } from "#lib/bytes.ts";
import { accountKey } from "#state/format.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import {
  decodeManifest,
  decodeProof,
  encodeManifest,
  leftRootOfOps,
  rootOfManifest,
  verifyState,
} from "#state/verify.ts";
import type { AccountChange } from "#types/account.ts";
import { type Address, bytesOf, EMPTY_CODE_HASH, type Hash, height, ZERO_HASH } from "#types/ids.ts";
import { createRng } from "../support/rng.ts";
import {
  addressAt,
  applyChanges,
  EMPTY_MODEL,
  type Model,
  randomChanges,
  recordOf,
  slotAt,
} from "./model.ts";

const SPAN = 60;
const BLOCKS = 140;
const SLOTS = Array.from({ length: SPAN }, (_, i) => slotAt(i));

let directory: string;
let db: StateDb;
const models: Model[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kora-test-proof-"));
  db = openStateDb({ directory });
  const rng = createRng(20);
  let model = EMPTY_MODEL;
  for (let at = 0; at < BLOCKS; at++) {
    const changes = randomChanges(rng, model, 20, SPAN);
    model = applyChanges(model, at, changes);
    const batch = db.prepare(undefined, height(at), changes);
    db.commit([{ batch, record: recordOf(at, batch.root, at === 0 ? ZERO_HASH : db.head().hash) }]);
    models.push(model);
  }
});
afterAll(() => {
  db.close();
  rmSync(directory, { recursive: true, force: true });
});

function expectProven(root: Hash, model: Model, i: number, slots: readonly Hash[], at?: number): void {
  const who = addressAt(i);
  const proof = db.prove(who, slots, at === undefined ? undefined : height(at));
  const { account, slots: values } = verifyState(root, who, slots, decodeProof(proof), at);
  const expected = model.accounts.get(who);
  expect(account?.balance).toBe(expected?.balance);
  expect(account?.nonce).toBe(expected?.nonce);
  expect(account?.codeHash).toBe(expected?.codeHash);
  slots.forEach((slot, s) => {
    expect(values[s]!.toHex()).toBe(expected?.storage.get(slot)?.toHex() ?? "");
  });
}

describe("proofs", () => {
  test("of everything there is and is not", () => {
    expect(decodeManifest(db.manifest()).floorSN).toBeGreaterThan(2048);
    for (let i = 0; i < SPAN + 5; i++) expectProven(db.head().root, models[BLOCKS - 1]!, i, SLOTS);
  });

  test("of every account at every earlier height", () => {
    for (let at = 0; at < BLOCKS; at += 7) {
      for (let i = 0; i < SPAN + 2; i += 3) {
        expectProven(db.head().root, models[at]!, i, SLOTS.slice(i % 7, (i % 7) + 3), at);
      }
    }
  });

  test("no mutated byte passes", () => {
    const rng = createRng(21);
    const present = [...models[BLOCKS - 1]!.accounts.keys()][0]!;
    const absent = addressAt(SPAN + 9);
    const old = [...models[20]!.accounts.keys()][1]!;
    const cases = [
      { who: present, slots: SLOTS.slice(0, 1), at: undefined },
      { who: absent, slots: [], at: undefined },
      { who: old, slots: [], at: 20 },
    ];
    for (const { who, slots, at } of cases) {
      const honest = db.prove(who, slots, at === undefined ? undefined : height(at));
      verifyState(db.head().root, who, slots, decodeProof(honest), at);
      for (let i = 0; i < honest.length; i++) {
        const forged = honest.slice();
        forged[i] = forged[i]! ^ (1 + rng.below(255));
        expect(() => verifyState(db.head().root, who, slots, decodeProof(forged), at)).toThrow();
      }
      expect(() => decodeProof(honest.subarray(0, honest.length - 1))).toThrow();
      expect(() => decodeProof(Uint8Array.of(...honest, 0))).toThrow();
    }
  });

  test("a proof says nothing about another key, height or root", () => {
    const at = 30;
    const changed = [...models[BLOCKS - 1]!.accounts.keys()].find(
      (who) => models[at]!.accounts.get(who)?.balance !== models[BLOCKS - 1]!.accounts.get(who)?.balance,
    )!;
    const then = decodeProof(db.prove(changed, [], height(at)));
    expect(() => verifyState(db.head().root, changed, [], then)).toThrow();
    expect(() => verifyState(db.head().root, changed, [], then, BLOCKS - 1)).toThrow();
    expect(() => verifyState(ZERO_HASH, changed, [], then, at)).toThrow();
    for (const none of [Number.NaN, -1, at + 0.5, Number.POSITIVE_INFINITY]) {
      expect(() => verifyState(db.head().root, changed, [], then, none)).toThrow("no such height");
    }
    const now = decodeProof(db.prove(changed, []));
    expect(() => verifyState(db.head().root, addressAt(0), [], now)).toThrow();
  });

  test("a proof that would take too long to make is refused", () => {
    const crowd = openStateDb({ directory: undefined });
    const account = { nonce: 1n, balance: 1n, codeHash: EMPTY_CODE_HASH };
    const grow = (at: number, from: number, to: number): void => {
      const accounts = new Map<Address, AccountChange>();
      for (let i = from; i < to; i++)
        accounts.set(addressAt(i), { account, reset: false, storage: new Map() });
      const batch = crowd.prepare(undefined, height(at), { accounts, code: new Map() });
      crowd.commit([{ batch, record: recordOf(at, batch.root, at === 0 ? ZERO_HASH : crowd.head().hash) }]);
    };
    grow(0, 0, 1);
    grow(1, 1, 5_000);
    // The last key of all: everything that came since lies before it.
    const last = Array.from({ length: 9_000 }, (_, i) => addressAt(i)).reduce((a, b) =>
      compareBytes(accountKey(a), accountKey(b)) > 0 ? a : b,
    );
    expect(() => crowd.prove(last, [], height(0))).toThrow("too long");
    for (const at of [undefined, 1]) {
      const proof = decodeProof(crowd.prove(last, [], at === undefined ? undefined : height(at)));
      expect(verifyState(crowd.head().root, last, [], proof, at).account?.nonce).toBe(
        crowd.latest().account(last)?.nonce,
      );
    }
    crowd.close();
  });

  test("a manifest alone gives the root, and its twigs' ops give their left roots", () => {
    const manifest = decodeManifest(db.manifest());
    expect(rootOfManifest(manifest).toHex()).toBe(bytesOf(db.head().root).toHex());
    const first = Math.floor(manifest.floorSN / 2048);
    manifest.twigs.forEach(({ left }, i) => {
      expect(leftRootOfOps(db.twigOps(first + i)).toHex()).toBe(left.toHex());
    });
    const bytes = encodeManifest(manifest);
    const rng = createRng(22);
    for (let i = 0; i < bytes.length; i += 7) {
      const forged = bytes.slice();
      forged[i] = forged[i]! ^ (1 + rng.below(255));
      let root = "";
      try {
        root = rootOfManifest(decodeManifest(forged)).toHex();
      } catch {
        continue;
      }
      expect(root).not.toBe(bytesOf(db.head().root).toHex());
    }
  });
});
