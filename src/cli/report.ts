// How an error reaches the operator: three lines on stderr (what, why, what to do), never a stack trace.
import { KoraError, messageOf } from "#lib/error.ts";

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, "; ").trim();

/** Where our own fault happened: the innermost frame, without the rest of the stack. */
function place(thrown: unknown): string {
  const frame =
    thrown instanceof Error ? thrown.stack?.split("\n").find((line) => /^\s+at /.test(line)) : undefined;
  return frame === undefined ? "" : ` (${frame.trim()})`;
}

/** What failed first: closing what it left behind may fail after it, and tells less. */
function firstFailure(thrown: unknown): unknown {
  let first = thrown;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}

/** The three lines of anything thrown. */
export function describeError(failure: unknown): string {
  const thrown = firstFailure(failure);
  if (!(thrown instanceof KoraError)) {
    return [
      `error: ${oneLine(messageOf(thrown))}`,
      `  why: an unexpected failure inside Kora${place(thrown)}`,
      "  try: report this line with what you did; the data directory is safe to start again",
    ].join("\n");
  }
  const cause = thrown.cause === undefined ? `code ${thrown.code}` : oneLine(messageOf(thrown.cause));
  return [
    `error: ${oneLine(thrown.message)}`,
    `  why: ${oneLine(thrown.why ?? cause)}`,
    `  try: ${oneLine(thrown.hint ?? "kora help")}`,
  ].join("\n");
}

/** The exit code of anything thrown. */
export function exitCodeOf(failure: unknown): number {
  const thrown = firstFailure(failure);
  return thrown instanceof KoraError ? thrown.exitCode : 1;
}
