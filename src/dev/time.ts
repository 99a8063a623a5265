// The clock of a local chain: the wall clock plus what users have moved it by. The offset survives a restart.
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import type { Notes } from "#state/types.ts";

export interface DevClock {
  /** Seconds that the next block would carry if nothing is set by hand. */
  now(): number;
  /** Seconds that now() is ahead of the wall clock; negative when behind. */
  readonly offset: number;
  /** Moves the clock by `seconds`; returns the new offset. Throws INVALID_PARAMS beyond the year 9999. */
  increase(seconds: number): number;
  /** Makes now() start from `timestamp`. */
  setTo(timestamp: number): void;
}

/** The end of the year 9999, in seconds: a chain that reached 2^53 could make no block any more. */
const MAX_TIMESTAMP = 253_402_300_799;

/** `timestamp` if a chain may be set to it; throws INVALID_PARAMS beyond the year 9999. */
export function settable(timestamp: number): number {
  if (timestamp <= MAX_TIMESTAMP) return timestamp;
  throw new KoraError(`Timestamp error: ${timestamp} is beyond the year 9999`, { code: "INVALID_PARAMS" });
}

const NOTE = "time-offset";

function read(notes: Notes): number {
  const bytes = notes.get(NOTE);
  if (bytes === undefined) return 0;
  const reader = new Reader(bytes);
  const sign = reader.u8() === 1 ? -1 : 1;
  return sign * reader.u64();
}

/** A clock over `wall` (seconds). */
export function createDevClock(notes: Notes, wall: () => number): DevClock {
  let offset = read(notes);
  const store = (next: number): number => {
    offset = next;
    const bytes = new Writer(9)
      .u8(next < 0 ? 1 : 0)
      .u64(Math.abs(next))
      .finish();
    notes.set(NOTE, next === 0 ? undefined : bytes);
    return offset;
  };
  return {
    now: () => wall() + offset,
    get offset() {
      return offset;
    },
    increase: (seconds) => {
      settable(wall() + offset + seconds);
      return store(offset + seconds);
    },
    setTo: (timestamp) => {
      store(timestamp - wall());
    },
  };
}
