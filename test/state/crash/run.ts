// kill −9 campaign on the store: `bun test/state/crash/run.ts [--rounds 100] [--seed N]`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createProgress } from "../../support/progress.ts";
import { createRng } from "../../support/rng.ts";
import { crashRound, Undisturbed } from "./campaign.ts";

const { values } = parseArgs({ options: { rounds: { type: "string" }, seed: { type: "string" } } });
const rounds = Number(values.rounds ?? 100);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`seed ${seed}, ${rounds} rounds`);
const rng = createRng(seed);
const directory = mkdtempSync(join(tmpdir(), "kora-test-crash-"));
const undisturbed = new Undisturbed(seed);
const progress = createProgress(rounds, "rounds");
let passed = 0;
let failed = 0;
for (let round = 1; round <= rounds; round++) {
  try {
    const found = await crashRound(directory, seed, rng, undisturbed);
    passed++;
    progress.at(round, `height ${found}`);
  } catch (error) {
    failed++;
    progress.end();
    console.log(`round ${round}: ${error instanceof Error ? error.message : error}`);
    console.log(`again: npx bun test/state/crash/run.ts --rounds ${round} --seed ${seed}`);
    break;
  }
}
progress.end();
undisturbed.close();
if (failed === 0) rmSync(directory, { recursive: true, force: true });
else console.log(`left for inspection: ${directory}`);
console.log(`seed ${seed}: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
