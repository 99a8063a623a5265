// Events on their way to those who listen: in order, and in slices, so that what concerns many takes turns with all else
// that the loop has to do. Where events come faster than they can be told, whoever takes most of that time is let go.
import { MAX_WAITING_EVENT_BYTES } from "./limits.ts";
import { createPause } from "./slice.ts";

/** One who is told events. */
export interface Listener {
  /** How often it was told, or looked at in vain, since last nothing waited. */
  steps: number;
  /** Whether anything may have to be told to it still: who has ended all subscriptions is not let go. */
  readonly listens: () => boolean;
  /** Ends it; it is told nothing more. */
  drop(): void;
}

/** An event: each step tells one listener, or finds that the event does not concern it, or concerns nobody. */
export type Telling = Iterator<Listener | undefined>;

export interface Announcer {
  /** Adds one who may have to be let go; the result removes it. */
  join(listener: Listener): () => void;
  /**
   * Tells an event after those that wait: at once, where that is little. `bytes` are held until it is told. Where too
   * much waits, one of those who cost steps is let go; without any, the event is told to nobody.
   */
  announce(event: Telling, bytes: number): void;
  /** Forgets what waits. */
  close(): void;
}

/** An announcer to whom nobody listens yet. `report` gets what an event throws: the rest of that one is not told. */
export function createAnnouncer(report: (error: unknown) => void): Announcer {
  const listeners = new Set<Listener>();
  const waiting: { readonly event: Telling; readonly bytes: number }[] = [];
  let held = 0;
  let telling = false;

  const run = async (): Promise<void> => {
    telling = true;
    const pause = createPause();
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      try {
        for (let step = next.event.next(); step.done !== true; step = next.event.next()) {
          if (step.value !== undefined) step.value.steps++;
          const turn = pause();
          if (turn !== undefined) await turn;
        }
      } catch (error) {
        report(error);
      }
      // What was forgotten meanwhile is counted no more.
      if (waiting[0] === next) held -= waiting.shift()?.bytes ?? 0;
    }
    for (const listener of listeners) listener.steps = 0;
    telling = false;
  };

  /** Whether there was one who cost anything. */
  const dropBusiest = (): boolean => {
    let busiest: Listener | undefined;
    for (const listener of listeners) {
      if (listener.steps > (busiest?.steps ?? 0) && listener.listens()) busiest = listener;
    }
    if (busiest === undefined) return false;
    listeners.delete(busiest);
    busiest.drop();
    return true;
  };

  return {
    join(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    announce(event, bytes) {
      if (held > 0 && held + bytes > MAX_WAITING_EVENT_BYTES && !dropBusiest()) return;
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
