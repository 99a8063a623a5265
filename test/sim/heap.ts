// The event queue of virtual time: events by (time, order of arrival), so that equal times keep their order.
import { createHeap } from "#lib/heap.ts";

export interface Scheduler {
  now(): number;
  at(time: number, run: () => void): void;
  /** Runs the earliest event; false if there is none. */
  next(): boolean;
  readonly size: number;
}

interface Scheduled {
  readonly time: number;
  readonly order: number;
  readonly run: () => void;
}

export function createScheduler(): Scheduler {
  let now = 0;
  let order = 0;
  const events = createHeap<Scheduled>((a, b) => a.time - b.time || a.order - b.order);
  return {
    now: () => now,
    get size() {
      return events.size;
    },
    at(time, run) {
      events.push({ time: Math.max(time, now), order: order++, run });
    },
    next() {
      const event = events.pop();
      if (event === undefined) return false;
      now = event.time;
      event.run();
      return true;
    },
  };
}
