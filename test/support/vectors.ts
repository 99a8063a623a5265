// Where the official test vectors are: KORA_VECTORS, or the archive beside the checkout, unpacked once into an
// ignored folder. With CI=true their absence is a failure; elsewhere one line says how many cases were not run.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

function locate(): string | undefined {
  const named = process.env["KORA_VECTORS"];
  if (named !== undefined) {
    if (!existsSync(named)) throw new Error(`KORA_VECTORS names ${named}, which does not exist`);
    return named;
  }
  const unpack = resolve(ROOT, "../shared/vectors/unpack");
  if (!existsSync(unpack)) return undefined;
  const target = join(ROOT, ".vectors");
  const result = spawnSync(unpack, [target], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`unpacking the vectors failed: ${result.stderr}`);
  return target;
}

/** The vectors' folder; undefined when they are not here. Throws with CI=true then. */
export function vectorsDir(): string | undefined {
  const dir = locate();
  if (dir === undefined && process.env["CI"] === "true") {
    throw new Error("the test vectors are missing: set KORA_VECTORS to the folder that holds them");
  }
  return dir;
}

/** Says once that `cases` cases of `what` were not run for want of vectors. */
export function reportSkipped(what: string, cases: number): void {
  console.log(`${what}: ${cases} cases not run, the vectors are not here (set KORA_VECTORS)`);
}
