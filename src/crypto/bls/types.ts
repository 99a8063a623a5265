// What a BLS12-381 implementation offers: signatures in G2, public keys in G1, everything as compressed bytes in the
// ZCash form. Every implementation gives the same bytes and refuses the same ones; decoding is always strict.

/** Domain separation tag of every signature (draft-irtf-cfrg-bls-signature, proof of possession scheme). */
export const SIGNATURE_TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/** Bytes of a secret scalar, of a public key and of a signature. */
export const SECRET_BYTES = 32;
export const PUBLIC_KEY_BYTES = 48;
export const SIGNATURE_BYTES = 96;

/** Public keys that an implementation keeps once read and found right: the group's, and shares of a large committee. */
export const READ_KEYS = 128;

/** The fastest first. */
export const BLS_BACKENDS = ["blst", "mcl", "noble"] as const;
/** `blst`: native code, with mcl for what it lacks. `mcl`: portable WebAssembly. `noble`: the reference. */
export type BlsBackendName = (typeof BLS_BACKENDS)[number];

/** That `publicKey` signed `message`. */
export interface SignatureClaim {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** One implementation. A `secret` is a canonical non-zero scalar: the door checks it before it gets here. */
export interface BlsBackend {
  readonly name: BlsBackendName;
  /** On the curve, in the prime-order subgroup, not infinity, canonical, of the right length. */
  isPublicKey(bytes: Uint8Array): boolean;
  isSignature(bytes: Uint8Array): boolean;
  publicKey(secret: Uint8Array): Uint8Array;
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  /**
   * Whether every claim holds, in one product of pairings with random 64-bit coefficients: a set with a false claim
   * passes with probability 2^-64. False for an empty set and for malformed points.
   */
  verifyAll(claims: readonly SignatureClaim[]): boolean;
  /** Σ weight · signature / divisor; undefined if a signature is malformed or the sum is infinity. */
  combine(
    signatures: readonly Uint8Array[],
    weights: readonly bigint[],
    divisor: bigint,
  ): Uint8Array | undefined;
  /** Value at the small integer x ≥ 1 of a polynomial of public keys, constant term first; undefined as above. */
  evaluate(polynomial: readonly Uint8Array[], x: number): Uint8Array | undefined;
}
