// sha-256 for the authenticated store: one message, runs of equal-sized messages, and runs of node pairs.
// Inputs and outputs are flat buffers; nothing is allocated per hash. Owns no tree and no format.

const DIGEST = 32;
const PAIR = 64;

/** sha-256 of `data` into `out` (32 bytes at `out`'s start). */
export function sha256Into(data: Uint8Array, out: Uint8Array): void {
  Bun.SHA256.hash(data, out);
}

/**
 * Hashes `count` messages of `length` bytes each, lying one after the other in `input` from byte `from`,
 * into consecutive 32-byte digests in `out` from byte `to`.
 */
export function sha256Run(
  input: Uint8Array,
  from: number,
  length: number,
  count: number,
  out: Uint8Array,
  to: number,
): void {
  for (let i = 0; i < count; i++) {
    const start = from + i * length;
    Bun.SHA256.hash(input.subarray(start, start + length), out.subarray(to, to + DIGEST));
    to += DIGEST;
  }
}

/** Hashes `count` 64-byte pairs of `input` from byte `from` into 32-byte nodes in `out` from byte `to`. */
export function sha256Pairs(
  input: Uint8Array,
  from: number,
  count: number,
  out: Uint8Array,
  to: number,
): void {
  sha256Run(input, from, PAIR, count, out, to);
}
