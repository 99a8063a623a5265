// The running epoch of a local chain: it rises with every rollback, so that no round is ever used twice.
import { Reader, Writer } from "#lib/codec.ts";
import type { Notes } from "#state/types.ts";

export interface EpochNote {
  /** 0 until something was rolled back. */
  current(): number;
  /** Begins the epoch after `atLeast` and the current one; durable when it returns. */
  advance(atLeast: number): number;
}

const NOTE = "epoch";

/** The epoch noted in a store. */
export function createEpochNote(notes: Notes): EpochNote {
  const noted = notes.get(NOTE);
  let epoch = noted === undefined ? 0 : new Reader(noted).u64();
  return {
    current: () => epoch,
    advance(atLeast) {
      epoch = Math.max(epoch, atLeast) + 1;
      notes.set(NOTE, new Writer(8).u64(epoch).finish());
      return epoch;
    },
  };
}
