// A rate in bytes and messages per second. Whatever fits its channel may pass at once while there is credit; what it
// takes beyond the credit is a debt that later traffic waits for. So a frame larger than a second's worth passes too.
import type { Quota } from "./types.ts";

export interface Rate {
  /** Milliseconds until the next message may pass; 0 for now. */
  wait(now: number): number;
  /** Takes one message of `bytes`. */
  take(now: number, bytes: number): void;
}

/** What sums of fractions may lack. */
const ROUNDING = 1e-6;

interface Bucket {
  readonly perMs: number;
  readonly capacity: number;
  credit: number;
}

function bucket(perSecond: number): Bucket {
  return { perMs: perSecond / 1000, capacity: perSecond, credit: perSecond };
}

/** A rate that begins with a full second of credit, and never holds more. */
export function createRate(quota: Quota): Rate {
  const bytes = bucket(quota.bytesPerSecond);
  const messages = bucket(quota.messagesPerSecond);
  let last: number | undefined;
  function refill(now: number): void {
    const elapsed = last === undefined ? 0 : Math.max(0, now - last);
    last = now;
    for (const each of [bytes, messages]) {
      each.credit = Math.min(each.capacity, each.credit + elapsed * each.perMs);
    }
  }
  return {
    wait(now) {
      refill(now);
      const missing = (each: Bucket, least: number): number =>
        each.credit >= least - ROUNDING ? 0 : Math.ceil((least - each.credit) / each.perMs);
      // A message needs one whole unit; bytes only need the debt to be paid.
      return Math.max(missing(bytes, 0), missing(messages, Math.min(1, messages.capacity)));
    },
    take(now, size) {
      refill(now);
      bytes.credit -= size;
      messages.credit -= 1;
    },
  };
}
