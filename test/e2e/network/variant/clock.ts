// A validator's clock that is wrong: so many seconds off, faster or slower than time, and set anew now and then.
import type { OpenClock } from "#node/validators/engine.ts";
import type { Act } from "./acts.ts";

export interface ClockFault {
  /** Seconds by which the wall clock is ahead; negative: behind. */
  readonly offset: number;
  /** Seconds of this clock in a second of real time, timers included. */
  readonly rate: number;
  /** Every other period of three seconds the wall clock is set this many seconds further ahead. */
  readonly step: number;
}

const STEP_SECONDS = 3;

/** Seconds from which on a reading counts as wrong. */
const WRONG_SECONDS = 0.001;

/** A clock with this fault; each wrong reading is an act: the seconds by which it is ahead. */
export function wrongClock({ offset, rate, step }: ClockFault, act: Act): OpenClock {
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
        const reading = startedWall + passed + offset + stepped;
        const ahead = reading - Date.now() / 1000;
        if (Math.abs(ahead) > WRONG_SECONDS) act(ahead.toFixed(3));
        return reading;
      },
      alarm(at) {
        clearTimeout(timer);
        timer = setTimeout(wake, Math.max(0, at - now()) / rate);
      },
      [Symbol.dispose]: () => clearTimeout(timer),
    };
  };
}
