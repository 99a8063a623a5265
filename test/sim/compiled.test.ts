// The same seeds give the same trace when the simulator is compiled as the executable is, by the same program.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { buildProgram } from "../support/build.ts";
import { testFolders } from "../support/lifetimes.ts";

const SEEDS = ["--seed", "1", "--count", "25"];

const folder = testFolders();

function traceOf(command: readonly string[]): string | undefined {
  const run = Bun.spawnSync([...command, ...SEEDS]);
  expect(run.exitCode).toBe(0);
  return /trace ([0-9a-f]+)/.exec(run.stdout.toString())?.[1];
}

test("same seeds, same trace, compiled or not", () => {
  const entry = join(import.meta.dirname, "run.ts");
  const target = join(folder(), "sim");
  buildProgram(entry, target);
  const trace = traceOf([process.execPath, entry]);
  expect(trace).toBeDefined();
  expect(traceOf([target])).toBe(trace);
}, 60_000);
