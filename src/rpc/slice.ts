// Long work in slices, so that other requests and blocks run between them.
import { WORK_SLICE } from "./limits.ts";

/** Resolves after other work has had its turn, but only when a slice is used up; mostly at once. */
export type Pause = () => Promise<void> | undefined;

/** A pause for one piece of work. */
export function createPause(): Pause {
  let end = performance.now() + WORK_SLICE;
  return () => {
    if (performance.now() < end) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        end = performance.now() + WORK_SLICE;
        resolve();
      }),
    );
  };
}
