// Σ weight · point for signed integer weights of any size, over mcl's additions: Pippenger's buckets, whose cost grows
// with the weights' bits, where the library's own routine always pays for 255. Not for secret weights.
import { borrow, G2_BYTES, type MclModule, type Place } from "./mcl-memory.ts";

const MAX_WINDOW = 6;

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** The window in bits with the fewest point operations. */
function chooseWindow(bits: number, points: number): number {
  let best = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let window = 1; window <= MAX_WINDOW; window++) {
    const cost = bits + Math.ceil(bits / window) * (points + 2 * (2 ** window - 1));
    if (cost < least) [best, least] = [window, cost];
  }
  return best;
}

/** Adds up the buckets of one window: bucket d counts d times. */
function addBuckets(module: MclModule, sum: Place, buckets: Place, used: readonly boolean[]): void {
  const running = module.stackAlloc(G2_BYTES);
  module._mclBnG2_clear(running);
  for (let digit = used.length - 1; digit >= 1; digit--) {
    if (used[digit]) module._mclBnG2_add(running, running, buckets + digit * G2_BYTES);
    module._mclBnG2_add(sum, sum, running);
  }
}

/** z = Σ |weight| · point; the points, `count` of them in a row, were negated where their weight is negative. */
function sumUnsigned(module: MclModule, z: Place, points: Place, weights: readonly bigint[]): void {
  const bits = Math.max(...weights.map(bitLength));
  const window = chooseWindow(bits, weights.length);
  const mask = (1n << BigInt(window)) - 1n;
  const buckets = module.stackAlloc(G2_BYTES * 2 ** window);
  module._mclBnG2_clear(z);
  for (let shift = (Math.ceil(bits / window) - 1) * window; shift >= 0; shift -= window) {
    for (let i = 0; i < window; i++) module._mclBnG2_dbl(z, z);
    const used: boolean[] = new Array<boolean>(2 ** window).fill(false);
    for (const [i, weight] of weights.entries()) {
      const digit = Number((weight >> BigInt(shift)) & mask);
      if (digit === 0) continue;
      const bucket = buckets + digit * G2_BYTES;
      if (!used[digit]) module._mclBnG2_clear(bucket);
      used[digit] = true;
      module._mclBnG2_add(bucket, bucket, points + i * G2_BYTES);
    }
    borrow(module, () => addBuckets(module, z, buckets, used));
  }
}

/** z = Σ weight · point over the G2 points in a row at `points`, which it may change. */
export function sumG2(module: MclModule, z: Place, points: Place, weights: readonly bigint[]): void {
  const magnitudes = weights.map((weight, i) => {
    const point = points + i * G2_BYTES;
    if (weight < 0n) module._mclBnG2_neg(point, point);
    return weight < 0n ? -weight : weight;
  });
  borrow(module, () => sumUnsigned(module, z, points, magnitudes));
}
