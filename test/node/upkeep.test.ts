// The upkeep of the store: long reads make a pause when the write-ahead log could not begin anew for long; and the gate
// that they pass.
import { expect, test } from "bun:test";
import { createQueue } from "#lib/queue.ts";
import { createMetrics } from "#node/metrics.ts";
import { createGate, type Gate } from "#node/reads/gate.ts";
import { MAX_LOG_BYTES, startUpkeep } from "#node/upkeep.ts";
import { openStateDb } from "#state/state.ts";
import { openStore } from "#state/store.ts";
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

test("no more than a bound wait at the gate", async () => {
  const gate = createGate();
  const held = Promise.withResolvers<void>();
  const closing = gate.whenEmpty(() => held.promise);
  const outcomes = Promise.allSettled(Array.from({ length: 1_030 }, (_, i) => gate.pass(async () => i)));
  held.resolve();
  await closing;
  const refused = (await outcomes).filter(({ status }) => status === "rejected");
  expect(refused.length).toBe(6);
  expect(refused[0]).toMatchObject({ reason: { code: "READS_BUSY" } });
});

/** Upkeep over a store whose checkpoints answer `growing`. */
function upkeepOver(gate: Gate, checkpoint: () => number): AsyncDisposable {
  let head = 1;
  const state = {
    head: () => ({ height: height(head++), hash: ZERO_HASH, root: ZERO_HASH }),
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
  const answers = [MAX_LOG_BYTES, MAX_LOG_BYTES + 1, 0, 0];
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
});

test("a checkpoint tells of a log that a reader keeps from beginning anew", () => {
  const directory = folder();
  const db = openStateDb({ directory });
  const batch = db.prepare(undefined, height(0), { accounts: new Map(), code: new Map() });
  db.commit([{ batch, record: recordOf(0, batch.root, ZERO_HASH) }]);
  expect(db.checkpoint()).toBe(0);
  const write = (): void => db.notes.set("filler", new Uint8Array(100_000));
  write();
  let during = 0;
  const reader = openStore(db.path, { mode: "reader", synchronous: "FULL" });
  reader.read(() => {
    reader.prepare("SELECT height FROM meta").get();
    write();
    during = db.checkpoint();
  });
  expect(during).toBeGreaterThan(100_000);
  expect(db.checkpoint()).toBe(0);
  reader.close();
  db.close();
});
