// A validator's clock that is wrong: so many seconds off, faster or slower than time, and set anew now and then.
import type { OpenClock } from "#node/validators/engine.ts";

export interface ClockFault {
  /** Seconds by which the wall clock is ahead; negative: behind. */
  readonly offset: number;
  /** Seconds of this clock in a second of real time, timers included. */
  readonly rate: number;
  /** Every other period of three seconds the wall clock is set this many seconds further ahead. */
  readonly step: number;
}

const STEP_SECONDS = 3;

/** A clock with this fault. */
export function wrongClock({ offset, rate, step }: ClockFault): OpenClock {
  return (wake) => {
    const started = performance.now();
    const startedWall = Date.now() / 1000;
    const now = (): number => started + (performance.now() - started) * rate;
    let timer: ReturnType<typeof setTimeout> | undefined;
    return {
      now,
      wall() {
        const passed = (now() - started) / 1000;
        const stepped = Math.floor(passed / STEP_SECONDS) % 2 === 1 ? step : 0;
        return startedWall + passed + offset + stepped;
      },
      alarm(at) {
        clearTimeout(timer);
        timer = setTimeout(wake, Math.max(0, at - now()) / rate);
      },
      [Symbol.dispose]: () => clearTimeout(timer),
    };
  };
}
