// Finds vector files and knows which format each one has.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { isBlockchainTest, runBlockchainTests } from "./formats/blockchain.ts";
import type { CaseResult, Format, Wanted } from "./formats/case.ts";
import { isEthersTransactions, runEthersTests } from "./formats/ethers.ts";
import { runKzgTest } from "./formats/kzg.ts";
import { isMainnetBlock, runMainnetBlock } from "./formats/mainnet.ts";
import { runOpcodeTests } from "./formats/opcodes.ts";
import { runPrecompileTests } from "./formats/precompiles.ts";
import { isRlpTest, runRlpTests } from "./formats/rlp.ts";
import { isStateTest, runStateTests } from "./formats/state.ts";
import { isTransactionTest, runTransactionTests } from "./formats/transactions.ts";
import { isTrieTest, runTrieTests } from "./formats/tries.ts";

export interface VectorFile {
  readonly path: string;
  readonly bytes: number;
}

/** All vector files below `root`, or `root` itself, in order of path. */
export function findFiles(root: string): VectorFile[] {
  const info = statSync(root);
  if (info.isFile()) return /\.(json|yaml)$/.test(root) ? [{ path: root, bytes: info.size }] : [];
  return readdirSync(root)
    .sort()
    .flatMap((name) => findFiles(join(root, name)));
}

function formatOf(path: string, content: unknown): Format | undefined {
  if (basename(path).startsWith("verify_kzg_proof_")) return runKzgTest;
  if (Array.isArray(content)) {
    const first = content[0] as Record<string, unknown> | undefined;
    if (first?.["X"] !== undefined && first["Y"] !== undefined) return runOpcodeTests;
    if (first?.["Input"] !== undefined) return runPrecompileTests;
    return isEthersTransactions(path) ? runEthersTests : undefined;
  }
  if (typeof content !== "object" || content === null) return undefined;
  if (isMainnetBlock(content)) return runMainnetBlock;
  if (isStateTest(content)) return runStateTests;
  if (isBlockchainTest(content)) return runBlockchainTests;
  if (isTransactionTest(content)) return runTransactionTests;
  if (isTrieTest(content)) return runTrieTests;
  return isRlpTest(content) ? runRlpTests : undefined;
}

/** Runs the wanted cases of one file. A file of a format that has no runner is one skipped case. */
export async function* runFile(path: string, wanted: Wanted): AsyncGenerator<CaseResult> {
  const text = readFileSync(path, "utf8");
  const content: unknown = path.endsWith(".json") ? JSON.parse(text) : text;
  const format = formatOf(path, content);
  if (format === undefined) {
    const name = basename(path);
    if (wanted(name)) yield { name, status: "skipped", reason: "no runner for this format" };
    return;
  }
  yield* format(content, path, wanted);
}
