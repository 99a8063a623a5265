// Invariants that stay on in production: a broken one is our own fault and stops what is going on.
import { KoraError } from "./error.ts";

/** Throws `INVARIANT` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) {
    throw new KoraError(`invariant broken: ${message}`, {
      code: "INVARIANT",
      hint: "this is a defect in Kora: please report it with the log",
    });
  }
}
