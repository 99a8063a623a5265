// A fixed slice of the official vectors, small enough for every run of the suite; run.ts runs all of them.
import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";
import { findFiles, type VectorFile } from "./files.ts";
import { runVectors } from "./run.ts";

interface Slice {
  readonly folder: string;
  /** One file in so many, by position in order of path. */
  readonly every: number;
  /** Cases that pass at least: a slice that finds nothing is no test. */
  readonly passed: number;
  readonly skipped: number;
}

const SLICES: readonly Slice[] = [
  { folder: "evm/eest-state", every: 10, passed: 1377, skipped: 0 },
  { folder: "evm/eest-blockchain", every: 1, passed: 701, skipped: 48 },
  { folder: "evm/mainnet-blocks", every: 1, passed: 15, skipped: 0 },
  { folder: "evm/ethereum-tests", every: 1, passed: 573, skipped: 9 },
  { folder: "evm/precompiles", every: 1, passed: 939, skipped: 0 },
  { folder: "evm/opcodes-geth", every: 1, passed: 1027, skipped: 0 },
  { folder: "evm/kzg-verify-proof", every: 1, passed: 81, skipped: 0 },
  { folder: "encoding/ethers-testcases", every: 1, passed: 2809, skipped: 5 },
];

const TIME_LIMIT_MS = 600_000;
const root = vectorsDir();

function filesOf(dir: string, { folder, every }: Slice): VectorFile[] {
  return findFiles(join(dir, folder)).filter((_file, index) => index % every === 0);
}

describe("official vectors", () => {
  if (root === undefined) {
    reportSkipped(
      "official vectors",
      SLICES.reduce((sum, { passed }) => sum + passed, 0),
    );
    return;
  }
  for (const slice of SLICES) {
    test(
      `${slice.folder}, one file in ${slice.every}`,
      async () => {
        const files = filesOf(root, slice);
        const summary = await runVectors({ files, only: "", jobs: availableParallelism() });
        expect(summary.failures).toEqual([]);
        expect([summary.passed, summary.skipped]).toEqual([slice.passed, slice.skipped]);
      },
      TIME_LIMIT_MS,
    );
  }
});
