// Reading one key far back in its own history: `bun test/bench/state/versions.ts [--versions 100000]`.
// Every block writes that key; the store is a temporary one, so that building it takes little of the disk.
import { parseArgs } from "node:util";
import { openStateDb, openStateReader } from "#state/state.ts";
import type { StateReader } from "#state/types.ts";
import { height, ZERO_HASH } from "#types/ids.ts";
import { recordOf } from "../../state/model.ts";
import { createRng } from "../../support/rng.ts";
import { blockOf, keyAt, median, quantile } from "./load.ts";

const { values: flags } = parseArgs({ options: { versions: { type: "string" } } });
const VERSIONS = Number(flags.versions ?? 100_000);
const HOT = 7;
const CHECKPOINT_EVERY = 1_000;
const READS = 1_000;

const db = openStateDb({ directory: undefined });
for (let at = 0; at <= VERSIONS; at++) {
  const batch = db.prepare(undefined, height(at), blockOf([HOT], at));
  db.commit([{ batch, record: recordOf(at, batch.root, at === 0 ? ZERO_HASH : db.head().hash) }]);
  if (at % CHECKPOINT_EVERY > 0) continue;
  db.checkpoint();
  process.stderr.write(`\rblock ${at} of ${VERSIONS}   `);
}
process.stderr.write("\n");

function measure(name: string, open: (at: number) => StateReader, span: number): void {
  const rng = createRng(2);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < READS; i++) {
    const at = rng.below(span);
    const start = performance.now();
    const nonce = open(at).account(keyAt(HOT))?.nonce;
    times.push(performance.now() - start);
    if (nonce !== BigInt(at)) throw new Error(`nonce ${nonce} at height ${at}`);
  }
  const { user, system } = process.cpuUsage(cpu);
  const each = ((user + system) / 1_000 / READS).toFixed(3);
  const [middle, late] = [median(times).toFixed(3), quantile(times, 0.99).toFixed(3)];
  console.log(`${name.padEnd(44)} median ${middle} ms, p99 ${late} ms, CPU ${each} ms  ≤ 1 ms`);
}

const FAR = Math.max(1, Math.floor(VERSIONS / 100));
const reader = openStateReader(db.path);
measure(`${VERSIONS} versions back, owner`, (at) => db.at(height(at)), FAR);
measure("any version, owner", (at) => db.at(height(at)), VERSIONS);
measure(`${VERSIONS} versions back, reader`, (at) => reader.at(height(at)), FAR);
measure("any version, reader", (at) => reader.at(height(at)), VERSIONS);
reader.close();
db.close();
