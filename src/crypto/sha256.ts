// sha-256 for the authenticated store: one message, and runs of node pairs. Inputs and outputs are flat buffers;
// nothing is allocated per hash. Owns no tree and no format.

const DIGEST = 32;
const PAIR = 64;
/** Pairs hashed between two copies: they and their digests stay in the fastest cache. */
const PAIRS_AT_ONCE = 64;

// A view costs as much as the hash of what it shows, so the views are made once and the data is copied to them.
const pairs = new Uint8Array(PAIRS_AT_ONCE * PAIR);
const nodes = new Uint8Array(PAIRS_AT_ONCE * DIGEST);
const pairViews = Array.from({ length: PAIRS_AT_ONCE }, (_, i) => pairs.subarray(i * PAIR, (i + 1) * PAIR));
const nodeViews = Array.from({ length: PAIRS_AT_ONCE }, (_, i) =>
  nodes.subarray(i * DIGEST, (i + 1) * DIGEST),
);

/** sha-256 of `data` into `out` (32 bytes at `out`'s start). */
export function sha256Into(data: Uint8Array, out: Uint8Array): void {
  Bun.SHA256.hash(data, out);
}

/**
 * Hashes `count` 64-byte pairs of `input` from byte `from` into 32-byte nodes in `out` from byte `to`, which may lie in
 * the same buffer as long as they do not overlap.
 */
export function sha256Pairs(
  input: Uint8Array,
  from: number,
  count: number,
  out: Uint8Array,
  to: number,
): void {
  for (let done = 0; done < count; done += PAIRS_AT_ONCE) {
    const some = Math.min(PAIRS_AT_ONCE, count - done);
    const start = from + done * PAIR;
    pairs.set(input.subarray(start, start + some * PAIR));
    for (let i = 0; i < some; i++) Bun.SHA256.hash(pairViews[i] as Uint8Array, nodeViews[i] as Uint8Array);
    out.set(some === PAIRS_AT_ONCE ? nodes : nodes.subarray(0, some * DIGEST), to + done * DIGEST);
  }
}
