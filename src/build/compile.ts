// Compiles the source into ./kora, one executable that needs nothing beside itself.
// With --if-older it does nothing when the executable is newer than every source file. With --entry another program is
// made of the same source in the same way, for tests.

import { renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dir, "../..");

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Whether `target` is newer than the source, what is beside `entry`, the package list and the lock file. */
function upToDate(target: string, entry: string): boolean {
  const built = modified(target);
  if (built === 0) return false;
  const patterns = ["src/**/*", `${relative(ROOT, dirname(entry))}/**/*`];
  const found = patterns.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(ROOT)]);
  const sources = [...found, "package.json", "package-lock.json"];
  return sources.every((path) => modified(join(ROOT, path)) <= built);
}

/** Short id of the commit the tree stands on, or "unknown" outside a repository. */
function commitId(): string {
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: ROOT, stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

/** Worker threads start from files of their own, which have to be named for the executable to hold them. */
function entryPoints(entry: string): string[] {
  const workers = [...new Bun.Glob("src/**/*worker.ts").scanSync(ROOT)].sort();
  return [entry, ...workers.map((path) => join(ROOT, path))];
}

async function compile(target: string, entry: string): Promise<void> {
  const unfinished = `${target}.${process.pid}.tmp`;
  try {
    const result = await Bun.build({
      entrypoints: entryPoints(entry),
      root: join(ROOT, "src"),
      compile: { outfile: unfinished },
      target: "bun",
      format: "esm",
      bytecode: true,
      sourcemap: "none",
      // Identifiers keep their names: Elysia generates code that refers to them.
      minify: { whitespace: true, syntax: true, identifiers: false },
      define: { KORA_COMMIT: JSON.stringify(commitId()) },
    });
    for (const log of result.logs) process.stderr.write(`${log.level}: ${log.message}\n`);
    renameSync(unfinished, target);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

const { values } = parseArgs({
  options: {
    "if-older": { type: "boolean", default: false },
    outfile: { type: "string" },
    entry: { type: "string" },
  },
});
const target = resolve(values.outfile ?? join(ROOT, "kora"));
const entry = resolve(values.entry ?? join(ROOT, "src/main.ts"));
if (!values["if-older"] || !upToDate(target, entry)) {
  const started = performance.now();
  await compile(target, entry);
  const megabytes = Math.round(statSync(target).size / 1e6);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(
    `built ${relative(process.cwd(), target) || target} (${megabytes} MB) in ${seconds} s\n`,
  );
}
