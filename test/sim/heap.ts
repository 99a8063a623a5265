// The event queue of virtual time: a binary heap by (time, order of arrival), so that equal times keep their order.

export interface Scheduler {
  now(): number;
  at(time: number, run: () => void): void;
  /** Runs the earliest event; false if there is none. */
  next(): boolean;
  readonly size: number;
}

export function createScheduler(): Scheduler {
  let now = 0;
  let order = 0;
  let size = 0;
  const times: number[] = [];
  const orders: number[] = [];
  const runs: (() => void)[] = [];

  function before(aTime: number, aOrder: number, b: number): boolean {
    const time = times[b]!;
    return aTime < time || (aTime === time && aOrder < orders[b]!);
  }
  return {
    now: () => now,
    get size() {
      return size;
    },
    at(time, run) {
      if (time < now) time = now;
      const own = order++;
      let i = size++;
      while (i > 0) {
        const parent = (i - 1) >> 1;
        if (!before(time, own, parent)) break;
        times[i] = times[parent]!;
        orders[i] = orders[parent]!;
        runs[i] = runs[parent]!;
        i = parent;
      }
      times[i] = time;
      orders[i] = own;
      runs[i] = run;
    },
    next() {
      if (size === 0) return false;
      now = times[0]!;
      const run = runs[0]!;
      size--;
      const time = times[size]!;
      const own = orders[size]!;
      const last = runs[size]!;
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= size) break;
        if (child + 1 < size && before(times[child + 1]!, orders[child + 1]!, child)) child++;
        if (before(time, own, child)) break;
        times[i] = times[child]!;
        orders[i] = orders[child]!;
        runs[i] = runs[child]!;
        i = child;
      }
      times[i] = time;
      orders[i] = own;
      runs[i] = last;
      runs.length = size;
      times.length = size;
      orders.length = size;
      run();
      return true;
    },
  };
}
