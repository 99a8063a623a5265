// The curve of EIP-2537 and of EIP-4844's point evaluation over mcl, on the precompiles' bytes. Gas is the caller's.

import {
  FP_BYTES,
  FR_BYTES,
  G1_BYTES,
  G2_BYTES,
  GT_BYTES,
  MAP_TO_RFC9380,
  MclCurve,
  type Place,
} from "#crypto/bls/mcl-memory.ts";
import { hasPublicKeyForm } from "#crypto/bls/points.ts";
import { assert } from "#lib/assert.ts";
import { bytesToBigint, fromHex } from "#lib/bytes.ts";
import { type Curve, FP2_BYTES, loadCurve } from "./curve.ts";
import { createMultiSum, type Group, type MultiSum } from "./multi-sum.ts";
import type { NativeGroups } from "./native-groups.ts";
import { createPairingCheck, type PairingCheck } from "./pairing.ts";

/** Each answers undefined for a field element or point that is malformed, not on its curve or outside its group. */
export interface Bls12381 {
  /** Sum of two points, which need not lie in the subgroups. */
  addG1(input: Uint8Array): Uint8Array | undefined;
  addG2(input: Uint8Array): Uint8Array | undefined;
  readonly sumG1: MultiSum;
  readonly sumG2: MultiSum;
  readonly isPairingOne: PairingCheck;
  mapToG1(element: Uint8Array): Uint8Array | undefined;
  mapToG2(element: Uint8Array): Uint8Array | undefined;
  /**
   * Whether the polynomial behind `commitment` has value `y` at `z` (EIP-4844): 48 compressed bytes, 32, 32, 48; false
   * for malformed input too.
   */
  isEvaluation(commitment: Uint8Array, z: Uint8Array, y: Uint8Array, proof: Uint8Array): boolean;
}

const PRIME =
  "0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
/** The generators of both groups as points of EIP-2537. */
const GENERATOR_G1: string = [
  "0x",
  "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
  "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
].join("00".repeat(16));
const GENERATOR_G2: string = [
  "0x",
  "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
  "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
  "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801",
  "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
].join("00".repeat(16));
/** Compressed infinity. */
const INFINITY_FLAGS = 0xc0;

function groups(curve: Curve, native: NativeGroups | undefined): { readonly g1: Group; readonly g2: Group } {
  const { module } = curve;
  return {
    g1: {
      wireBytes: curve.g1Bytes,
      memoryBytes: G1_BYTES,
      read: curve.readG1,
      write: curve.writeG1,
      contains: (at, bytes) => native?.containsG1(bytes) ?? module._mclBnG1_isValidOrder(at) === 1,
      clear: (z) => module._mclBnG1_clear(z),
      add: (z, x, y) => module._mclBnG1_add(z, x, y),
      mulVec: (z, points, scalars, count) => module._mclBnG1_mulVec(z, points, scalars, count),
    },
    g2: {
      wireBytes: curve.g2Bytes,
      memoryBytes: G2_BYTES,
      read: curve.readG2,
      write: curve.writeG2,
      contains: (at, bytes) => native?.containsG2(bytes) ?? module._mclBnG2_isValidOrder(at) === 1,
      clear: (z) => module._mclBnG2_clear(z),
      add: (z, x, y) => module._mclBnG2_add(z, x, y),
      mulVec: (z, points, scalars, count) => module._mclBnG2_mulVec(z, points, scalars, count),
    },
  };
}

function isScalar(bytes: Uint8Array): boolean {
  return bytes.length === FR_BYTES && bytesToBigint(bytes) < ORDER;
}

/** Puts a compressed point of the first group of its group at a place; false if it is none. */
function readCompressed({ module }: Curve, wire: Place, at: Place, bytes: Uint8Array): boolean {
  if (
    bytes[0] === INFINITY_FLAGS &&
    bytes.length === FP_BYTES &&
    bytes.subarray(1).every((byte) => byte === 0)
  ) {
    module._mclBnG1_clear(at);
    return true;
  }
  if (!hasPublicKeyForm(bytes)) return false;
  module.HEAP8.set(bytes, wire);
  return (
    module._mclBnG1_deserialize(at, wire, FP_BYTES) === FP_BYTES && module._mclBnG1_isValidOrder(at) === 1
  );
}

/**
 * e(C − y·G, H) = e(π, τH − z·H) as e(C − y·G + z·π, −H) · e(π, τH) = 1: both points of the second group are known
 * beforehand, and so are the lines of their Miller loops.
 */
