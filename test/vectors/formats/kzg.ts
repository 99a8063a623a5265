// c-kzg's verify_kzg_proof vectors, through the function behind the point evaluation precompile.
import { basename } from "node:path";
import { verifyKzgProof } from "#execution/kzg.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";

function runCase(yaml: string): void {
  const field = (name: string): string => {
    const found = new RegExp(`^\\s*${name}: '?([^'\\n]*)'?$`, "m").exec(yaml);
    if (found?.[1] === undefined) throw new Mismatch(`the file has no ${name}`);
    return found[1];
  };
  const verdict = verifyKzgProof(field("commitment"), field("z"), field("y"), field("proof"));
  // null: malformed input, which the precompile treats as a failed proof.
  expectEqual("verdict", verdict, field("output") === "true");
}

export const runKzgTest: Format = async function* (content, path, wanted): AsyncGenerator<CaseResult> {
  const name = basename(path, ".yaml");
  if (wanted(name)) yield settle(name, () => runCase(content as string));
};
