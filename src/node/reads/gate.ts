// A gate before reads that hold one snapshot of the database for long: while any of them stands on the write-ahead log,
// this cannot begin anew, even where the snapshot is the newest. Closing the gate lets those that run end, and makes
// others wait: they then read a log that is all moved, which they do not stand on.

export interface Gate {
  /** Runs `work` once the gate is open; who closes it waits for its end. Who waits is the caller's to bound. */
  pass<T>(work: () => Promise<T>): Promise<T>;
  /** Closes the gate, waits until nobody is behind it, runs `work`, and opens it. One at a time. */
  whenEmpty<T>(work: () => Promise<T>): Promise<T>;
}

/** An open gate. */
export function createGate(): Gate {
  let inside = 0;
  let closed: Promise<void> | undefined;
  let empty: (() => void) | undefined;
  return {
    async pass(work) {
      while (closed !== undefined) await closed;
      inside++;
      try {
        return await work();
      } finally {
        if (--inside === 0) empty?.();
      }
    },
    async whenEmpty(work) {
      while (closed !== undefined) await closed;
      const { promise, resolve: open } = Promise.withResolvers<void>();
      closed = promise;
      try {
        if (inside > 0) {
          await new Promise<void>((resolve) => {
            empty = resolve;
          });
        }
        return await work();
      } finally {
        empty = undefined;
        closed = undefined;
        open();
      }
    },
  };
}
