// The upkeep of the store: long reads make a pause when the write-ahead log could not begin anew for long; and the gate
// that they pass.
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { createQueue } from "#lib/queue.ts";
import { createMetrics } from "#node/metrics.ts";
import { createGate, type Gate } from "#node/reads/gate.ts";
import { MAX_LOG_BYTES, startUpkeep } from "#node/upkeep.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import { height, ZERO_HASH } from "#types/ids.ts";
import { recordOf } from "../state/model.ts";
import { until } from "../support/kora.ts";
import { testFolders } from "../support/lifetimes.ts";

const folder = testFolders();

test("whoever passes the gate is left to end, and those who come meanwhile wait", async () => {
  const gate = createGate();
  const story: string[] = [];
  const held = Promise.withResolvers<void>();
  const pass = (name: string, until?: Promise<void>): Promise<unknown> =>
    gate.pass(async () => {
      story.push(`${name} in`);
      await until;
      story.push(`${name} out`);
    });
  const alone = (name: string): Promise<unknown> => gate.whenEmpty(async () => void story.push(name));
  const first = pass("first", held.promise);
  const closing = alone("alone");
  const second = pass("second");
  const again = alone("alone again");
  await Bun.sleep(0);
  expect(story).toEqual(["first in"]);
  held.resolve();
  await Promise.all([first, closing, second, again]);
  expect(story.slice(0, 3)).toEqual(["first in", "first out", "alone"]);
  expect(new Set(story.slice(3))).toEqual(new Set(["second in", "second out", "alone again"]));
  // What fails lets go too.
  const failing = async (): Promise<never> => {
    throw new Error("failed");
  };
  await expect(gate.pass(failing)).rejects.toThrow("failed");
  await expect(gate.whenEmpty(failing)).rejects.toThrow("failed");
  expect(await gate.pass(async () => 7)).toBe(7);
  expect(await gate.whenEmpty(async () => 8)).toBe(8);
});

/** Upkeep over a store that gets no blocks, with its checkpoints. */
function upkeepOver(gate: Gate, checkpoint: () => number): AsyncDisposable {
  const state = {
    head: () => ({ height: height(1), hash: ZERO_HASH, root: ZERO_HASH }),
    checkpoint,
    prune() {},
    archive: { oldestState: () => height(0) },
  } as unknown as StateDb;
  const fail = (error: unknown): never => {
    throw error;
  };
  const chain = { application: { exclusive: createQueue() } };
  return startUpkeep({ chain, state, metrics: createMetrics(), longReads: gate, history: "archive", fail });
}

test("a log that grows past its bound is moved while no long read stands on it", async () => {
  const gate = createGate();
  const read = Promise.withResolvers<void>();
  const reading = gate.pass(() => read.promise);
  const answers = [MAX_LOG_BYTES, ...Array(3).fill(MAX_LOG_BYTES + 1)];
  let checkpoints = 0;
  await using _upkeep = upkeepOver(gate, () => answers[checkpoints++] ?? 0);
  // At the bound nobody has to wait; past it the next checkpoint waits for the read.
  await until("the log has grown", () => checkpoints === 2);
  const late = gate.pass(async () => checkpoints);
  await Bun.sleep(0);
  expect(checkpoints).toBe(2);
  read.resolve();
  await reading;
  expect(await late).toBe(3);
  // Moved, and not written to since: nobody has to wait for it again.
  const staying = Promise.withResolvers<void>();
  const stays = gate.pass(() => staying.promise);
  await until("it is looked at again", () => checkpoints > 3);
  expect(await gate.pass(async () => "open")).toBe("open");
  staying.resolve();
  await stays;
});

/** A store with its genesis, a write of a hundred kilobytes or more, and the length of the log's file. */
function grownStore() {
  const db = openStateDb({ directory: folder() });
  const batch = db.prepare(undefined, height(0), { accounts: new Map(), code: new Map() });
  db.commit([{ batch, record: recordOf(0, batch.root, ZERO_HASH) }]);
  db.checkpoint();
  const write = (): void => db.notes.set("filler", new Uint8Array(100_000));
  return { db, write, logFile: () => statSync(`${db.path}-wal`).size };
}

/** A connection of its own, to begin and end reads of the newest state with. */
function readerOf(path: string) {
  const database = new Database(path);
  return {
    begin: () => {
      database.run("BEGIN");
      database.query("SELECT height FROM meta").get();
    },
    end: () => database.run("COMMIT"),
    close: () => database.close(),
  };
}

test("a checkpoint tells how long the log is; the next write begins it anew where no reader stands on it", () => {
  const { db, write, logFile } = grownStore();
  const lengths: number[] = [];
  for (let round = 0; round < 5; round++) {
    write();
    lengths.push(db.checkpoint());
  }
  const log = logFile();
  expect(Math.max(...lengths.slice(1))).toBeLessThan(2 * 110_000);
  const reader = readerOf(db.path);
  reader.begin();
  for (let round = 0; round < 5; round++) write();
  expect(db.checkpoint()).toBeGreaterThan(500_000);
  const grown = logFile();
  expect(grown).toBeGreaterThan(log + 400_000);
  reader.end();
  // Whoever reads what is all moved does not stand on the log.
  db.checkpoint();
  reader.begin();
  write();
  reader.end();
  expect(db.checkpoint()).toBeLessThan(2 * 110_000);
  expect(logFile()).toBe(grown);
  reader.close();
  db.close();
});

test("readers of the newest state that follow each other let the log grow, and the checkpoint tells", () => {
  const { db, write, logFile } = grownStore();
  let [one, other] = [readerOf(db.path), readerOf(db.path)];
  write();
  one.begin();
  let last = 0;
  for (let round = 0; round < 10; round++) {
    write();
    one.end();
    other.begin();
    const told = db.checkpoint();
    expect(told).toBeGreaterThan(last + 90_000);
    last = told;
    [one, other] = [other, one];
  }
  one.end();
  // A pause between them is enough.
  expect(db.checkpoint()).toBe(last);
  const grown = logFile();
  one.begin();
  write();
  expect(db.checkpoint()).toBeLessThan(2 * 110_000);
  expect(logFile()).toBe(grown);
  for (const reader of [one, other]) reader.close();
  db.close();
});
