// One worker process of the vector runner: takes a file at a time from its parent and reports each case's result.
import { runFile } from "./files.ts";
import type { CaseResult } from "./formats/case.ts";

/** What the parent sends. */
export interface Assignment {
  readonly path: string;
  readonly only: string;
}
/** What a worker answers, after each file. */
export interface Report {
  readonly path: string;
  readonly results: readonly CaseResult[];
}

async function work({ path, only }: Assignment): Promise<Report> {
  const results: CaseResult[] = [];
  try {
    const wanted = (name: string): boolean => only === "" || name.includes(only) || path.includes(only);
    for await (const result of runFile(path, wanted)) results.push(result);
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    results.push({ name: path, status: "failed", reason });
  }
  return { path, results };
}

process.on("message", (assignment: Assignment) => {
  void work(assignment).then((report) => process.send?.(report));
});
