// SipHash-1-3 (Aumasson and Bernstein 2012) of 32-byte keys, in 32-bit halves: fingerprints that nobody without
// the node's secret can make collide. Not a hash for anything that other nodes see.
import { assert } from "#lib/assert.ts";

/** Fingerprints the 32 bytes of `data` from `offset`; the result goes to the fingerprinter's output. */
export type Fingerprinter = (data: Uint8Array, offset: number) => void;

/** Where a fingerprinter leaves its result: high and low 32 bits, never both zero. */
export type FingerprintOut = Uint32Array;

const ROUNDS_PER_WORD = 1;
const FINAL_ROUNDS = 3;
const WORDS = 5;

/** A fingerprinter keyed with 16 secret bytes that writes its result to `out`. */
export function createFingerprinter(secret: Uint8Array, out: FingerprintOut): Fingerprinter {
  assert(secret.length === 16, "the secret has 16 bytes");
  const key = new DataView(secret.slice().buffer);
  const k0l = key.getInt32(0, true);
  const k0h = key.getInt32(4, true);
  const k1l = key.getInt32(8, true);
  const k1h = key.getInt32(12, true);
  const u32 = (data: Uint8Array, at: number): number =>
    (data[at] as number) |
    ((data[at + 1] as number) << 8) |
    ((data[at + 2] as number) << 16) |
    ((data[at + 3] as number) << 24);

  return (data, offset) => {
    let al = k0l ^ 0x70736575;
    let ah = k0h ^ 0x736f6d65;
    let bl = k1l ^ 0x6e646f6d;
    let bh = k1h ^ 0x646f7261;
    let cl = k0l ^ 0x6e657261;
    let ch = k0h ^ 0x6c796765;
    let dl = k1l ^ 0x79746573;
    let dh = k1h ^ 0x74656462;
    const rounds = WORDS * ROUNDS_PER_WORD + FINAL_ROUNDS;
    for (let round = 0; round < rounds; round++) {
      let ml = 0;
      let mh = 0;
      if (round < WORDS - 1) {
        ml = u32(data, offset + round * 8);
        mh = u32(data, offset + round * 8 + 4);
      } else if (round === WORDS - 1) {
        mh = 32 << 24;
      } else if (round === WORDS) {
        cl ^= 0xff;
      }
      dl ^= ml;
      dh ^= mh;
      // Carries in integers alone: (x & y | (x | y) & ~(x + y)) has one in its top bit.
      // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
      let sum = (al + bl) | 0;
      ah = (ah + bh + (((al & bl) | ((al | bl) & ~sum)) >>> 31)) | 0;
      al = sum;
      let t = (bl << 13) | (bh >>> 19);
      bh = ((bh << 13) | (bl >>> 19)) ^ ah;
      bl = t ^ al;
      t = al;
      al = ah;
      ah = t;
      // v2 += v3; v3 <<<= 16; v3 ^= v2
      sum = (cl + dl) | 0;
      ch = (ch + dh + (((cl & dl) | ((cl | dl) & ~sum)) >>> 31)) | 0;
      cl = sum;
      t = (dl << 16) | (dh >>> 16);
      dh = ((dh << 16) | (dl >>> 16)) ^ ch;
      dl = t ^ cl;
      // v0 += v3; v3 <<<= 21; v3 ^= v0
      sum = (al + dl) | 0;
      ah = (ah + dh + (((al & dl) | ((al | dl) & ~sum)) >>> 31)) | 0;
      al = sum;
      t = (dl << 21) | (dh >>> 11);
      dh = ((dh << 21) | (dl >>> 11)) ^ ah;
      dl = t ^ al;
      // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
      sum = (cl + bl) | 0;
      ch = (ch + bh + (((cl & bl) | ((cl | bl) & ~sum)) >>> 31)) | 0;
      cl = sum;
      t = (bl << 17) | (bh >>> 15);
      bh = ((bh << 17) | (bl >>> 15)) ^ ch;
      bl = t ^ cl;
      t = cl;
      cl = ch;
      ch = t;
      al ^= ml;
      ah ^= mh;
    }
    const low = (al ^ bl ^ cl ^ dl) >>> 0;
    const high = (ah ^ bh ^ ch ^ dh) >>> 0;
    out[0] = high;
    out[1] = low === 0 && high === 0 ? 1 : low;
  };
}
