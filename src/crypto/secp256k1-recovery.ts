// Public keys from secp256k1 signatures over mcl in WebAssembly: twice the speed of the reference, for machines without
// the native addon. Loads asynchronously, so only recovery threads use it; recovers, and never sees a secret.
import { compareBytes, equalBytes, fromHex } from "#lib/bytes.ts";
import { FP_BYTES, FR_BYTES, G1_BYTES, MclCurve } from "./bls/mcl-memory.ts";
import { loadCurve } from "./precompiles/curve.ts";
import { portableSecp256k1, type Secp256k1Backend } from "./secp256k1-backend.ts";

export type RecoverKey = Secp256k1Backend["recover"];

const PRIME = "0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const ORDER = fromHex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
const ZERO = new Uint8Array(32);
/** The curve is y² = x³ + 7. */
const CURVE_CONSTANT = 7;
const UNCOMPRESSED = 0x04;

const isScalar = (bytes: Uint8Array): boolean =>
  compareBytes(bytes, ORDER) < 0 && compareBytes(bytes, ZERO) !== 0;

async function loadRecovery(): Promise<RecoverKey> {
  const curve = await loadCurve({
    curve: MclCurve.secp256k1,
    prime: PRIME,
    slot: 32,
    imaginaryFirst: false,
  });
  const { module } = curve;
  const base = module._malloc(2 * G1_BYTES);
  const point = base + G1_BYTES;
  const [x, y, z] = [point, point + FP_BYTES, point + 2 * FP_BYTES];
  const scalars = module._malloc(2 * FR_BYTES);
  const inverse = module._malloc(FR_BYTES);
  const constant = module._malloc(FP_BYTES);
  const sum = module._malloc(G1_BYTES);
  module._mclBnG1_getBasePoint(base);
  module._mclBnFp_setInt32(constant, CURVE_CONSTANT);

  /** Puts the nonce's point at `point`; false where no point has this x. */
  function placePoint(r: Uint8Array, parity: number): boolean {
    if (!curve.readField(x, r)) return false;
    module._mclBnFp_mul(y, x, x);
    module._mclBnFp_mul(y, y, x);
    module._mclBnFp_add(y, y, constant);
    if (module._mclBnFp_squareRoot(y, y) !== 0) return false;
    if (module._mclBnFp_isOdd(y) !== parity) module._mclBnFp_neg(y, y);
    module._mclBnFp_setInt32(z, 1);
    return true;
  }
  return (digest, compact, parity) => {
    const [r, s] = [compact.subarray(0, 32), compact.subarray(32)];
    if ((parity !== 0 && parity !== 1) || !isScalar(r) || !isScalar(s) || !placePoint(r, parity)) {
      return undefined;
    }
    // The key is (s · R − digest · G) / r.
    curve.readScalar(inverse, r);
    module._mclBnFr_inv(inverse, inverse);
    curve.readProduct(scalars, digest, inverse);
    curve.readProduct(scalars + FR_BYTES, s, inverse);
    module._mclBnFr_neg(scalars, scalars);
    module._mclBnG1_mulVec(sum, base, scalars, 2);
    if (module._mclBnG1_isZero(sum) === 1) return undefined;
    const key = new Uint8Array(65);
    key[0] = UNCOMPRESSED;
    key.set(curve.writeG1(sum), 1);
    return key;
  };
}

/** Whether it finds the reference's keys, for either point of a nonce. */
function agrees(recover: RecoverKey): boolean {
  const reference = portableSecp256k1("self-test");
  const digest = new Uint8Array(32).fill(0x4b);
  const { compact } = reference.sign(digest, new Uint8Array(32).fill(0x07));
  return [0, 1].every((parity) => {
    const expected = reference.recover(digest, compact, parity);
    const found = recover(digest, compact, parity);
    return expected !== undefined && found !== undefined && equalBytes(expected, found);
  });
}

/** Recovery by mcl; undefined where it does not load or disagrees with the reference on this machine. */
export async function loadFastRecovery(): Promise<RecoverKey | undefined> {
  try {
    const recover = await loadRecovery();
    return agrees(recover) ? recover : undefined;
  } catch {
    return undefined;
  }
}
