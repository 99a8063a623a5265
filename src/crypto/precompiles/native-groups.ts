// Whether points of BLS12-381 lie in their groups, asked of blst where its addon loads: five times as fast as mcl, for
// what takes half the time of a sum or a pairing. Both answer the same; without the addon mcl answers.

import { requireBlst } from "#crypto/bls/blst.ts";
import { concatBytes } from "#lib/bytes.ts";

/** For points on the curve that are not infinity, as EIP-2537 encodes them. */
export interface NativeGroups {
  containsG1(bytes: Uint8Array): boolean;
  containsG2(bytes: Uint8Array): boolean;
}

const SLOT_BYTES = 64;
const PADDING_BYTES = 16;

/** The field elements in the slots named, without their padding: blst's uncompressed form. */
function elements(bytes: Uint8Array, slots: readonly number[]): Uint8Array {
  return concatBytes(
    ...slots.map((slot) => bytes.subarray(slot * SLOT_BYTES + PADDING_BYTES, (slot + 1) * SLOT_BYTES)),
  );
}

function isAccepted(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    // The binding's only answer to a point outside its group.
    return false;
  }
}

/** The addon's checks, or undefined where it does not load. */
export function openNativeGroups(): NativeGroups | undefined {
  let blst: ReturnType<typeof requireBlst>;
  try {
    blst = requireBlst();
  } catch {
    return undefined;
  }
  return {
    containsG1: (bytes) => isAccepted(() => blst.PublicKey.fromBytes(elements(bytes, [0, 1]), true)),
    containsG2: (bytes) =>
      isAccepted(() => blst.Signature.fromBytes(elements(bytes, [1, 0, 3, 2]), true, true)),
  };
}
