// How long a peer is not listened to after it caused work that it may have had no right to: so many times as long as
// that took, which bounds its share of this node's time whatever it sends.

/** Milliseconds at most: what took so long may be this node's own slowness. */
const MAX_REST_MS = 5_000;

/** Milliseconds of rest after work of `spent` ms, `times` as long. */
export function restAfter(spent: number, times: number): number {
  return Math.min(MAX_REST_MS, spent * times);
}
