// The door to mcl's WebAssembly: its functions by address, and places in its memory that a block of work borrows.
// Nothing here knows what the numbers mean.
import { KoraError } from "#lib/error.ts";

/** An address in the module's memory. */
export type Place = number;

/** The memory of a module and the stack in it. */
export interface MclMemory {
  readonly HEAP8: Int8Array;
  stackSave(): Place;
  stackAlloc(bytes: number): Place;
  stackRestore(place: Place): void;
}

/** The functions in use; each takes addresses, results first. The names are mcl's own. */
export interface MclModule extends MclMemory {
  _mclBn_setETHserialization(on: number): void;
  _mclBn_setMapToMode(mode: number): number;
  _mclBn_verifyOrderG1(on: number): void;
  _mclBn_verifyOrderG2(on: number): void;
  _mclBnFr_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnFp2_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnG1_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnG2_deserialize(z: Place, bytes: Place, length: number): number;
  _mclBnG1_serialize(bytes: Place, capacity: number, x: Place): number;
  _mclBnG2_serialize(bytes: Place, capacity: number, x: Place): number;
  _mclBnG1_clear(z: Place): void;
  _mclBnG2_clear(z: Place): void;
  _mclBnG1_isZero(x: Place): number;
  _mclBnG2_isZero(x: Place): number;
  _mclBnG1_add(z: Place, x: Place, y: Place): void;
  _mclBnG2_add(z: Place, x: Place, y: Place): void;
  _mclBnG2_dbl(z: Place, x: Place): void;
  _mclBnG1_neg(z: Place, x: Place): void;
  _mclBnG2_neg(z: Place, x: Place): void;
  _mclBnG1_mul(z: Place, x: Place, scalar: Place): void;
  _mclBnG2_mul(z: Place, x: Place, scalar: Place): void;
  _mclBnG1_mulCT(z: Place, x: Place, scalar: Place): void;
  _mclBnG2_mulCT(z: Place, x: Place, scalar: Place): void;
  _mclBnG2_normalize(z: Place, x: Place): void;
  _mclBnG2_hashAndMapToWithDst(
    z: Place,
    message: Place,
    length: number,
    tag: Place,
    tagLength: number,
  ): number;
  _mclBn_millerLoopVec(z: Place, g1: Place, g2: Place, count: number): void;
  _mclBn_finalExp(z: Place, x: Place): void;
  _mclBnGT_isOne(x: Place): number;
}

/** Bytes of a field element, and of what is made of several. */
export const FP_BYTES = 48;
export const FR_BYTES = 32;
export const G1_BYTES: number = 3 * FP_BYTES;
export const G2_BYTES: number = 6 * FP_BYTES;
export const GT_BYTES: number = 12 * FP_BYTES;

/** The package's innermost module, which makes instances: its outer ones know one, and hide functions by address. */
type CreateModule = (imports: { cryptoGetRandomValues(bytes: Uint8Array): void }) => Promise<unknown>;
/** Size of a scalar in words of 64 bits, times ten, and of a field element: what the module was compiled for. */
const COMPILED_FOR = 46;

/** Number of a curve in mcl. */
export const MclCurve = { bn254: 4, bls12381: 5, secp256k1: 102, p256: 107 } as const;
/** Maps messages to points as RFC 9380 does. */
export const MAP_TO_RFC9380 = 5;

/** A new instance for one curve, with its own memory. Throws MCL_CURVE for a curve it does not know. */
export async function instantiateMcl<Module extends MclMemory>(curve: number): Promise<Module> {
  const create = require("mcl-wasm/dist/mcl_c.js") as CreateModule;
  const module = (await create({
    cryptoGetRandomValues: (bytes) => crypto.getRandomValues(bytes),
  })) as Module & {
    _mclBn_init(curve: number, compiledFor: number): number;
  };
  if (module._mclBn_init(curve, COMPILED_FOR) !== 0) {
    throw new KoraError(`mcl does not know the curve ${curve}`, { code: "MCL_CURVE" });
  }
  return module;
}

/** Loads the module and fixes its modes: ZCash's point format, RFC 9380's maps, subgroup checks on. */
export async function loadMcl(): Promise<MclModule> {
  const module = await instantiateMcl<MclModule>(MclCurve.bls12381);
  module._mclBn_setETHserialization(1);
  module._mclBn_setMapToMode(MAP_TO_RFC9380);
  module._mclBn_verifyOrderG1(1);
  module._mclBn_verifyOrderG2(1);
  return module;
}

/** Runs `work`, whose places on the module's stack end with it. */
export function borrow<T>(module: MclMemory, work: () => T): T {
  const top = module.stackSave();
  try {
    return work();
  } finally {
    module.stackRestore(top);
  }
}

/** A place holding a copy of `bytes`, inside `borrow`. */
export function place(module: MclMemory, bytes: Uint8Array): Place {
  const at = module.stackAlloc(Math.max(bytes.length, 1));
  module.HEAP8.set(bytes, at);
  return at;
}

/** A copy of `length` bytes at a place. */
export function bytesAt(module: MclMemory, at: Place, length: number): Uint8Array {
  const heap = module.HEAP8;
  return new Uint8Array(heap.buffer, heap.byteOffset + at, length).slice();
}
