// R18: the signing guard. Views are reserved before anything is signed in them, in the journal first and then in a file
// beside the identity key, so that a journal restored from a backup, or none at all, is noticed.

/** Views up to and including `upTo` are reserved; the counter rises with every reservation. */
export interface Reservation {
  readonly counter: number;
  readonly upTo: number;
}

/** A reservation as the journal holds it. */
export interface JournalledReservation extends Reservation {
  /** The floor that was respected when it was made: a lost past may have signed up to there. 0: there was none. */
  readonly barred: number;
}

/**
 * The view at or below which nothing may be signed: that of a guard which is ahead of the journal or without one, else
 * what was barred before. A journal ahead of the guard is a crash between the two writes.
 */
export function signingFloor(
  journal: JournalledReservation | undefined,
  guard: Reservation | undefined,
): number {
  if (guard !== undefined && guard.counter > (journal?.counter ?? -1)) return guard.upTo;
  return journal?.barred ?? 0;
}

/**
 * What reserves views up to `upTo`. The floor is handed on: having signed above it says nothing of what a lost past
 * signed below, and a view below may still be open. Only a reservation that does not pass it is one for which an
 * operator lifted it.
 */
export function nextReservation(
  journal: JournalledReservation | undefined,
  guard: Reservation | undefined,
  upTo: number,
): JournalledReservation {
  const floor = signingFloor(journal, guard);
  const counter = Math.max(journal?.counter ?? 0, guard?.counter ?? 0) + 1;
  return { counter, upTo, barred: upTo > floor ? floor : 0 };
}