function pointEvaluation(curve: Curve, tau: Uint8Array): Bls12381["isEvaluation"] {
  const { module } = curve;
  const wire = module._malloc(FP_BYTES);
  const [point, sum] = [module._malloc(G1_BYTES), module._malloc(G1_BYTES)];
  const [points, scalars] = [module._malloc(2 * G1_BYTES), module._malloc(2 * FR_BYTES)];
  const proofAt = points + G1_BYTES;
  const product = module._malloc(GT_BYTES);
  const lines = (bytes: Uint8Array, negated: boolean): Place => {
    const at = module._malloc(G2_BYTES);
    assert(curve.readG2(at, bytes) === "point", "the setup's points are on the curve");
    if (negated) module._mclBnG2_neg(at, at);
    const precomputed = module._malloc(8 * module._mclBn_getUint64NumToPrecompute());
    module._mclBn_precomputeG2(precomputed, at);
    return precomputed;
  };
  const generatorLines = lines(fromHex(GENERATOR_G2), true);
  const tauLines = lines(tau, false);
  const generator = fromHex(GENERATOR_G1);
  return (commitment, z, y, proof) => {
    if (!isScalar(z) || !isScalar(y)) return false;
    if (!readCompressed(curve, wire, point, commitment)) return false;
    if (!readCompressed(curve, wire, proofAt, proof)) return false;
    const withoutProof = module._mclBnG1_isZero(proofAt) === 1;
    curve.readG1(points, generator);
    curve.readScalar(scalars, y);
    module._mclBnFr_neg(scalars, scalars);
    curve.readScalar(scalars + FR_BYTES, z);
    module._mclBnG1_mulVec(sum, points, scalars, withoutProof ? 1 : 2);
    module._mclBnG1_add(sum, sum, point);
    // The Miller loop takes no infinity; a pairing with it is one.
    const withoutSum = module._mclBnG1_isZero(sum) === 1;
    if (withoutSum || withoutProof) return withoutSum && withoutProof;
    module._mclBn_precomputedMillerLoop2(product, sum, generatorLines, proofAt, tauLines);
    module._mclBn_finalExp(product, product);
    return module._mclBnGT_isOne(product) === 1;
  };
}

/**
 * The curve in an instance of its own. `tau` is the ceremony's secret times the second group's generator, as a point.
 * `native` checks groups in mcl's place.
 */
export async function loadBls12381(tau: Uint8Array, native: NativeGroups | undefined): Promise<Bls12381> {
  const curve = await loadCurve({ curve: MclCurve.bls12381, prime: PRIME, slot: 64, imaginaryFirst: false });
  const { module } = curve;
  module._mclBn_setETHserialization(1);
  module._mclBn_setMapToMode(MAP_TO_RFC9380);
  const { g1, g2 } = groups(curve, native);
  const element = module._malloc(FP2_BYTES);
  const adder = (group: Group) => {
    const [left, right] = [module._malloc(group.memoryBytes), module._malloc(group.memoryBytes)];
    const read = (at: Place, bytes: Uint8Array): boolean => {
      const kind = group.read(at, bytes);
      if (kind === "infinity") group.clear(at);
      return kind !== "invalid";
    };
    return (input: Uint8Array): Uint8Array | undefined => {
      const { wireBytes } = group;
      if (!read(left, input.subarray(0, wireBytes))) return undefined;
      if (!read(right, input.subarray(wireBytes, 2 * wireBytes))) return undefined;
      group.add(left, left, right);
      return group.write(left);
    };
  };
  const point = module._malloc(G2_BYTES);
  return {
    addG1: adder(g1),
    addG2: adder(g2),
    sumG1: createMultiSum(module, curve.readScalar, g1),
    sumG2: createMultiSum(module, curve.readScalar, g2),
    isPairingOne: createPairingCheck(curve, { g1: g1.contains, g2: g2.contains }),
    mapToG1(bytes) {
      if (!curve.readField(element, bytes)) return undefined;
      module._mclBnFp_mapToG1(point, element);
      return curve.writeG1(point);
    },
    mapToG2(bytes) {
      if (!curve.readField2(element, bytes)) return undefined;
      module._mclBnFp2_mapToG2(point, element);
      return curve.writeG2(point);
    },
    isEvaluation: pointEvaluation(curve, tau),
  };
}
