// R12: who leads a view. Round robin where there is no seed, and in view 1.

/**
 * Index of the leader of `view`: sha256(LEADER, seed of the view before) mod n, given as `lottery` (32 bytes,
 * big-endian).
 */
export function leaderOf(epoch: number, view: number, n: number, lottery: Uint8Array | undefined): number {
  if (view <= 1 || lottery === undefined) return (epoch + view) % n;
  let remainder = 0;
  for (let i = 0; i < lottery.length; i++) remainder = (remainder * 256 + (lottery[i] as number)) % n;
  return remainder;
}
