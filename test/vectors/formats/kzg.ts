// c-kzg's verify_kzg_proof vectors, through the function behind the point evaluation precompile.
import { basename } from "node:path";
import { loadPointEvaluation } from "#execution/precompiles.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";

async function runCase(yaml: string): Promise<void> {
  const field = (name: string): string => {
    const found = new RegExp(`^\\s*${name}: '?([^'\\n]*)'?$`, "m").exec(yaml);
    if (found?.[1] === undefined) throw new Mismatch(`the file has no ${name}`);
    return found[1];
  };
  const isEvaluation = await loadPointEvaluation();
  const verdict = isEvaluation(field("commitment"), field("z"), field("y"), field("proof"));
  // null: malformed input, which the precompile treats as a failed proof.
  expectEqual("verdict", verdict, field("output") === "true");
}

export const runKzgTest: Format = async function* (content, path, wanted): AsyncGenerator<CaseResult> {
  const name = basename(path, ".yaml");
  if (wanted(name)) yield settle(name, () => runCase(content as string));
};
