// The two numbers everything is counted by: faults tolerated and quorum. The same everywhere: votes, threshold, logs
// of a key ceremony, confirmations.
import { assert } from "#lib/assert.ts";

/** Members of a committee of `size` that may be faulty: f = floor((n - 1) / 3). */
export function maxFaulty(size: number): number {
  assert(Number.isSafeInteger(size) && size >= 1, `a committee has at least one member, not ${size}`);
  return Math.floor((size - 1) / 3);
}

/** q = n - f. Not 2f + 1: at n = 5 two quorums of 3 could share only the faulty member. */
export function quorumOf(size: number): number {
  return size - maxFaulty(size);
}
