// bun test/e2e/dkg-kills.ts --rounds N --seed S: key ceremonies of four processes, killed with SIGKILL at random
// moments, one, some or all of them, and started again. Each has to end with one key that signs. Exits 1 otherwise.
import { parseArgs } from "node:util";
import { toHex } from "#lib/bytes.ts";
import { type RunningKora, temporaryFolder } from "../support/kora.ts";
import { createProgress } from "../support/progress.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { makeParticipants, readOutput, signTogether, startDkg } from "./dkg-network.ts";

const FLAGS = ["--linger", "60", "--timeout", "120"] as const;
/** A ceremony undisturbed takes about as long. */
const SPAN_MS = 4_000;

/** One ceremony; answers what went wrong, or the number of kills. */
async function play(rng: Rng): Promise<number | string> {
  using root = temporaryFolder();
  const all = makeParticipants(root.path, 4);
  const running: RunningKora[] = await Promise.all(all.map((one) => startDkg(one, ...FLAGS)));
  const strikes = 1 + rng.below(4);
  let kills = 0;
  for (let strike = 0; strike < strikes; strike++) {
    await Bun.sleep(rng.below(SPAN_MS / strikes));
    const victims = rng.shuffle([...all.keys()]).slice(0, rng.chance(0.3) ? all.length : 1 + rng.below(2));
    kills += victims.length;
    await Promise.all(victims.map((i) => (running[i] as RunningKora).stop("SIGKILL")));
    for (const i of victims) running[i] = await startDkg(all[i] as (typeof all)[number], ...FLAGS);
  }
  // A node that was done before the others were killed serves them when it is run again.
  const codes = await Promise.all(running.map((one) => one.exited));
  const errors = running.map((one, i) => `node${i}: ${one.err().trim().split("\n").slice(-12).join(" | ")}`);
  if (codes.some((code) => code !== 0)) return `exit codes ${codes.join()}: ${errors.join("\n")}`;
  if (new Set(all.map((one) => toHex(readOutput(one).key.groupPublicKey))).size !== 1)
    return "different keys";
  if (!(await signTogether(rng.shuffle([...all]).slice(0, 3)))) return "the shares do not sign";
  for (const one of running) await one[Symbol.asyncDispose]();
  return kills;
}

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "20" }, seed: { type: "string", default: "1" } },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
let kills = 0;
const progress = createProgress(rounds, "ceremonies");
console.log(`seed ${seed}, ${rounds} ceremonies`);
for (let round = 0; round < rounds; round++) {
  const outcome = await play(createRng(seed + round));
  if (typeof outcome === "string") {
    progress.end();
    console.error(`round ${round + 1}: ${outcome}`);
    console.error(`reproduce: npx bun test/e2e/dkg-kills.ts --rounds 1 --seed ${seed + round}`);
    process.exit(1);
  }
  kills += outcome;
  progress.at(round + 1, `${kills} processes killed`);
}
progress.end();
console.log(
  `seed ${seed}: ${rounds} ceremonies, ${kills} processes killed, every ceremony ended with one key`,
);
