// One curve of mcl as the precompiles need it: field elements, scalars and points between the wire's big-endian bytes
// and mcl's memory, every form checked. What is computed with them is the business of a file for each curve.

import { FP_BYTES, instantiateMcl, type MclMemory, type Place } from "#crypto/bls/mcl-memory.ts";
import { compareBytes, fromHex } from "#lib/bytes.ts";

/** The functions in use; each takes addresses, results first. The names are mcl's own. */
export interface CurveModule extends MclMemory {
  _malloc(bytes: number): Place;
  _mclBn_setETHserialization(on: number): void;
  _mclBn_setMapToMode(mode: number): number;
  _mclBn_verifyOrderG1(on: number): void;
  _mclBn_verifyOrderG2(on: number): void;
  _mclBnFr_setBigEndianMod(z: Place, bytes: Place, length: number): number;
  _mclBnFr_mul(z: Place, x: Place, y: Place): void;
  _mclBnFr_inv(z: Place, x: Place): void;
  _mclBnFr_neg(z: Place, x: Place): void;
  _mclBnFr_isZero(x: Place): number;
  _mclBnFp_setInt32(z: Place, value: number): void;
  _mclBnFp_setBigEndianMod(z: Place, bytes: Place, length: number): number;
  _mclBnFp_getLittleEndian(bytes: Place, capacity: number, x: Place): number;
  _mclBnFp_clear(z: Place): void;
  _mclBnFp_add(z: Place, x: Place, y: Place): void;
  _mclBnFp_mul(z: Place, x: Place, y: Place): void;
  _mclBnFp_isOdd(x: Place): number;
  _mclBnFp_squareRoot(z: Place, x: Place): number;
  _mclBnFp_neg(z: Place, x: Place): void;
  _mclBnFp_mapToG1(z: Place, x: Place): number;
  _mclBnFp2_mul(z: Place, x: Place, y: Place): void;
  _mclBnFp2_mapToG2(z: Place, x: Place): number;
  _mclBnG1_getBasePoint(z: Place): void;
  _mclBnG1_clear(z: Place): void;
  _mclBnG1_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnG1_isValid(x: Place): number;
  _mclBnG1_isValidOrder(x: Place): number;
  _mclBnG1_isZero(x: Place): number;
  _mclBnG1_add(z: Place, x: Place, y: Place): void;
  _mclBnG1_mul(z: Place, x: Place, scalar: Place): void;
  _mclBnG1_mulVec(z: Place, points: Place, scalars: Place, count: number): void;
  _mclBnG1_normalize(z: Place, x: Place): void;
  _mclBnG2_clear(z: Place): void;
  _mclBnG2_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnG2_isEqual(x: Place, y: Place): number;
  _mclBnG2_isValid(x: Place): number;
  _mclBnG2_isValidOrder(x: Place): number;
  _mclBnG2_isZero(x: Place): number;
  _mclBnG2_add(z: Place, x: Place, y: Place): void;
  _mclBnG2_dbl(z: Place, x: Place): void;
  _mclBnG2_mulVec(z: Place, points: Place, scalars: Place, count: number): void;
  _mclBnG2_neg(z: Place, x: Place): void;
  _mclBnG2_normalize(z: Place, x: Place): void;
  _mclBnGT_mul(z: Place, x: Place, y: Place): void;
  _mclBnGT_isOne(x: Place): number;
  _mclBn_millerLoopVec(z: Place, g1: Place, g2: Place, count: number): void;
  _mclBn_getUint64NumToPrecompute(): number;
  _mclBn_precomputeG2(lines: Place, x: Place): void;
  _mclBn_precomputedMillerLoop2(z: Place, g1: Place, lines: Place, h1: Place, moreLines: Place): void;
  _mclBn_finalExp(z: Place, x: Place): void;
}

/** Bytes of an element of the quadratic extension. */
export const FP2_BYTES: number = 2 * FP_BYTES;

export interface CurveForm {
  /** Number of the curve in mcl. */
  readonly curve: number;
  /** Modulus of the base field, as long as its elements are. */
  readonly prime: string;
  /** Bytes that an element takes on the wire, zeros in front. */
  readonly slot: number;
  /** Whether elements of the quadratic extension begin with the imaginary part. */
  readonly imaginaryFirst: boolean;
}

/** What bytes said of a point. `"point"` is on the curve and not infinity; its order is not looked at. */
export type PointKind = "point" | "infinity" | "invalid";

