// Runs the tool that does bad things to a network of real processes, as a person would.
import { resolve } from "node:path";
import type { Finished } from "./kora.ts";

const TOOL: string = resolve(import.meta.dir, "../e2e/network/faults.ts");

/** One round of each of `kinds`. */
export function runFaults(args: readonly string[], kinds: readonly string[]): Finished {
  const selection = ["--only", kinds.join(","), "--rounds", String(kinds.length)];
  const run = Bun.spawnSync([process.execPath, TOOL, ...args, ...selection]);
  const [out, err] = [run.stdout.toString(), run.stderr.toString()];
  process.stderr.write(err);
  return { code: run.exitCode, out, err };
}
