// R18: the signing guard. Views are reserved before anything is signed in them, in the journal first and then in a file
// beside the identity key, so that a journal restored from a backup, or none at all, is noticed.

/** Views up to and including `upTo` are reserved; the counter rises with every reservation. */
export interface Reservation {
  readonly counter: number;
  readonly upTo: number;
}

/**
 * The view at or below which nothing may be signed: that of a guard which is ahead of the journal or without one,
 * else 0. A journal ahead of the guard is a crash between the two writes.
 */
export function signingFloor(journal: Reservation | undefined, guard: Reservation | undefined): number {
  if (guard === undefined) return 0;
  return journal === undefined || guard.counter > journal.counter ? guard.upTo : 0;
}
