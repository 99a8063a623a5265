// What running one case of a vector file gives, and the shape of a format.

export type CaseResult =
  | { readonly name: string; readonly status: "passed" }
  | { readonly name: string; readonly status: "failed" | "skipped"; readonly reason: string };

/** Wants the case with this name. */
export type Wanted = (name: string) => boolean;

/** Runs the wanted cases of one parsed file. `path` is for names only. */
export type Format = (content: unknown, path: string, wanted: Wanted) => AsyncIterable<CaseResult>;

/** A mismatch between what happened and what the vector says. */
export class Mismatch extends Error {}

export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Mismatch(`${what}: got ${String(actual)}, expected ${String(expected)}`);
}

/** Runs `check`, turning anything thrown into a failed case. */
export async function settle(name: string, check: () => Promise<void> | void): Promise<CaseResult> {
  try {
    await check();
    return { name, status: "passed" };
  } catch (error) {
    const reason =
      error instanceof Error
        ? error instanceof Mismatch
          ? error.message
          : (error.stack ?? error.message)
        : String(error);
    return { name, status: "failed", reason: reason.slice(0, 2000) };
  }
}
