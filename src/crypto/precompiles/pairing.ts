// The pairing checks of EIP-197 and EIP-2537: whether a product of pairings is one. Which points belong to the groups
// is the curve's to say.
import { G1_BYTES, G2_BYTES, GT_BYTES, type Place } from "#crypto/bls/mcl-memory.ts";
import type { Curve } from "./curve.ts";

/** Pairs in one Miller loop: more of them gain nothing. */
const PAIRS_AT_ONCE = 32;

/** Whether a point on the curve, at a place and on the wire, lies in the group. */
export interface GroupTests {
  readonly g1: (at: Place, bytes: Uint8Array) => boolean;
  readonly g2: (at: Place, bytes: Uint8Array) => boolean;
}

/** Whether the product over all pairs in `input` is one; undefined if a point is malformed or outside its group. */
export type PairingCheck = (input: Uint8Array) => boolean | undefined;

/** The check over one curve. The input's length is a multiple of a pair's. */
export function createPairingCheck(curve: Curve, tests: GroupTests): PairingCheck {
  const { module, g1Bytes, g2Bytes } = curve;
  const pairBytes = g1Bytes + g2Bytes;
  const firsts = module._malloc(PAIRS_AT_ONCE * G1_BYTES);
  const seconds = module._malloc(PAIRS_AT_ONCE * G2_BYTES);
  const product = module._malloc(GT_BYTES);
  const factor = module._malloc(GT_BYTES);

  /** Reads a pair to `place` in the rows: whether it counts, undefined if it is wrong. */
  const readPair = (place: number, pair: Uint8Array): boolean | undefined => {
    const [g1, g2] = [firsts + place * G1_BYTES, seconds + place * G2_BYTES];
    const [firstBytes, secondBytes] = [pair.subarray(0, g1Bytes), pair.subarray(g1Bytes)];
    const first = curve.readG1(g1, firstBytes);
    if (first === "invalid" || (first === "point" && !tests.g1(g1, firstBytes))) return undefined;
    const second = curve.readG2(g2, secondBytes);
    if (second === "invalid" || (second === "point" && !tests.g2(g2, secondBytes))) return undefined;
    return first === "point" && second === "point";
  };

  return (input) => {
    let gathered = 0;
    let empty = true;
    const multiply = (): void => {
      if (gathered === 0) return;
      module._mclBn_millerLoopVec(empty ? product : factor, firsts, seconds, gathered);
      if (!empty) module._mclBnGT_mul(product, product, factor);
      empty = false;
      gathered = 0;
    };
    for (let at = 0; at < input.length; at += pairBytes) {
      const counts = readPair(gathered, input.subarray(at, at + pairBytes));
      if (counts === undefined) return undefined;
      if (counts) gathered++;
      if (gathered === PAIRS_AT_ONCE) multiply();
    }
    multiply();
    if (empty) return true;
    module._mclBn_finalExp(product, product);
    return module._mclBnGT_isOne(product) === 1;
  };
}
