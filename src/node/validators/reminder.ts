// Clients' transactions that were relayed and still wait: a peer whose pool was full had no room for them then, and
// hears of them only once. They are relayed again, ever more rarely; else each would wait until its own node leads.
import type { Hash } from "#types/ids.ts";

/** Milliseconds after which a transaction is relayed again, the first time, the second and so on; the last stays. */
const PAUSES_MS = [2_000, 4_000, 8_000, 16_000, 32_000] as const;
/** How often `tick` wants to be called, in milliseconds. */
export const REMINDER_TICK_MS = 250;
/** What goes out in one tick, in transactions, and in bytes but for one: a quarter of what members may send at most. */
export const MAX_REMINDED = 128;
export const MAX_REMINDED_BYTES: number = 64 * 1024;
/** Transactions looked after at once; of more, the newest are not. */
export const MAX_WATCHED = 16_384;

export interface ReminderPorts {
  /** The wire form of one that the pool still holds. */
  readonly waiting: (hash: Hash) => Uint8Array | undefined;
  readonly relay: (raw: Uint8Array) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Reminder {
  /** Looks after a transaction that was relayed now. */
  watch(hash: Hash): void;
  /** Relays again what is due and still waits, in the order in which it came, and forgets what does not. */
  tick(): void;
}

interface Watched {
  readonly hash: Hash;
  readonly dueAt: number;
}

/** Looks after nothing yet. */
export function createReminder({ waiting, relay, now }: ReminderPorts): Reminder {
  // Those that wait equally long fall due in the order in which they came: nonces of a sender stay in order.
  const lines = PAUSES_MS.map((pause) => ({ pause, line: [] as Watched[] }));
  const takeDue = (line: Watched[]): Watched | undefined => {
    const [first] = line;
    return first !== undefined && first.dueAt <= now() ? line.shift() : undefined;
  };
  let watched = 0;
  const put = (at: number, hash: Hash): void => {
    const { pause, line } = lines[Math.min(at, lines.length - 1)] as (typeof lines)[number];
    line.push({ hash, dueAt: now() + pause });
  };
  return {
    watch(hash) {
      if (watched === MAX_WATCHED) return;
      watched++;
      put(0, hash);
    },
    tick() {
      let left = MAX_REMINDED;
      let bytes = 0;
      // Who has waited longest goes first.
      for (const [at, { line }] of [...lines.entries()].reverse()) {
        while (left > 0 && bytes < MAX_REMINDED_BYTES) {
          const entry = takeDue(line);
          if (entry === undefined) break;
          const raw = waiting(entry.hash);
          if (raw === undefined) {
            watched--;
            continue;
          }
          left--;
          bytes += raw.length;
          relay(raw);
          put(at + 1, entry.hash);
        }
      }
    },
  };
}
