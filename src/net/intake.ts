// The way in from one peer on one channel: frames are cut, counted against the peer's rate and handed to the channel's
// handler one after the other. A peer above its rate, or ahead of a slow handler, is not read: its window fills up.
import type { Clock } from "./clock.ts";
import { createFrameReader, FRAME_HEADER_BYTES } from "./frames.ts";
import { createRate, type Rate } from "./rate.ts";
import type { ChannelSpec } from "./types.ts";
import type { WireStream } from "./wire.ts";

interface IntakeParts {
  readonly spec: ChannelSpec;
  readonly clock: Clock;
  /** Shared by all streams of this peer and channel, so that a new stream brings no new credit. */
  readonly rate: Rate;
  readonly stream: WireStream;
  readonly deliver: (frame: Uint8Array) => void | Promise<void>;
  readonly onBytes: (count: number) => void;
  /** The peer announced a frame above the channel's bound. */
  readonly onOversized: () => void;
}

/** A rate for what a peer may send on a channel. */
export function inboundRate(spec: ChannelSpec): Rate {
  return createRate(spec.inbound);
}

/** Reads `stream` until it ends; the answer stops it. */
export function readStream(parts: IntakeParts): () => void {
  const { spec, clock, rate, stream, deliver, onBytes, onOversized } = parts;
  const reader = createFrameReader(spec.maxFrameBytes);
  let stopped = false;
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
        onOversized();
        return;
      }
      rate.take(clock.now(), frame.length + FRAME_HEADER_BYTES);
      const pending = deliver(frame);
      const pause = rate.wait(clock.now());
      if (pending === undefined && pause === 0) continue;
      hold();
      const resume = (): void => {
        const left = rate.wait(clock.now());
        if (left > 0 && !stopped) cancelTimer = clock.after(left, resume);
        else wake();
      };
      if (pending === undefined) cancelTimer = clock.after(pause, resume);
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
