// The same seeds give the same trace when the simulator is compiled with the flags of the binary.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SEEDS = ["--seed", "1", "--count", "25"];

function traceOf(command: readonly string[]): string | undefined {
  const run = Bun.spawnSync([...command, ...SEEDS]);
  expect(run.exitCode).toBe(0);
  return /trace ([0-9a-f]+)/.exec(run.stdout.toString())?.[1];
}

test("same seeds, same trace, compiled or not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kora-sim-"));
  try {
    const entry = join(import.meta.dirname, "run.ts");
    const outfile = join(folder, "sim");
    // As src/build/compile.ts does.
    const built = await Bun.build({
      entrypoints: [entry],
      compile: { outfile },
      target: "bun",
      format: "esm",
      bytecode: true,
      minify: { whitespace: true, syntax: true, identifiers: false },
    });
    expect(built.success).toBeTrue();
    const trace = traceOf([process.execPath, entry]);
    expect(trace).toBeDefined();
    expect(traceOf([outfile])).toBe(trace);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
