// What a validator that is not as it should be really did, a line each in a file, so that a run can tell that it did.
import { appendFileSync } from "node:fs";

/** Lines that are written; there may be many more acts. */
const MAX_ACTS = 10_000;

/** Writes down what was done. */
export type Act = (what: string) => void;

/** Writes to `path`; to nowhere without one. */
export function actsTo(path: string | undefined): Act {
  let count = 0;
  return (what) => {
    if (path !== undefined && count++ < MAX_ACTS) appendFileSync(path, `${what}\n`);
  };
}
