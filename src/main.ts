// The process: argument vector in, exit code out, signals turned into one AbortSignal. The only process.exit.
import { writeSync } from "node:fs";
import { describeError, exitCodeOf } from "#cli/report.ts";
import { runCli } from "#cli/run.ts";
import { tellsOfEndedConnection } from "#node/rejections.ts";

const STDOUT = 1;
const STDERR = 2;
const DEFAULT_COLUMNS = 80;

/** Writes synchronously, so that nothing is lost at exit; a reader that went away is not an error. */
function writeText(descriptor: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Bun.sleepSync(1);
    }
  }
}

function writeLine(descriptor: number, text: string): void {
  writeText(descriptor, `${text}\n`);
}

function fail(thrown: unknown): void {
  writeLine(STDERR, describeError(thrown));
  process.exit(exitCodeOf(thrown));
}

/** A signal may come twice at once, from the terminal and from a parent; one that comes later is impatience. */
const IMPATIENCE_MS = 500;
const stop = new AbortController();
let firstSignal: number | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    firstSignal ??= performance.now();
    if (performance.now() - firstSignal > IMPATIENCE_MS) process.exit(signal === "SIGINT" ? 130 : 143);
    stop.abort();
  });
}
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (thrown: unknown) => {
    if (!tellsOfEndedConnection(thrown)) fail(thrown);
  });
}

process.exit(
  await runCli(process.argv.slice(2), {
    env: process.env,
    signal: stop.signal,
    out: (text) => writeLine(STDOUT, text),
    err: (text) => writeLine(STDERR, text),
    terminal: {
      interactive: process.stderr.isTTY === true,
      // A terminal that was never told its size says 0.
      columns: process.stderr.columns || DEFAULT_COLUMNS,
      write: (text) => writeText(STDERR, text),
    },
  }),
);
