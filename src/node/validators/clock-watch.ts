// Whether this node's clock agrees with the committee's, judged by the timestamps of blocks as they become final. A
// validator whose clock is wrong votes for nothing, or is voted for by nobody (R3). Sets no clock.
import { MAX_CLOCK_AHEAD_SECONDS } from "#types/limits.ts";

/** Blocks whose age is remembered; fewer than half of them say nothing. */
const SAMPLES = 8;
/** Seconds that a block may be old when it becomes final: building, two rounds of votes, and whole seconds. */
const LATE_SECONDS = 3;

export interface ClockWatch {
  /** A block with this timestamp (seconds) has just become final, not long after it was proposed. */
  saw(timestamp: number): void;
  /** What is wrong; empty while nothing is. */
  concerns(): readonly string[];
}

/** `wall` is this node's clock, in seconds. */
export function watchClock(wall: () => number): ClockWatch {
  const ages: number[] = [];
  return {
    saw(timestamp) {
      ages.push(wall() - timestamp);
      if (ages.length > SAMPLES) ages.shift();
    },
    concerns() {
      if (ages.length < SAMPLES / 2) return [];
      const age = ages.toSorted((a, b) => a - b)[ages.length >> 1] as number;
      if (age < -MAX_CLOCK_AHEAD_SECONDS) {
        return [`this clock is ${Math.round(-age)} s behind that of the validators`];
      }
      if (age <= MAX_CLOCK_AHEAD_SECONDS + LATE_SECONDS) return [];
      const late = `blocks become final ${Math.round(age)} s after their timestamps`;
      return [`${late}: this clock is ahead, or the network is slow`];
    },
  };
}
