// The test validator as an executable: compiled once per run.
import { join, resolve } from "node:path";
import { buildProgram } from "../../../support/build.ts";

const ROOT = resolve(import.meta.dir, "../../../..");

let built: string | undefined;

/** Path of an executable of ../variant that is as new as its source. */
export function variantBinary(): string {
  if (built !== undefined) return built;
  const target = join(ROOT, "build/validator-variant");
  buildProgram(join(ROOT, "test/e2e/network/variant/main.ts"), target);
  built = target;
  return target;
}
