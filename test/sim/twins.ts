// Twins by enumeration: four validators, one of them running twice with one key, and every way to split the five processes
// in two during each of a few windows of time. Small enough to try them all; what it cannot find is a matter of luck.
import { calmOptions, type Options, type Step } from "./options.ts";

const SLOTS = 5;
/** Virtual ms of one window: about two views, or a timeout. */
const WINDOW = 90;

/** Every split of the five processes in two groups, the undivided one included. */
export const SPLITS: readonly (readonly (readonly number[])[])[] = Array.from(
  { length: 1 << (SLOTS - 1) },
  (_, bits) => {
    const slots = Array.from({ length: SLOTS }, (__, slot) => slot);
    return [
      slots.filter((slot) => ((bits >> slot) & 1) === 0),
      slots.filter((slot) => ((bits >> slot) & 1) === 1),
    ];
  },
);

/** The schedule in which window i is split as `splits[i]` says; the twin is the leader of view 1. */
export function twinOptions(splits: readonly number[]): Options {
  const script: Step[] = splits.map((split, i) => ({
    at: i * WINDOW,
    do: "cut",
    groups: SPLITS[split] ?? [],
  }));
  return {
    ...calmOptions(1 + splits.reduce((sum, split) => sum * SPLITS.length + split, 0), SLOTS - 1, 12),
    byzantine: new Map([[1, "twins"]]),
    delay: 4,
    spread: 0,
    script,
    phaseOneMs: splits.length * WINDOW,
  };
}
