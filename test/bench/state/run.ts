// Figures of the store: `bun test/bench/state/run.ts [--keys 1000000] [--rounds 8] [--large] [--no-memory]`.
// Beside it, in the same run and interleaved: a naive store (SQLite table and a Merkle tree rebuilt per block), and
// SQLite inserting rows without hashing.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRng } from "#lib/rng.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import { height } from "#types/ids.ts";
import {
  blockOf,
  keyAt,
  loadKeys,
  median,
  openNaive,
  openRaw,
  quantile,
  runBlock,
  type Timing,
} from "./load.ts";

const { values: flags } = parseArgs({
  options: {
    keys: { type: "string" },
    rounds: { type: "string" },
    large: { type: "boolean" },
    "no-memory": { type: "boolean" },
  },
});
const KEYS = Number(flags.keys ?? 1_000_000);
const ROUNDS = Number(flags.rounds ?? 8);
const LARGE_KEYS = 10_000_000;
const BLOCK = 2_000;
const BIG_BLOCK = 20_000;
const COMMITS = 150;

const root = mkdtempSync(join(tmpdir(), "kora-bench-state-"));
const rng = createRng(1);

function report(name: string, value: string, wanted = ""): void {
  console.log(`${name.padEnd(58)} ${value.padStart(14)}  ${wanted}`);
}
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const perSecond = (count: number, time: number): string => `${Math.round((count / time) * 1000)}/s`;

/** Keys in an order in which none comes twice. */
function freshKeys(count: number): () => number[] {
  const order = rng.shuffle(Array.from({ length: count }, (_, i) => i));
  let at = 0;
  return () => {
    if (at + BLOCK > order.length) at = 0;
    at += BLOCK;
    return order.slice(at - BLOCK, at);
  };
}

function readFirst(db: StateDb, keys: readonly number[]): void {
  for (const i of keys) db.latest().account(keyAt(i));
}

function measureStore(db: StateDb, keys: number): void {
  const next = freshKeys(keys);
  const many = (): number[] => Array.from({ length: BIG_BLOCK / BLOCK }, next).flat();
  for (let i = 0; i < 10; i++) runBlock(db, blockOf(next(), 1));
  const all: Timing[] = [];
  const cold: number[] = [];
  const warm: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const touched = next();
    const isWarm = i % 3 === 2;
    if (isWarm) readFirst(db, touched);
    const timing = runBlock(db, blockOf(touched, i + 2));
    (isWarm ? warm : cold).push(timing.root);
    all.push(timing);
  }
  const commits = all.map(({ commit }) => commit);
  report(`${BLOCK} updates, cold: write list to root, median`, ms(median(cold)), "≤ 20 ms");
  report(`${BLOCK} updates, warm: write list to root, median`, ms(median(warm)), "≤ 8 ms");
  report(`commit at FULL, median of ${COMMITS}`, ms(median(commits)), "≤ 10 ms");
  report("commit at FULL, p99, a WAL checkpoint after each", ms(quantile(commits, 0.99)), "≤ 50 ms");
  report("WAL checkpoint between blocks, median", ms(median(all.map(({ checkpoint }) => checkpoint))));
  const big = Array.from({ length: ROUNDS }, (_, i) => runBlock(db, blockOf(many(), 500 + i)));
  const whole = big.map(({ root: r, commit, checkpoint }) => r + commit + checkpoint);
  report(`${BIG_BLOCK} updates: to root, median`, ms(median(big.map(({ root: r }) => r))));
  report(`${BIG_BLOCK} updates: commit, median`, ms(median(big.map(({ commit }) => commit))));
  report("authenticated durable updates", perSecond(BIG_BLOCK, median(whole)), "≥ 100000/s");
}

function measureReads(db: StateDb, keys: number): void {
  const old = db.at(height(db.head().height - COMMITS));
  const times: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    const who = keyAt(rng.below(keys));
    const start = performance.now();
    old.account(who);
    times.push(performance.now() - start);
  }
  report(`account at a height ${COMMITS} blocks back, median`, ms(median(times)));
  report(`account at a height ${COMMITS} blocks back, p99`, ms(quantile(times, 0.99)), "≤ 1 ms");
}

function measureOpen(directory: string, wanted: string): StateDb {
  const start = performance.now();
  const db = openStateDb({ directory });
  db.latest().account(keyAt(5));
  report("clean re-open to first read", ms(performance.now() - start), wanted);
  return db;
}

function compare(db: StateDb): void {
  const naive = openNaive(root, KEYS);
  const raw = openRaw(root);
  const next = freshKeys(KEYS);
  const ours: number[] = [];
  const theirs: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const touched = next();
    const { root: r, commit } = runBlock(db, blockOf(touched, 900 + i));
    ours.push(r + commit);
    theirs.push(naive.block(touched, 900 + i));
    bare.push(raw.block(touched, i));
  }
  naive.close();
  raw.close();
  report(`a block of ${BLOCK}: this store, root and commit`, ms(median(ours)));
  report(
    `a block of ${BLOCK}: naive store`,
    ms(median(theirs)),
    `${(median(theirs) / median(ours)).toFixed(1)} × ours`,
  );
  report(
    `a block of ${BLOCK}: raw inserts`,
    ms(median(bare)),
    `${(median(bare) / median(ours)).toFixed(2)} × ours`,
  );
  report("raw inserts", perSecond(BLOCK, median(bare)));
}

async function measureMemory(): Promise<void> {
  const directory = join(root, "memory");
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "memory.ts"), directory, String(KEYS), String(4 * KEYS)],
    { stdout: "pipe", stderr: "inherit" },
  );
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  const [from, to] = lines.map((line) => line.split(" ").map(Number)) as [number[], number[]];
  const perKey = (to[1]! - from[1]!) / (to[0]! - from[0]!);
  report(`resident memory at ${from[0]} keys`, `${(from[1]! / 1e6).toFixed(0)} MB`);
  report(`resident memory growth to ${to[0]} keys`, `${perKey.toFixed(1)} B/key`, "≤ 64 B/key");
}

try {
  const directory = join(root, "store");
  let db = openStateDb({ directory });
  loadKeys(db, 0, KEYS);
  measureStore(db, KEYS);
  measureReads(db, KEYS);
  compare(db);
  db.close();
  db = measureOpen(directory, "≤ 1000 ms");
  if (flags.large === true) {
    loadKeys(db, KEYS, LARGE_KEYS);
    console.log(`\nat ${LARGE_KEYS} keys`);
    measureStore(db, LARGE_KEYS);
    measureReads(db, LARGE_KEYS);
    db.close();
    db = measureOpen(directory, "≤ 3000 ms");
  }
  db.close();
  if (flags["no-memory"] !== true) await measureMemory();
} finally {
  rmSync(root, { recursive: true, force: true });
}
