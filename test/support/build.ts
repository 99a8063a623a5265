// Programs of tests as executables, made by the product's own builder with the product's own flags.
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

const BUILDER = resolve(import.meta.dir, "../../src/build/compile.ts");

/** Compiles `entry` into the executable `target`, where that is older than its source. */
export function buildProgram(entry: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  const command = [process.execPath, BUILDER, "--if-older", "--entry", entry, "--outfile", target];
  const build = Bun.spawnSync(command);
  if (!build.success) throw new Error(`the build failed: ${build.stderr}`);
}
