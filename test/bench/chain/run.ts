// Figures of the chain inside one process: from send to receipt under automine, and transfers a second from wire form
// to committed block. Usage: bun test/bench/chain/run.ts [--transfers 10000] [--block 2000] [--sends 1000]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createLocalChain } from "#dev/local-chain.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { openTestChain, type TestChain, testGenesis, testMakeBlock, transfer } from "../../support/chain.ts";

const { values } = parseArgs({
  options: {
    transfers: { type: "string", default: "10000" },
    block: { type: "string", default: "2000" },
    sends: { type: "string", default: "1000" },
    rounds: { type: "string", default: "3" },
  },
});
const TRANSFERS = Number(values.transfers);
const BLOCK = Number(values.block);
const SENDS = Number(values.sends);
const ROUNDS = Number(values.rounds);
const SENDERS = 50;

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] as number;
}

function line(name: string, value: number, unit: string): void {
  console.log(`${name.padEnd(58)} ${value.toFixed(value < 10 ? 3 : 0).padStart(10)} ${unit}`);
}

function sign(count: number): SignedTransaction[] {
  return Array.from({ length: count }, (_, i) =>
    transfer({ from: i % SENDERS, nonce: Math.floor(i / SENDERS) }),
  );
}

async function withChain<T>(durable: boolean, run: (chain: TestChain) => Promise<T>): Promise<T> {
  const directory = durable ? mkdtempSync(join(tmpdir(), "kora-bench-")) : undefined;
  const chain = openTestChain({
    genesis: testGenesis(SENDERS, { dev: true }),
    maxTxs: BLOCK,
    gasLimit: 100_000_000n,
    pool: { globalSlots: TRANSFERS + SENDS },
    ...(directory !== undefined && { directory }),
  });
  try {
    return await run(chain);
  } finally {
    chain.close();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function localChain(chain: TestChain) {
  return createLocalChain({
    chain,
    state: chain.state,
    makeBlock: testMakeBlock(chain),
    mode: { automine: true, interval: undefined },
    wall: () => Math.floor(Date.now() / 1000),
    timers: { after: () => () => undefined },
    fail: (error) => {
      throw error;
    },
  });
}

/** Milliseconds from submission to a receipt, one after the other. */
async function automine(durable: boolean, transactions: readonly SignedTransaction[]): Promise<number[]> {
  return await withChain(durable, async (chain) => {
    const local = localChain(chain);
    const samples: number[] = [];
    for (const { raw, hash } of transactions) {
      const start = performance.now();
      await local.submit(raw);
      const place = chain.history.transaction(hash);
      if (place === undefined || chain.history.receipt(place.height, place.index)?.status !== true) {
        throw new Error("no receipt");
      }
      samples.push(performance.now() - start);
    }
    await local[Symbol.asyncDispose]();
    return samples;
  });
}

/** Transfers a second: all submitted at once under automine. */
async function concurrent(transactions: readonly SignedTransaction[]): Promise<number> {
  return await withChain(false, async (chain) => {
    const local = localChain(chain);
    const start = performance.now();
    await Promise.all(transactions.map(({ raw }) => local.submit(raw)));
    const seconds = (performance.now() - start) / 1000;
    await local[Symbol.asyncDispose]();
    return transactions.length / seconds;
  });
}

interface Throughput {
  readonly submit: number;
  readonly blocks: number;
  readonly total: number;
}

/** Transfers a second into the pool, from the pool into committed blocks, and both together. */
async function throughput(durable: boolean, transactions: readonly SignedTransaction[]): Promise<Throughput> {
  return await withChain(durable, async (chain) => {
    const start = performance.now();
    for (const { raw } of transactions) chain.service.submit(raw, "peer");
    const pooled = performance.now();
    let mined = 0;
    while (mined < transactions.length) mined += (await chain.produce()).transactions.length;
    const end = performance.now();
    const rate = (from: number, to: number): number => transactions.length / ((to - from) / 1000);
    return { submit: rate(start, pooled), blocks: rate(pooled, end), total: rate(start, end) };
  });
}

async function main(): Promise<void> {
  const transfers = sign(TRANSFERS);
  const sends = transfers.slice(0, SENDS);
  await automine(false, sends.slice(0, 100));
  for (const durable of [false, true]) {
    const where = durable ? "on disk (FULL)" : "temporary";
    const samples = await automine(durable, sends);
    line(`automine, send to receipt, ${where}, median`, median(samples), "ms");
    line(`automine, one by one, ${where}`, 1000 / (samples.reduce((a, b) => a + b) / samples.length), "tx/s");
  }
  const bursts: number[] = [];
  for (let round = 0; round < ROUNDS; round++) bursts.push(await concurrent(transfers));
  line(`automine, ${TRANSFERS} sent at once`, median(bursts), "tx/s");
  for (const durable of [false, true]) {
    const where = durable ? "on disk (FULL)" : "temporary";
    const results: Throughput[] = [];
    for (let round = 0; round < ROUNDS; round++) results.push(await throughput(durable, transfers));
    line(`wire form to pool, ${where}`, median(results.map(({ submit }) => submit)), "tx/s");
    line(
      `pool to committed blocks of ${BLOCK}, ${where}`,
      median(results.map(({ blocks }) => blocks)),
      "tx/s",
    );
    line(`wire form to committed block, ${where}`, median(results.map(({ total }) => total)), "tx/s");
  }
}

await main();
