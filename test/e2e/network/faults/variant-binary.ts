// The test validator as an executable: compiled once per run, by the product's own builder.
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../../../..");

let built: string | undefined;

/** Path of an executable of ../variant that is as new as its source. */
export function variantBinary(): string {
  if (built !== undefined) return built;
  const target = join(ROOT, "build/validator-variant");
  const entry = join(ROOT, "test/e2e/network/variant/main.ts");
  mkdirSync(dirname(target), { recursive: true });
  const build = Bun.spawnSync([
    ...[process.execPath, join(ROOT, "src/build/compile.ts"), "--if-older"],
    ...["--entry", entry, "--outfile", target],
  ]);
  if (!build.success) throw new Error(`the build failed: ${build.stderr}`);
  built = target;
  return target;
}
