// The curve alt_bn128 of EIP-196 and EIP-197 over mcl: sums, multiples and pairing checks on the precompiles' bytes.
// Gas and the padding of short inputs are the caller's.
import { FR_BYTES, G1_BYTES, G2_BYTES, MclCurve, type Place } from "#crypto/bls/mcl-memory.ts";
import { type Curve, FP2_BYTES, loadCurve, type PointKind } from "./curve.ts";
import { createPairingCheck } from "./pairing.ts";

/** Each answers undefined for a point that is malformed, not on its curve or outside its group. */
export interface Bn254 {
  /** Sum of two points of 64 bytes. */
  add(input: Uint8Array): Uint8Array | undefined;
  /** Multiple of a point of 64 bytes by a scalar of 32. */
  multiply(input: Uint8Array): Uint8Array | undefined;
  /** Whether the product of the pairings of pairs of 192 bytes is one. */
  isPairingOne(input: Uint8Array): boolean | undefined;
}

const PRIME = "0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
/** The curve's parameter, from which its prime and order are made. */
const SEED = 4_965_661_367_192_848_881n;
/** ξ^((p − 1)/3) and ξ^((p − 1)/2) for ξ = 9 + u: what the endomorphism multiplies conjugated coordinates with. */
const TWIST_X = [
  "0x2fb347984f7911f74c0bec3cf559b143b78cc310c2c3330c99e39557176f553d",
  "0x16c9e55061ebae204ba4cc8bd75a079432ae2a1d0b7c9dce1665d51c640fcba2",
] as const;
const TWIST_Y = [
  "0x063cf305489af5dcdc5ec698b6e2f9b9dbaae0eda9c95998dc54014671a0135a",
  "0x07c03cbcac41049a0704b5a7ec796f2b21807dc98fa25bd282d37f632623b0e3",
] as const;

/**
 * Whether a point of the twist lies in the group of prime order: exactly if [z + 1]Q + ψ([z]Q) + ψ²([z]Q) = ψ³([2z]Q)
 * (Dai, Lin, Zhao, Zhou: Fast subgroup membership testings on pairing-friendly curves, section 5), a quarter of the
 * work of multiplying by the order.
 */
function membership(curve: Curve): (at: Place) => boolean {
  const { module } = curve;
  const [multiple, turned, sum] = [0, 1, 2].map(() => module._malloc(G2_BYTES)) as [Place, Place, Place];
  const [twistX, twistY] = [TWIST_X, TWIST_Y].map(([real, imaginary]) => {
    const at = module._malloc(FP2_BYTES);
    curve.readField(at, Uint8Array.fromHex(real.slice(2)));
    curve.readField(at + FP2_BYTES / 2, Uint8Array.fromHex(imaginary.slice(2)));
    return at;
  }) as [Place, Place];
  const bits = SEED.toString(2).slice(1);

  /** z = ψ(z), for a normalized point. */
  const turn = (z: Place): void => {
    for (const [offset, factor] of [
      [0, twistX],
      [FP2_BYTES, twistY],
    ] as const) {
      const coordinate = z + offset;
      module._mclBnFp_neg(coordinate + FP2_BYTES / 2, coordinate + FP2_BYTES / 2);
      module._mclBnFp2_mul(coordinate, coordinate, factor);
    }
  };
  const copy = (z: Place, x: Place): void => module.HEAP8.copyWithin(z, x, x + G2_BYTES) as never;

  return (at) => {
    copy(multiple, at);
    for (const bit of bits) {
      module._mclBnG2_dbl(multiple, multiple);
      if (bit === "1") module._mclBnG2_add(multiple, multiple, at);
    }
    if (module._mclBnG2_isZero(multiple) === 1) return false;
    module._mclBnG2_normalize(multiple, multiple);
    module._mclBnG2_add(sum, multiple, at);
    copy(turned, multiple);
    turn(turned);
    module._mclBnG2_add(sum, sum, turned);
    turn(turned);
    module._mclBnG2_add(sum, sum, turned);
    turn(turned);
    module._mclBnG2_dbl(turned, turned);
    return module._mclBnG2_isEqual(sum, turned) === 1;
  };
}

/** The curve in an instance of its own. */
export async function loadBn254(): Promise<Bn254> {
  const curve = await loadCurve({ curve: MclCurve.bn254, prime: PRIME, slot: 32, imaginaryFirst: true });
  const { module, g1Bytes } = curve;
  const [left, right] = [module._malloc(G1_BYTES), module._malloc(G1_BYTES)];
  const scalar = module._malloc(FR_BYTES);
  const read = (at: Place, bytes: Uint8Array): PointKind => {
    const kind = curve.readG1(at, bytes);
    if (kind === "infinity") module._mclBnG1_clear(at);
    return kind;
  };
  return {
    add(input) {
      if (read(left, input.subarray(0, g1Bytes)) === "invalid") return undefined;
      if (read(right, input.subarray(g1Bytes, 2 * g1Bytes)) === "invalid") return undefined;
      module._mclBnG1_add(left, left, right);
      return curve.writeG1(left);
    },
    multiply(input) {
      if (read(left, input.subarray(0, g1Bytes)) === "invalid") return undefined;
      curve.readScalar(scalar, input.subarray(g1Bytes, g1Bytes + 32));
      module._mclBnG1_mul(left, left, scalar);
      return curve.writeG1(left);
    },
    isPairingOne: createPairingCheck(curve, { g1: () => true, g2: membership(curve) }),
  };
}
