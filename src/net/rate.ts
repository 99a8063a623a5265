// Rates. Whatever fits its channel may pass at once while there is credit; what it takes beyond the credit is a debt
// that later traffic waits for. So a frame larger than a second's worth passes too.
import type { Quota } from "./types.ts";

/** An allowance that grows with time. */
export interface Credit {
  /** Milliseconds until `least` is there; 0 for now. */
  wait(now: number, least: number): number;
  take(now: number, amount: number): void;
}

export interface Rate {
  /** Milliseconds until the next message may pass; 0 for now. */
  wait(now: number): number;
  /** Takes one message of `bytes`. */
  take(now: number, bytes: number): void;
}

/** What sums of fractions may lack. */
const ROUNDING = 1e-6;

/** A credit that begins with a full second's worth, and never holds more. */
export function createCredit(perSecond: number): Credit {
  const perMs = perSecond / 1000;
  let credit = perSecond;
  let last: number | undefined;
  function refill(now: number): void {
    const elapsed = last === undefined ? 0 : Math.max(0, now - last);
    last = now;
    credit = Math.min(perSecond, credit + elapsed * perMs);
  }
  return {
    wait(now, least) {
      refill(now);
      return credit >= least - ROUNDING ? 0 : Math.ceil((least - credit) / perMs);
    },
    take(now, amount) {
      refill(now);
      credit -= amount;
    },
  };
}

/** A rate in bytes and messages. */
export function createRate({ bytesPerSecond, messagesPerSecond }: Quota): Rate {
  const bytes = createCredit(bytesPerSecond);
  const messages = createCredit(messagesPerSecond);
  return {
    // A message needs one whole unit; bytes only need the debt to be paid.
    wait: (now) => Math.max(bytes.wait(now, 0), messages.wait(now, Math.min(1, messagesPerSecond))),
    take(now, size) {
      bytes.take(now, size);
      messages.take(now, 1);
    },
  };
}

/** What may come in for what may go out: jitter alone would put a peer that sends all it may above the same quota. */
const TOLERANCE = 1.25;

/** Both quotas of a channel on which a peer may send so much. */
export function quotasFor(outbound: Quota): { readonly inbound: Quota; readonly outbound: Quota } {
  const { bytesPerSecond, messagesPerSecond } = outbound;
  const inbound = {
    bytesPerSecond: TOLERANCE * bytesPerSecond,
    messagesPerSecond: TOLERANCE * messagesPerSecond,
  };
  return { inbound, outbound };
}
