// Runs the test suite on a fresh build and ends with one plain line: `N passed, N failed, N skipped`.
// Arguments narrow it as those of `bun test` do; `--system` runs the tests that need programs of the distribution.
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

/** How long what the ended process has written may take to arrive. */
const LAST_WORDS_MS = 2_000;

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The numbers of bun test's closing summary; undefined when it never got there. */
function countsOf(output: string): Counts | undefined {
  const last = (word: string): number | undefined => {
    const found = [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}$`, "gm"))].at(-1);
    return found === undefined ? undefined : Number(found[1]);
  };
  const passed = last("pass");
  const failed = last("fail");
  if (passed === undefined || failed === undefined) return undefined;
  return { passed, failed, skipped: (last("skip") ?? 0) + (last("todo") ?? 0) };
}

/** Runs bun, passing its output on; answers the exit code and all that it wrote. */
async function runBun(args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
    env: { ...process.env, ...(process.stderr.isTTY && { FORCE_COLOR: "1" }) },
  });
  const decoder = new TextDecoder();
  const reader = child.stderr.getReader();
  let output = "";
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      process.stderr.write(value);
      output += decoder.decode(value, { stream: true });
    }
  })();
  const code = await child.exited;
  // A process that a test left behind keeps the pipe open: it must not keep the suite.
  await Promise.race([reading, Bun.sleep(LAST_WORDS_MS)]);
  await reader.cancel();
  return { code, output: Bun.stripANSI(output) };
}

function systemTests(): string[] {
  return [...new Bun.Glob("test/system/*.ts").scanSync(ROOT)].sort().map((path) => `./${path}`);
}

const given = process.argv.slice(2);
const selection = given.includes("--system") ? systemTests() : given;
const build = await runBun([join(ROOT, "src/build/compile.ts"), "--if-older"]);
const { code, output } = build.code === 0 ? await runBun(["test", ...selection]) : build;
const counts = countsOf(output) ?? { passed: 0, failed: 1, skipped: 0 };
const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed;
process.stdout.write(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = failed === 0 ? 0 : 1;
