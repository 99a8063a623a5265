// sha-256 for the authenticated store: one message, or many equal-sized ones at once.

/** sha-256 of `data` into `out` (32 bytes at `out`'s start). */
export function sha256Into(data: Uint8Array, out: Uint8Array): void {
  Bun.SHA256.hash(data, out);
}
