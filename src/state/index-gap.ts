// How far the indexes that only queries need reach while blocks are missing in them, which were committed when the
// indexes were switched off. What is missing is never taken for what is not there: a query that would is refused.
import { KoraError } from "#lib/error.ts";
import { readU64, writeU64 } from "./format.ts";
import { openNotes } from "./notes.ts";
import type { Store } from "./store.ts";

/** The note that holds the first height that is missing, 8 bytes big-endian; without it none is. */
const NOTE = "unindexed";
const NOTE_BYTES = 8;

export interface IndexGap {
  /** First height that the indexes lack; undefined when they lack none. */
  from(): number | undefined;
  /** Moves it, inside the running transaction or in one of its own. */
  set(from: number | undefined): void;
  /** What a query past the indexes' end gets. */
  refusal(from: number): KoraError;
}

/** The gap in the indexes of `store`; `building`: whether its owner builds what they lack. */
export function openIndexGap(store: Store, building: boolean): IndexGap {
  const notes = openNotes(store);
  const head = store.prepare("SELECT height FROM meta");
  return {
    from() {
      const note = notes.get(NOTE);
      if (note === undefined) return undefined;
      if (note.length !== NOTE_BYTES) throw store.corrupt("the note how far its indexes reach is cut");
      return readU64(note, 0);
    },
    set(from) {
      const note = new Uint8Array(NOTE_BYTES);
      writeU64(note, 0, from ?? 0);
      notes.set(NOTE, from === undefined ? undefined : note);
    },
    refusal(from) {
      const reach = from === 0 ? "no block" : `block ${from - 1}`;
      const [doing, hint] = building
        ? ["being built", "ask again when it has caught up; /readyz of the node says when"]
        : ["switched off", "start the node with RPC: it then builds what is missing"];
      return new KoraError(
        `the index of transactions and logs is ${doing}: it reaches ${reach} of ${head.get()?.[0]}`,
        { code: "INDEXES_MISSING", hint },
      );
    },
  };
}
