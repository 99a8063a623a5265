// Σ scalar · point of EIP-2537's multiplications, over either group.
import { FR_BYTES, type Place } from "#crypto/bls/mcl-memory.ts";
import type { CurveModule, PointKind } from "./curve.ts";

/** Terms summed at once: the routine saves little by more, and memory stays small. */
const TERMS_AT_ONCE = 256;
const SCALAR_BYTES = 32;

/** One of the two groups. */
export interface Group {
  /** Bytes of a point on the wire, and in memory. */
  readonly wireBytes: number;
  readonly memoryBytes: number;
  read(at: Place, bytes: Uint8Array): PointKind;
  write(at: Place): Uint8Array;
  /** Whether a point on the curve, at a place and on the wire, lies in the group. */
  contains(at: Place, bytes: Uint8Array): boolean;
  clear(z: Place): void;
  add(z: Place, x: Place, y: Place): void;
  mulVec(z: Place, points: Place, scalars: Place, count: number): void;
}

/** The sum over all terms in the input, points followed by scalars; undefined if a point is not of the group. */
export type MultiSum = (input: Uint8Array) => Uint8Array | undefined;

/** The sum over one group. The input's length is a multiple of a term's. */
export function createMultiSum(
  module: CurveModule,
  readScalar: (at: Place, bytes: Uint8Array) => void,
  group: Group,
): MultiSum {
  const { wireBytes, memoryBytes } = group;
  const termBytes = wireBytes + SCALAR_BYTES;
  const points = module._malloc(TERMS_AT_ONCE * memoryBytes);
  const scalars = module._malloc(TERMS_AT_ONCE * FR_BYTES);
  const sum = module._malloc(memoryBytes);
  const part = module._malloc(memoryBytes);
  return (input) => {
    let gathered = 0;
    group.clear(sum);
    const addUp = (): void => {
      if (gathered === 0) return;
      group.mulVec(part, points, scalars, gathered);
      group.add(sum, sum, part);
      gathered = 0;
    };
    for (let at = 0; at < input.length; at += termBytes) {
      const [point, scalar] = [points + gathered * memoryBytes, scalars + gathered * FR_BYTES];
      const bytes = input.subarray(at, at + wireBytes);
      const kind = group.read(point, bytes);
      if (kind === "invalid" || (kind === "point" && !group.contains(point, bytes))) return undefined;
      readScalar(scalar, input.subarray(at + wireBytes, at + termBytes));
      if (kind === "point" && module._mclBnFr_isZero(scalar) === 0) gathered++;
      if (gathered === TERMS_AT_ONCE) addUp();
    }
    addUp();
    return group.write(sum);
  };
}
