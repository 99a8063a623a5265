// Clients' transactions that were relayed and still wait: a peer whose pool was full had no room for them then, and
// hears of them only once. They are relayed again, ever more rarely; else each would wait until its own node leads.
import type { Hash } from "#types/ids.ts";

/** Milliseconds after which a transaction is relayed again, the first time, the second and so on; the last stays. */
const PAUSES_MS = [2_000, 4_000, 8_000, 16_000, 32_000] as const;
/** How often `tick` wants to be called, in milliseconds. */
export const REMINDER_TICK_MS = 250;
/** Transactions that go out in one tick. */
export const MAX_REMINDED = 128;
/** Transactions looked after at once; of more, the newest are not. */
export const MAX_WATCHED = 16_384;

export interface ReminderPorts {
  /** Whether the pool still holds it. */
  readonly waits: (hash: Hash) => boolean;
  readonly relay: (raw: Uint8Array) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Reminder {
  /** Looks after a transaction that was relayed now. */
  watch(hash: Hash, raw: Uint8Array): void;
  /** Relays again what is due and still waits, in the order in which it came, and forgets what does not. */
  tick(): void;
}

interface Watched {
  readonly hash: Hash;
  readonly raw: Uint8Array;
  readonly dueAt: number;
}

/** First in, first out; taken entries leave the array in pieces, since each move of the rest costs its length. */
class Line {
  #entries: Watched[] = [];
  #taken = 0;

  push(entry: Watched): void {
    this.#entries.push(entry);
  }

  /** Takes the first entry if it is due. */
  take(now: number): Watched | undefined {
    const entry = this.#entries[this.#taken];
    if (entry === undefined || entry.dueAt > now) return undefined;
    this.#taken++;
    if (this.#taken * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#taken);
      this.#taken = 0;
    }
    return entry;
  }
}

/** Looks after nothing yet. */
export function createReminder({ waits, relay, now }: ReminderPorts): Reminder {
  // Those that wait equally long fall due in the order in which they came: nonces of a sender stay in order.
  const lines = PAUSES_MS.map((pause) => ({ pause, line: new Line() }));
  let watched = 0;
  const put = (at: number, hash: Hash, raw: Uint8Array): void => {
    const { pause, line } = lines[Math.min(at, lines.length - 1)] as (typeof lines)[number];
    line.push({ hash, raw, dueAt: now() + pause });
  };
  return {
    watch(hash, raw) {
      if (watched === MAX_WATCHED) return;
      watched++;
      put(0, hash, raw);
    },
    tick() {
      let left = MAX_REMINDED;
      // Who has waited longest goes first.
      for (let at = lines.length - 1; at >= 0; at--) {
        while (left > 0) {
          const entry = lines[at]?.line.take(now());
          if (entry === undefined) break;
          if (!waits(entry.hash)) {
            watched--;
            continue;
          }
          left--;
          relay(entry.raw);
          put(at + 1, entry.hash, entry.raw);
        }
      }
    },
  };
}
