// Figures of the store: `bun test/bench/state/run.ts [--keys 1000000] [--rounds 8] [--large] [--no-memory]`.
// Beside it, in the same run and interleaved: a naive store (SQLite table and a Merkle tree rebuilt per block), and
// SQLite inserting rows without hashing. --large adds 10 million keys. With --directory the loaded stores are kept, and
// --build only loads them: so that the long part can be done while others work, and the timed one in a quiet hour.
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CHAIN_DB, openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import { height } from "#types/ids.ts";
import { createRng } from "../../support/rng.ts";
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
    directory: { type: "string" },
    build: { type: "boolean" },
  },
});
const KEYS = Number(flags.keys ?? 1_000_000);
const ROUNDS = Number(flags.rounds ?? 8);
const LARGE_KEYS = 10_000_000;
const BLOCK = 2_000;
const BIG_BLOCK = 20_000;
const COMMITS = 150;

const root = mkdtempSync(join(tmpdir(), "kora-bench-state-"));
const stores = flags.directory ?? root;
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

/** Medians in ms. */
interface Figures {
  readonly cold: number;
  readonly warm: number;
  readonly commit: number;
  readonly big: number;
}

function measureStore(db: StateDb, keys: number): Figures {
  const next = freshKeys(keys);
  const many = (): number[] => Array.from({ length: BIG_BLOCK / BLOCK }, next).flat();
  // The height as version: a kept store has seen other versions of the same keys.
  const run = (touched: readonly number[]): Timing => runBlock(db, blockOf(touched, db.head().height + 1));
  for (let i = 0; i < 10; i++) run(next());
  const all: Timing[] = [];
  const cold: number[] = [];
  const warm: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const touched = next();
    const isWarm = i % 3 === 2;
    if (isWarm) readFirst(db, touched);
    const timing = run(touched);
    (isWarm ? warm : cold).push(timing.root);
    all.push(timing);
  }
  const commits = all.map(({ commit }) => commit);
  report(`${BLOCK} updates, cold: write list to root, median`, ms(median(cold)), "≤ 20 ms");
  report(`${BLOCK} updates, warm: write list to root, median`, ms(median(warm)), "≤ 8 ms");
  report(`commit at FULL, median of ${COMMITS}`, ms(median(commits)), "≤ 10 ms");
  report("commit at FULL, p99, a WAL checkpoint after each", ms(quantile(commits, 0.99)), "≤ 50 ms");
  report("WAL checkpoint between blocks, median", ms(median(all.map(({ checkpoint }) => checkpoint))));
  for (let i = 0; i < ROUNDS / 2; i++) run(many());
  const big = Array.from({ length: 2 * ROUNDS }, () => run(many()));
  const whole = median(big.map(({ root: r, commit, checkpoint }) => r + commit + checkpoint));
  report(`${BIG_BLOCK} updates: to root, median`, ms(median(big.map(({ root: r }) => r))));
  report(`${BIG_BLOCK} updates: commit, median`, ms(median(big.map(({ commit }) => commit))));
  report("authenticated durable updates", perSecond(BIG_BLOCK, whole), "≥ 100000/s");
  return { cold: median(cold), warm: median(warm), commit: median(commits), big: whole };
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

function measureOpen(directory: string, wanted: string): void {
  const start = performance.now();
  const db = openStateDb({ directory });
  db.latest().account(keyAt(5));
  report("clean re-open to first read", ms(performance.now() - start), wanted);
  db.close();
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
    const { root: r, commit } = runBlock(db, blockOf(touched, db.head().height + 1));
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

/** The directory of a store of `keys` keys, loaded if it is not there yet. */
function built(keys: number): string {
  const directory = join(stores, String(keys));
  const done = join(directory, "loaded");
  if (existsSync(done)) return directory;
  rmSync(directory, { recursive: true, force: true });
  const db = openStateDb({ directory });
  loadKeys(db, 0, keys);
  db.close();
  writeFileSync(done, "");
  return directory;
}

/**
 * Reads the database through, so that it lies in the system's cache: what is measured is the store, not the disk under
 * a machine that has let go of what it did not use for a minute.
 */
function warm(directory: string): void {
  const start = performance.now();
  const chunk = new Uint8Array(2 ** 22);
  const file = openSync(join(directory, CHAIN_DB), "r");
  let bytes = 0;
  for (let got = 1; got > 0; bytes += got) got = readSync(file, chunk);
  closeSync(file);
  report(
    `${(bytes / 1e9).toFixed(1)} GB of chain.db, read through once before`,
    ms(performance.now() - start),
  );
}

function measure(keys: number, wanted: string): Figures {
  const directory = built(keys);
  warm(directory);
  const db = openStateDb({ directory });
  const figures = measureStore(db, keys);
  measureReads(db, keys);
  if (keys === KEYS) compare(db);
  db.close();
  measureOpen(directory, wanted);
  return figures;
}

function reportGrowth(small: Figures, large: Figures): void {
  const expected = Math.log2(LARGE_KEYS) / Math.log2(KEYS);
  for (const name of ["cold", "warm", "commit", "big"] as const) {
    const grown = `${(large[name] / small[name]).toFixed(2)} ×`;
    report(`${name}: ${LARGE_KEYS} keys beside ${KEYS}`, grown, `logarithm: ${expected.toFixed(2)} ×`);
  }
}

try {
  if (flags.build === true) {
    built(KEYS);
    if (flags.large === true) built(LARGE_KEYS);
  } else {
    const small = measure(KEYS, "≤ 1000 ms");
    if (flags.large === true) {
      console.log(`\nat ${LARGE_KEYS} keys`);
      reportGrowth(small, measure(LARGE_KEYS, "≤ 3000 ms"));
    }
    if (flags["no-memory"] !== true) await measureMemory();
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
