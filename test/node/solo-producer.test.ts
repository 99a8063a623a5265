// Consensus of one node on a real chain: blocks on demand, idle silence, crashes between the two databases, rollbacks.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { positionOf } from "#chain/header-rules.ts";
import { keccakHash } from "#crypto/hash.ts";
import { createSoloProducer, type SoloProducer } from "#node/consensus/solo.ts";
import { createMetrics, type Metrics } from "#node/metrics.ts";
import { decodeCertificate } from "#types/certificate.ts";
import { height } from "#types/ids.ts";
import { openTestChain, type TestChain, transfer } from "../support/chain.ts";
import { atEndOfTest, testFolders } from "../support/lifetimes.ts";

const directory = testFolders();
const atEnd = atEndOfTest();

interface Solo {
  readonly chain: TestChain;
  readonly producer: SoloProducer;
  readonly metrics: Metrics;
  close(): void;
}

function open(path: string | undefined): Solo {
  const chain = openTestChain(path === undefined ? {} : { directory: path });
  const journal = path === undefined ? undefined : join(path, "consensus.db");
  const metrics = createMetrics();
  const producer = createSoloProducer({
    chain,
    journal,
    metrics,
    fail: (error) => {
      throw error;
    },
  });
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    producer[Symbol.dispose]();
    chain.close();
  };
  atEnd(close);
  return { chain, producer, metrics, close };
}

let now = 2_000;
const make = (solo: Solo) => solo.producer.makeBlock({ now: now++, buildMs: Number.POSITIVE_INFINITY });

describe("a committee of one", () => {
  test("makes the block that is asked for, with what waits in the pool", async () => {
    const solo = open(undefined);
    const signed = transfer({ from: 1, nonce: 0 });
    await solo.chain.service.submitTx(signed.raw, "client");
    const block = await make(solo);
    expect(block.transactions.map(({ hash }) => hash)).toEqual([signed.hash]);
    expect(positionOf(block.header)).toEqual({ epoch: 0, view: 1, parentView: 0 });
    expect(solo.chain.ledger.tip().hash).toBe(block.hash);
    const next = await make(solo);
    expect(positionOf(next.header)).toEqual({ epoch: 0, view: 2, parentView: 1 });
  });

  test("prevrandao is the hash of the parent round's seed, kept in the journal's certificate (R13)", async () => {
    const path = directory();
    const solo = open(path);
    const first = await make(solo);
    const second = await make(solo);
    using database = new Database(join(path, "consensus.db"), { readonly: true });
    const row = database
      .query("SELECT certificate FROM certificates WHERE view = 1 AND kind = 'finalize'")
      .get();
    const certificate = decodeCertificate((row as { certificate: Uint8Array }).certificate);
    expect(certificate.payload).toBe(first.hash);
    expect(second.header.mixHash).toBe(keccakHash(certificate.seed));
  });

  test("each block's way from proposal to finality is measured, across epochs; no guard ever refuses", async () => {
    const solo = open(directory());
    const figures = (): number[] =>
      ["notarization_seconds_count", "finalization_seconds_count", "signing_guard_refusals_total"].map(
        (name) => Number(solo.metrics.text().split(`\nkora_${name} `)[1]?.split("\n")[0]),
      );
    expect(figures()).toEqual([0, 0, 0]);
    for (let block = 0; block < 3; block++) await make(solo);
    expect(figures()).toEqual([3, 3, 0]);
    await solo.chain.rollback(height(1));
    await make(solo);
    expect(figures()).toEqual([4, 4, 0]);
  });

  test("writes nothing while idle, however long another one works", async () => {
    const path = directory();
    const solo = open(path);
    const busy = open(directory());
    await make(solo);
    const size = (): number => statSync(join(path, "consensus.db-wal")).size;
    const before = size();
    for (let block = 0; block < 10; block++) await make(busy);
    expect(size()).toBe(before);
  });

  test("goes on after a restart, in the next view", async () => {
    const path = directory();
    const first = open(path);
    await make(first);
    const tip = await make(first);
    first.close();
    const second = open(path);
    const next = await make(second);
    expect(next.header.parentHash).toBe(tip.hash);
    expect(positionOf(next.header)).toEqual({ epoch: 0, view: 3, parentView: 2 });
  });

  test("a rollback begins an epoch whose floor is the block rolled back to (section 12)", async () => {
    const path = directory();
    const solo = open(path);
    const floor = await make(solo);
    await make(solo);
    await make(solo);
    await solo.chain.rollback(height(1));
    const next = await make(solo);
    expect(next.header.parentHash).toBe(floor.hash);
    expect(positionOf(next.header)).toEqual({ epoch: 1, view: 1, parentView: 0 });
    solo.close();
    const again = await make(open(path));
    expect(positionOf(again.header)).toEqual({ epoch: 1, view: 2, parentView: 1 });
  });

  test("what the journal made final reaches chain.db after a crash between the two", async () => {
    const path = directory();
    const solo = open(path);
    const first = await make(solo);
    const application = solo.chain.application as { finalize: unknown };
    // The process dies when consensus.db is committed and chain.db is not.
    application.finalize = () => new Promise(() => {});
    void make(solo);
    const body = (): unknown => {
      using database = new Database(join(path, "consensus.db"), { readonly: true });
      return database.query("SELECT view FROM certificates WHERE view = 2 AND kind = 'finalize'").get();
    };
    while (body() === null) await new Promise<void>((resolve) => setImmediate(resolve));
    solo.close();
    const again = open(path);
    const next = await make(again);
    expect(next.header.number).toBe(height(3));
    expect(positionOf(next.header)).toEqual({ epoch: 0, view: 3, parentView: 2 });
    expect(again.chain.history.block(height(2))?.header.parentHash).toBe(first.hash);
  });
});
