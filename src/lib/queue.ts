// Work that must not overlap: functions run one after the other, each as if it had been called when its turn came.

/** Runs `work` after everything that was handed in before; answers what it gives. */
export type Queue = <T>(work: () => Promise<T> | T) => Promise<T>;

/** An empty queue. A failure reaches whoever handed the work in, and does not stop what is behind it. */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
