// Signatures over NIST's P-256 (EIP-7951) over mcl. Gas is the caller's; keys and signatures are public, so nothing
// here runs in constant time.

import { FR_BYTES, G1_BYTES, MclCurve } from "#crypto/bls/mcl-memory.ts";
import { bytesToBigint } from "#lib/bytes.ts";
import { loadCurve } from "./curve.ts";

export interface P256 {
  /** Whether (r, s) signs the hash under the key (x, y): five numbers of 32 bytes in a row; false for malformed ones. */
  verify(input: Uint8Array): boolean;
}

const PRIME = "0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The curve in an instance of its own. */
export async function loadP256(): Promise<P256> {
  const curve = await loadCurve({ curve: MclCurve.p256, prime: PRIME, slot: 32, imaginaryFirst: false });
  const { module } = curve;
  const points = module._malloc(2 * G1_BYTES);
  const scalars = module._malloc(2 * FR_BYTES);
  const inverse = module._malloc(FR_BYTES);
  const sum = module._malloc(G1_BYTES);
  module._mclBnG1_getBasePoint(points);
  return {
    verify(input) {
      const [hash, r, s] = [0, 32, 64].map((at) => input.subarray(at, at + 32)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const [wantedX, scale] = [bytesToBigint(r), bytesToBigint(s)];
      if (wantedX === 0n || wantedX >= ORDER || scale === 0n || scale >= ORDER) return false;
      if (curve.readG1(points + G1_BYTES, input.subarray(96, 160)) !== "point") return false;
      curve.readScalar(inverse, s);
      module._mclBnFr_inv(inverse, inverse);
      curve.readProduct(scalars, hash, inverse);
      curve.readProduct(scalars + FR_BYTES, r, inverse);
      module._mclBnG1_mulVec(sum, points, scalars, 2);
      if (module._mclBnG1_isZero(sum) === 1) return false;
      const x = bytesToBigint(curve.writeG1(sum).subarray(0, 32));
      return x % ORDER === wantedX;
    },
  };
}
