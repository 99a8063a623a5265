// kill −9 campaign on the store: `bun test/state/crash/run.ts [--rounds 100] [--seed N]`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRng } from "../../support/rng.ts";
import { crashRound, Undisturbed } from "./campaign.ts";

const { values } = parseArgs({ options: { rounds: { type: "string" }, seed: { type: "string" } } });
const rounds = Number(values.rounds ?? 100);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`seed ${seed}, ${rounds} rounds`);
const rng = createRng(seed);
const directory = mkdtempSync(join(tmpdir(), "kora-test-crash-"));
const undisturbed = new Undisturbed(seed);
let passed = 0;
let failed = 0;
for (let round = 1; round <= rounds; round++) {
  try {
    const found = await crashRound(directory, seed, rng, undisturbed);
    passed++;
    process.stdout.write(`\rround ${round}/${rounds}, height ${found}   `);
  } catch (error) {
    failed++;
    console.log(`\nround ${round}: ${error instanceof Error ? error.message : error}`);
    break;
  }
}
undisturbed.close();
if (failed === 0) rmSync(directory, { recursive: true, force: true });
else console.log(`left for inspection: ${directory}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
