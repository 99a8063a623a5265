// A bound on bytes that many hold in common.

export interface ByteBudget {
  /** Counts `bytes` as held; false, with nothing counted, where they would pass the bound. */
  take(bytes: number): boolean;
  /** Counts `bytes` whatever is held: for short words that say that there is no room. */
  add(bytes: number): void;
  giveBack(bytes: number): void;
}

/** A budget of which nothing is held yet. */
export function createByteBudget(max: number): ByteBudget {
  let held = 0;
  return {
    take(bytes) {
      if (held + bytes > max) return false;
      held += bytes;
      return true;
    },
    add(bytes) {
      held += bytes;
    },
    giveBack(bytes) {
      held -= bytes;
    },
  };
}
