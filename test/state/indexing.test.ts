// Missing indexes under kill -9: each new process goes on where the last one stood, and in the end all tables are those
// of a store whose indexes were never switched off.
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHAIN_DB, openStateDb } from "#state/state.ts";
import type { Finalized } from "#state/types.ts";
import { EMPTY_CODE_HASH, height, ZERO_HASH } from "#types/ids.ts";
import { createRng } from "../support/rng.ts";
import { blockRows } from "./crash/rows.ts";
import { addressAt, recordOf } from "./model.ts";

const CHILD = join(import.meta.dir, "crash", "indexing-child.ts");
const BLOCKS = 1_500;
/** More than there are slices, of some forty: a round that makes no way is one killed before its first slice. */
const MOST_ROUNDS = 100;

function commitChain(directory: string, seed: number, indexes: boolean): void {
  const db = openStateDb({ directory, indexes });
  for (let at = 0; at < BLOCKS; ) {
    const blocks: Finalized[] = [];
    let parentHash = at === 0 ? ZERO_HASH : db.head().hash;
    for (; blocks.length < 100; at++) {
      const account = { nonce: BigInt(at), balance: 1n, codeHash: EMPTY_CODE_HASH };
      const change = { account, reset: false, storage: new Map() };
      const changes = { accounts: new Map([[addressAt(0), change]]), code: new Map() };
      const batch = db.prepare(blocks.at(-1)?.batch, height(at), changes);
      const record = recordOf(at, batch.root, parentHash, blockRows(seed, at));
      blocks.push({ batch, record });
      parentHash = record.hash;
    }
    db.commit(blocks);
  }
  db.close();
}

/** Lets a child work until it has told `told` steps, kills it `delay` ms later, and answers its last word. */
async function killedAfter(directory: string, seed: number, told: number, delay: number): Promise<string> {
  const child = Bun.spawn([process.execPath, CHILD, directory, String(seed)], { stdout: "pipe" });
  let text = "";
  let armed = false;
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (armed || text.split("\n").length <= told) continue;
    armed = true;
    if (delay === 0) child.kill("SIGKILL");
    else setTimeout(() => child.kill("SIGKILL"), delay);
  }
  await child.exited;
  return text.split("\n").at(-2) ?? "";
}

function rowsIn(directory: string, table: string): unknown[] {
  using db = new Database(join(directory, CHAIN_DB), { readonly: true });
  return db.query(`SELECT * FROM ${table} ORDER BY 1, 2, 3`).values();
}

test("killed again and again, it ends with the indexes of a node that always had them", async () => {
  const seed = Number(process.env["KORA_FUZZ_SEED"] ?? Date.now() % 1_000_000);
  console.log(`KORA_FUZZ_SEED=${seed}`);
  const rng = createRng(seed);
  const directory = mkdtempSync(join(tmpdir(), "kora-test-indexing-"));
  const [gap, whole] = [join(directory, "gap"), join(directory, "whole")];
  try {
    commitChain(gap, seed, false);
    commitChain(whole, seed, true);
    const reached = new Set<number>();
    let last = "";
    for (let round = 0; last !== "done"; round++) {
      expect(round).toBeLessThan(MOST_ROUNDS);
      // At first as soon as can be, at the first word or the second: on a fast machine there is little to interrupt.
      const [told, delay] = round < 6 ? [1 + (round % 2), 0] : [1 + rng.below(9), rng.below(9)];
      last = await killedAfter(gap, seed, told, delay);
      if (last !== "done") {
        // Never back behind what was committed.
        expect(Number(last)).toBeGreaterThanOrEqual(Math.max(0, ...reached));
        reached.add(Number(last));
      }
    }
    expect(reached.size).toBeGreaterThan(2);
    for (const table of ["transfers", "logs", "log_terms", "positions"]) {
      const rows = rowsIn(whole, table);
      expect(rows.length).toBeGreaterThan(BLOCKS / 2);
      expect(rowsIn(gap, table)).toEqual(rows);
    }
    const built = openStateDb({ directory: gap });
    const fresh = openStateDb({ directory: whole });
    for (let at = 0; at < BLOCKS; at += 7) {
      for (const [index, { hash, sender, nonce }] of blockRows(seed, at).transactions.entries()) {
        expect(built.archive.transaction(hash)).toEqual({ height: height(at), index });
        expect(built.archive.transactionBySender(sender, nonce)).toBe(hash);
      }
    }
    const page = { address: addressAt(1), from: height(0), to: height(BLOCKS), limit: 1_000 };
    expect(built.archive.transactionsOf(page)).toEqual(fresh.archive.transactionsOf(page));
    expect(built.archive.transfersOf(page)).toEqual(fresh.archive.transfersOf(page));
    built.close();
    fresh.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
