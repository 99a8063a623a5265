// Frames waiting to be sent: bounded in number and bytes, with the channel's policy for what does not fit.
import type { ChannelSpec } from "./types.ts";

export interface FrameQueue {
  /** Whether the frame was taken; `dropped` counts what had to go for it, or itself. */
  push(frame: Uint8Array): boolean;
  shift(): Uint8Array | undefined;
  readonly length: number;
  readonly dropped: number;
}

/** An empty queue with the bounds and the policy of `spec`. */
export function createFrameQueue(spec: ChannelSpec): FrameQueue {
  const { maxFrames, maxBytes, policy } = spec.queue;
  const frames: Uint8Array[] = [];
  let bytes = 0;
  let dropped = 0;
  function shift(): Uint8Array | undefined {
    const frame = frames.shift();
    bytes -= frame?.length ?? 0;
    return frame;
  }
  return {
    push(frame) {
      if (frame.length > spec.maxFrameBytes || frame.length > maxBytes) {
        dropped++;
        return false;
      }
      while (frames.length >= maxFrames || bytes + frame.length > maxBytes) {
        dropped++;
        if (policy === "refuse-newest" || shift() === undefined) return false;
      }
      frames.push(frame);
      bytes += frame.length;
      return true;
    },
    shift,
    get length() {
      return frames.length;
    },
    get dropped() {
      return dropped;
    },
  };
}
