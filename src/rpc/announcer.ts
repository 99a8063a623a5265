// Events on their way to those who listen: in order, and in slices, so that what concerns many takes turns with all else
// that the loop has to do. Where events come faster than they can be told, whoever is told most is let go.
import { MAX_WAITING_EVENT_BYTES } from "./limits.ts";
import { createPause } from "./slice.ts";

/** One who is told events. */
export interface Listener {
  /** How often it was told since last nothing waited. */
  told: number;
  /** Ends it; it is told nothing more. */
  drop(): void;
}

/** An event: each step tells one listener, or nobody. */
export type Telling = Iterator<Listener | undefined>;

export interface Announcer {
  /** Adds one who may have to be let go; the result removes it. */
  join(listener: Listener): () => void;
  /** Tells an event after those that wait: at once, where that is little. `bytes` are held until it is told. */
  announce(event: Telling, bytes: number): void;
  /** Forgets what waits. */
  close(): void;
}

/** An announcer to whom nobody listens yet. */
export function createAnnouncer(): Announcer {
  const listeners = new Set<Listener>();
  const waiting: { readonly event: Telling; readonly bytes: number }[] = [];
  let held = 0;
  let telling = false;

  const run = async (): Promise<void> => {
    telling = true;
    const pause = createPause();
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      for (let step = next.event.next(); step.done !== true; step = next.event.next()) {
        if (step.value !== undefined) step.value.told++;
        const turn = pause();
        if (turn !== undefined) await turn;
      }
      // What was forgotten meanwhile is counted no more.
      if (waiting[0] === next) held -= waiting.shift()?.bytes ?? 0;
    }
    for (const listener of listeners) listener.told = 0;
    telling = false;
  };

  const dropBusiest = (): void => {
    let busiest: Listener | undefined;
    for (const listener of listeners) {
      if (busiest === undefined || listener.told > busiest.told) busiest = listener;
    }
    if (busiest === undefined) return;
    listeners.delete(busiest);
    busiest.drop();
  };

  return {
    join(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    announce(event, bytes) {
      if (held > 0 && held + bytes > MAX_WAITING_EVENT_BYTES) dropBusiest();
      waiting.push({ event, bytes });
      held += bytes;
      if (!telling) void run();
    },
    close() {
      waiting.length = 0;
      held = 0;
    },
  };
}
