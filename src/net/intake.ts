// The way in from one peer on one channel: frames are cut, counted against the peer's rate and handed to the channel's
// handler one after the other. A peer above its rate, or ahead of a slow handler, is not read: its window fills up. A
// new stream is one more way to the same account: it brings no credit, and waits for the handler like the one before.
import type { Clock } from "./clock.ts";
import { FRAME_HEADER_BYTES, type FrameReader } from "./frames.ts";
import { createRate, type Rate } from "./rate.ts";
import type { Quota } from "./types.ts";
import type { WireStream } from "./wire.ts";

/** What a peer has on a channel, whatever streams and connections it opens. */
export interface Account {
  readonly rate: Rate;
  /** Until the handler is done with the last frame; never rejects. */
  handling: Promise<void> | undefined;
  /** Milliseconds that frames have waited for the rate and that were not held against the peer yet. */
  waited: number;
}

/** The account of a peer that nothing was heard from. */
export function createAccount(quota: Quota): Account {
  return { rate: createRate(quota), handling: undefined, waited: 0 };
}

interface IntakeParts {
  readonly reader: FrameReader;
  readonly clock: Clock;
  readonly account: Account;
  readonly stream: WireStream;
  /** What it answers must not reject. */
  readonly deliver: (frame: Uint8Array) => void | Promise<void>;
  readonly onBytes: (count: number) => void;
  /** The peer announced a frame above the channel's bound, or was kept waiting another second for its rate. */
  readonly onOffence: (offence: "oversized" | "overQuota") => void;
}

/** Milliseconds of waiting for the rate that count as one offence. */
const OVER_QUOTA_MS = 1_000;

/** Reads `stream` until it ends; the answer stops it. */
export function readStream(parts: IntakeParts): () => void {
  const { reader, clock, account, stream, deliver, onBytes, onOffence } = parts;
  const { rate } = account;
  let stopped = false;
  let busy = false;
  let endWait: (() => void) | undefined;

  function stop(): void {
    stopped = true;
    endWait?.();
  }
  function wake(): void {
    busy = false;
    if (stopped) return;
    drain();
    if (!busy && !stopped) stream.resume();
  }
  /** Stops reading until `wake`. */
  function hold(): void {
    if (!busy) stream.pause();
    busy = true;
  }
  /** Whoever has sent more by the end of the wait is too fast: honest ones for moments, after a pause of the network. */
  function waitForRate(ms: number): void {
    const since = clock.now();
    const cancel = clock.after(ms, () => {
      endWait?.();
      for (; account.waited >= OVER_QUOTA_MS && !stopped; account.waited -= OVER_QUOTA_MS)
        onOffence("overQuota");
      wake();
    });
    endWait = () => {
      endWait = undefined;
      cancel();
      if (reader.buffered > 0) account.waited += clock.now() - since;
    };
  }
  function handle(frame: Uint8Array): void {
    const pending = deliver(frame);
    if (pending === undefined) return;
    const handling = pending.then(() => {
      if (account.handling === handling) account.handling = undefined;
    });
    account.handling = handling;
  }
  function drain(): void {
    while (!busy && !stopped) {
      const pause = rate.wait(clock.now());
      if (account.handling !== undefined || pause > 0) {
        hold();
        if (account.handling === undefined) waitForRate(pause);
        else void account.handling.then(wake);
        return;
      }
      const frame = reader.next();
      if (frame === undefined) return;
      if (frame === "oversized") {
        stop();
        stream.abort("oversized frame");
        onOffence("oversized");
        return;
      }
      rate.take(clock.now(), frame.length + FRAME_HEADER_BYTES);
      handle(frame);
    }
  }
  stream.onClose(stop);
  stream.onData((chunk) => {
    if (stopped) return;
    onBytes(chunk.length);
    reader.push(chunk);
    drain();
  });
  return () => {
    stop();
    stream.abort("no longer read");
  };
}
