// The way in from one peer on one channel: frames are cut, counted against the peer's rate and handed to the channel's
// handler one after the other. A peer above its rate, or ahead of a slow handler, is not read: its window fills up.
import type { Clock } from "./clock.ts";
import { FRAME_HEADER_BYTES, type FrameReader } from "./frames.ts";
import type { Rate } from "./rate.ts";
import type { WireStream } from "./wire.ts";

interface IntakeParts {
  readonly reader: FrameReader;
  readonly clock: Clock;
  /** Shared by all streams of this peer and channel, so that a new stream brings no new credit. */
  readonly rate: Rate;
  readonly stream: WireStream;
  readonly deliver: (frame: Uint8Array) => void | Promise<void>;
  readonly onBytes: (count: number) => void;
  /** The peer announced a frame above the channel's bound, or was kept waiting another second for its rate. */
  readonly onOffence: (offence: "oversized" | "overQuota") => void;
}

/** Milliseconds of waiting for the rate that count as one offence. */
const OVER_QUOTA_MS = 1_000;

/** Reads `stream` until it ends; the answer stops it. */
export function readStream(parts: IntakeParts): () => void {
  const { reader, clock, rate, stream, deliver, onBytes, onOffence } = parts;
  let stopped = false;
  /** Milliseconds that frames have waited for the rate and that were not held against the peer yet. */
  let waited = 0;
  let busy = false;
  let cancelTimer: (() => void) | undefined;

  function stop(): void {
    stopped = true;
    cancelTimer?.();
  }
  function wake(): void {
    busy = false;
    if (stopped) return;
    drain();
    if (!busy && !stopped) stream.resume();
  }
  /** Whoever has sent more by the end of the wait is too fast: honest ones for moments, after a pause of the network. */
  function waitForRate(ms: number, resume: () => void): void {
    cancelTimer = clock.after(ms, () => {
      if (reader.buffered > 0) waited += ms;
      for (; waited >= OVER_QUOTA_MS && !stopped; waited -= OVER_QUOTA_MS) onOffence("overQuota");
      resume();
    });
  }
  /** Stops reading until `wake`. */
  function hold(): void {
    if (!busy) stream.pause();
    busy = true;
  }
  function drain(): void {
    while (!busy && !stopped) {
      const frame = reader.next();
      if (frame === undefined) return;
      if (frame === "oversized") {
        stop();
        stream.abort("oversized frame");
        onOffence("oversized");
        return;
      }
      rate.take(clock.now(), frame.length + FRAME_HEADER_BYTES);
      const pending = deliver(frame);
      const pause = rate.wait(clock.now());
      if (pending === undefined && pause === 0) continue;
      hold();
      const resume = (): void => {
        const left = rate.wait(clock.now());
        if (left > 0 && !stopped) waitForRate(left, resume);
        else wake();
      };
      if (pending === undefined) waitForRate(pause, resume);
      else void pending.then(resume);
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
