// Errors as the operator reads them: three lines, and the failure that came first.
import { expect, test } from "bun:test";
import { describeError, exitCodeOf } from "#cli/report.ts";
import { KoraError } from "#lib/error.ts";

const full = new KoraError("consensus.db cannot be written", {
  code: "JOURNAL_FAILED",
  why: "database or disk is full",
  hint: "check free space",
});

test("an error is what, why and what to do", () => {
  expect(describeError(full)).toBe(
    "error: consensus.db cannot be written\n  why: database or disk is full\n  try: check free space",
  );
  expect(exitCodeOf(full)).toBe(1);
  const refusal = new KoraError("no", { code: "NO", kind: "safety", why: "a\n b" });
  expect(describeError(refusal)).toBe("error: no\n  why: a; b\n  try: kora help");
  expect(exitCodeOf(refusal)).toBe(3);
});

test("what fails while a failed node closes hides nothing", async () => {
  const closing = (what: string): AsyncDisposable => ({
    [Symbol.asyncDispose]: () => Promise.reject(new Error(what)),
  });
  const stop = async (): Promise<void> => {
    await using _store = closing("the store cannot be closed");
    await using _journal = closing("the journal cannot be closed");
    throw full;
  };
  const failure: unknown = await stop().catch((thrown: unknown) => thrown);
  expect(failure).not.toBe(full);
  expect(describeError(failure)).toBe(describeError(full));
  expect(exitCodeOf(failure)).toBe(1);
});
