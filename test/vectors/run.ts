// Runs any directory of test vectors on all cores:
//   bun test/vectors/run.ts --dir DIR [--only TEXT] [--json] [--jobs N]
// TEXT selects cases whose name or path contains it. Exit code 1 when a case fails that exceptions.json
// does not list with its reason.
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import exceptions from "./exceptions.json" with { type: "json" };
import { findFiles, type VectorFile } from "./files.ts";
import type { CaseResult } from "./formats/case.ts";
import type { Assignment, Report } from "./worker.ts";

/** Part of the failure that each case in exceptions.json is known to have, by the case's name. */
const KNOWN: ReadonlyMap<string, string> = new Map(
  exceptions.flatMap(({ failure, cases }) => cases.map((name) => [name, failure] as const)),
);

/** A known failure counts as skipped; one that has become a success, or another failure, as failed. */
function judge(result: CaseResult): CaseResult {
  const { name } = result;
  const known = KNOWN.get(name);
  if (known === undefined) return result;
  if (result.status === "passed")
    return { name, status: "failed", reason: "passes, but is in exceptions.json" };
  return result.reason.includes(known) ? { name, status: "skipped", reason: known } : result;
}

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly { readonly path: string; readonly name: string; readonly reason: string }[];
}

interface RunOptions {
  readonly files: readonly VectorFile[];
  readonly only: string;
  readonly jobs: number;
  readonly onProgress?: (done: number, total: number, failed: number) => void;
}

/** Runs all cases of `files` in worker processes. */
export async function runVectors({ files, only, jobs, onProgress }: RunOptions): Promise<Summary> {
  // Largest first, so that no core is left with one big file at the end.
  const queue = [...files].sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  const failures: { path: string; name: string; reason: string }[] = [];
  const count = { passed: 0, failed: 0, skipped: 0 };
  const total = queue.length;
  let done = 0;
  const record = (path: string, ran: CaseResult): void => {
    const result = judge(ran);
    count[result.status]++;
    if (result.status === "failed") failures.push({ path, name: result.name, reason: result.reason });
  };
  const runWorker = (): Promise<void> =>
    new Promise((finished, broken) => {
      let current: VectorFile | undefined;
      const next = (): void => {
        current = queue.shift();
        if (current === undefined) worker.kill();
        else worker.send({ path: current.path, only } satisfies Assignment);
      };
      const worker = Bun.spawn([process.execPath, resolve(import.meta.dir, "worker.ts")], {
        stdio: ["ignore", "inherit", "inherit"],
        serialization: "json",
        ipc(report: Report) {
          for (const result of report.results) record(report.path, result);
          done++;
          onProgress?.(done, total, count.failed);
          next();
        },
        onExit(_worker, code) {
          if (current === undefined) finished();
          else broken(new Error(`a worker ended with ${code} while running ${current.path}`));
        },
      });
      next();
    });
  await Promise.all(Array.from({ length: Math.min(jobs, total) }, runWorker));
  failures.sort((a, b) => (a.path + a.name < b.path + b.name ? -1 : 1));
  return { ...count, failures };
}

const BAR_CELLS = 30;

function drawProgress(done: number, total: number, failed: number): void {
  const filled = Math.round((done / total) * BAR_CELLS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
  process.stderr.write(`\r${bar} ${done}/${total} files${failed > 0 ? `, ${failed} failed` : ""} `);
  if (done === total) process.stderr.write("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      jobs: { type: "string", default: String(availableParallelism()) },
    },
  });
  if (values.dir === undefined) {
    console.error("usage: bun test/vectors/run.ts --dir DIR [--only TEXT] [--json] [--jobs N]");
    process.exitCode = 2;
    return;
  }
  const root = resolve(values.dir);
  const summary = await runVectors({
    files: findFiles(root),
    only: values.only,
    jobs: Number(values.jobs),
    ...(process.stderr.isTTY && { onProgress: drawProgress }),
  });
  const { passed, failed, skipped, failures } = summary;
  if (values.json) console.log(JSON.stringify(summary));
  else
    for (const { path, name, reason } of failures)
      console.log(`✗ ${relative(root, path)} ${name}\n    ${reason}`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