export interface Curve {
  readonly module: CurveModule;
  /** Bytes of a point of the first group on the wire, and of the second. */
  readonly g1Bytes: number;
  readonly g2Bytes: number;
  /** Puts the element in `slot` bytes at a place; false where it is not below the prime. */
  readField(at: Place, bytes: Uint8Array): boolean;
  readField2(at: Place, bytes: Uint8Array): boolean;
  /** Puts a scalar of 32 bytes at a place, reduced by the group's order. */
  readScalar(at: Place, bytes: Uint8Array): void;
  /** Puts such a scalar times the one at `factor` at a place. */
  readProduct(at: Place, bytes: Uint8Array, factor: Place): void;
  readG1(at: Place, bytes: Uint8Array): PointKind;
  readG2(at: Place, bytes: Uint8Array): PointKind;
  /** The point at a place, which is normalized; zeros for infinity. */
  writeG1(at: Place): Uint8Array;
  writeG2(at: Place): Uint8Array;
}

function isZeros(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The elements' part of a curve. */
function fields(module: CurveModule, form: CurveForm) {
  const prime = fromHex(form.prime);
  const { slot } = form;
  const padding = slot - prime.length;
  const wire = module._malloc(slot);
  const put = (bytes: Uint8Array): void => module.HEAP8.set(bytes, wire);
  const readField = (at: Place, bytes: Uint8Array): boolean => {
    const value = bytes.subarray(padding);
    if (!isZeros(bytes.subarray(0, padding)) || compareBytes(value, prime) >= 0) return false;
    put(value);
    return module._mclBnFp_setBigEndianMod(at, wire, value.length) === 0;
  };
  /** Writes the element at a place into `bytes`, which are zeros. */
  const writeField = (bytes: Uint8Array, at: Place): void => {
    const length = module._mclBnFp_getLittleEndian(wire, slot, at);
    for (let i = 0; i < length; i++) bytes[slot - 1 - i] = module.HEAP8[wire + i] as number;
  };
  const [real, imaginary] = form.imaginaryFirst ? [slot, 0] : [0, slot];
  return {
    readField,
    writeField,
    readField2: (at: Place, bytes: Uint8Array): boolean =>
      readField(at, bytes.subarray(real, real + slot)) &&
      readField(at + FP_BYTES, bytes.subarray(imaginary, imaginary + slot)),
    writeField2(bytes: Uint8Array, at: Place): void {
      writeField(bytes.subarray(real, real + slot), at);
      writeField(bytes.subarray(imaginary, imaginary + slot), at + FP_BYTES);
    },
    readScalar(at: Place, bytes: Uint8Array): void {
      put(bytes);
      module._mclBnFr_setBigEndianMod(at, wire, bytes.length);
    },
  };
}

/** A curve in an instance of its own. */
export async function loadCurve(form: CurveForm): Promise<Curve> {
  const module = await instantiateMcl<CurveModule>(form.curve);
  // Whether a point lies in its subgroup is asked where a rule asks it.
  module._mclBn_verifyOrderG1(0);
  module._mclBn_verifyOrderG2(0);
  const { readField, writeField, readField2, writeField2, readScalar } = fields(module, form);
  const { slot } = form;
  const g1Bytes = 2 * slot;
  const g2Bytes = 4 * slot;
  return {
    module,
    g1Bytes,
    g2Bytes,
    readField,
    readField2,
    readScalar,
    readProduct(at, bytes, factor) {
      readScalar(at, bytes);
      module._mclBnFr_mul(at, at, factor);
    },
    readG1(at, bytes) {
      if (isZeros(bytes)) return "infinity";
      if (!readField(at, bytes.subarray(0, slot))) return "invalid";
      if (!readField(at + FP_BYTES, bytes.subarray(slot))) return "invalid";
      module._mclBnFp_setInt32(at + 2 * FP_BYTES, 1);
      return module._mclBnG1_isValid(at) === 1 ? "point" : "invalid";
    },
    readG2(at, bytes) {
      if (isZeros(bytes)) return "infinity";
      if (!readField2(at, bytes.subarray(0, 2 * slot))) return "invalid";
      if (!readField2(at + FP2_BYTES, bytes.subarray(2 * slot))) return "invalid";
      module._mclBnFp_setInt32(at + 2 * FP2_BYTES, 1);
      module._mclBnFp_clear(at + 2 * FP2_BYTES + FP_BYTES);
      return module._mclBnG2_isValid(at) === 1 ? "point" : "invalid";
    },
    writeG1(at) {
      const bytes = new Uint8Array(g1Bytes);
      if (module._mclBnG1_isZero(at) === 1) return bytes;
      module._mclBnG1_normalize(at, at);
      writeField(bytes.subarray(0, slot), at);
      writeField(bytes.subarray(slot), at + FP_BYTES);
      return bytes;
    },
    writeG2(at) {
      const bytes = new Uint8Array(g2Bytes);
      if (module._mclBnG2_isZero(at) === 1) return bytes;
      module._mclBnG2_normalize(at, at);
      writeField2(bytes.subarray(0, 2 * slot), at);
      writeField2(bytes.subarray(2 * slot), at + FP2_BYTES);
      return bytes;
    },
  };
}
