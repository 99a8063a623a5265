// The network between simulated validators: delay, loss, duplication, and partitions that come and go.
import type { Rng } from "../support/rng.ts";
import type { Options, PartitionKind } from "./options.ts";

export interface Links {
  /** Delivery times of one message, relative to now; empty: lost. */
  deliveries(from: number, to: number): readonly number[];
  split(kind: PartitionKind): void;
  /** Only members of one group hear each other. */
  cut(groups: readonly (readonly number[])[]): void;
  heal(): void;
  /** Phase two: everything arrives, soon and once. */
  calm(): void;
}

const ONCE = [0];
const LOST: readonly number[] = [];

export function createLinks(options: Options, size: number, rng: Rng): Links {
  let cut: boolean[][] | undefined;
  let calm = false;
  const { delay, spread, loss, duplication } = options;

  function allow(test: (from: number, to: number) => boolean): boolean[][] {
    return Array.from({ length: size }, (_, from) =>
      Array.from({ length: size }, (__, to) => !test(from, to)),
    );
  }
  return {
    deliveries(from, to) {
      if (calm) {
        ONCE[0] = 1 + rng.unit() * 3;
        return ONCE;
      }
      if (cut?.[from]?.[to] === true || (loss > 0 && rng.unit() < loss)) return LOST;
      ONCE[0] = delay + rng.unit() * spread;
      if (duplication > 0 && rng.unit() < duplication) return [ONCE[0], delay + rng.unit() * spread * 3];
      return ONCE;
    },
    split(kind) {
      const side = Array.from({ length: size }, () => rng.chance(0.5));
      const alone = rng.below(size);
      const order = rng.shuffle(Array.from({ length: size }, (_, i) => i));
      if (kind === "halves") cut = allow((a, b) => side[a] === side[b]);
      else if (kind === "isolated") cut = allow((a, b) => a !== alone && b !== alone);
      else if (kind === "ring") {
        cut = allow((a, b) => {
          const gap = Math.abs(order[a]! - order[b]!);
          return gap <= 1 || gap === size - 1;
        });
      } else cut = allow(() => rng.chance(0.6));
    },
    cut(groups) {
      const groupOf = (slot: number): number => groups.findIndex((group) => group.includes(slot));
      cut = allow((a, b) => groupOf(a) >= 0 && groupOf(a) === groupOf(b));
    },
    heal() {
      cut = undefined;
    },
    calm() {
      cut = undefined;
      calm = true;
    },
  };
}
