// A seeded generator (xoshiro128**, Blackman and Vigna 2018) for simulations and tests, which
// have to repeat what they drew. Not for secrets, and not for the product, which has nothing to repeat.

export interface Rng {
  /** Uniform 32-bit unsigned integer. */
  u32(): number;
  /** Uniform integer in [0, bound); bound from 1 to 2^32. */
  below(bound: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  /** Uniform in [0, 1). */
  unit(): number;
  /** A uniformly chosen element of a non-empty list. */
  pick<T>(items: readonly T[]): T;
  /** `length` pseudo-random bytes. */
  bytes(length: number): Uint8Array;
  /** Shuffles in place and returns the same array. */
  shuffle<T>(items: T[]): T[];
  /** An independent generator derived from this one. */
  fork(): Rng;
}

function splitmix(seed: number): () => number {
  let x = seed >>> 0;
  return () => {
    x = (x + 0x9e3779b9) >>> 0;
    let z = x;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}

function generator(seed: number): () => number {
  const mix = splitmix(seed);
  let a = mix();
  let b = mix();
  let c = mix();
  let d = mix();
  return () => {
    const five = Math.imul(b, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/** A generator whose whole output follows from `seed` (an unsigned 32-bit integer). */
export function createRng(seed: number): Rng {
  const u32 = generator(seed);
  const unit = (): number => u32() / 0x1_0000_0000;
  const below = (bound: number): number => Math.floor(unit() * bound);
  return {
    u32,
    unit,
    below,
    chance: (p) => unit() < p,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    bytes: (length) => Uint8Array.from({ length }, () => u32() & 0xff),
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [items[i], items[j]] = [items[j] as (typeof items)[number], items[i] as (typeof items)[number]];
      }
      return items;
    },
    fork: () => createRng(u32()),
  };
}
