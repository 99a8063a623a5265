// The arithmetic a key ceremony needs, as a port: BLS12-381 behind it in the product, a fast field with the same
// failure modes in simulations. Everything crosses it as canonical bytes, or as a commitment that was checked.

/** Points of a polynomial in the exponent, constant term first, each checked for curve, subgroup and infinity. */
export interface Commitment {
  readonly bytes: Uint8Array;
  /** The scheme's own points; only the scheme that made them looks inside. */
  readonly points: readonly unknown[];
}

/** A secret polynomial: what a dealer can tell everybody, and what it tells each player. */
export interface Dealing {
  readonly commitment: Commitment;
  /** The evaluation for the player at `index`, at x = index + 1. Secret. */
  share(index: number): Uint8Array;
}

/** A partial signature and the index of its share. */
export interface IndexedPartial {
  readonly index: number;
  readonly partial: Uint8Array;
}

export interface SharingScheme {
  /** A polynomial of `terms` coefficients drawn from `seed` under `context`; `constant` fixes the first one. */
  deal(seed: Uint8Array, context: Uint8Array, terms: number, constant?: Uint8Array): Dealing;
  /** Checks `bytes` as a commitment of exactly `terms` points; undefined if any is wrong. */
  openCommitment(bytes: Uint8Array, terms: number): Commitment | undefined;
  /** Whether `share` is a canonical scalar and the evaluation that `commitment` promises to `index`. */
  isShare(commitment: Commitment, index: number, share: Uint8Array): boolean;
  /** Bytes of the commitment's value at x = index + 1: the public share of `index`. */
  publicShare(commitment: Commitment, index: number): Uint8Array;
  /** Bytes of the commitment's value at 0: the group public key. */
  publicKey(commitment: Commitment): Uint8Array;
  /** Sum of polynomials of equal length; undefined if a point of it is infinity. */
  sumCommitments(commitments: readonly Commitment[]): Commitment | undefined;
  sumShares(shares: readonly Uint8Array[]): Uint8Array;
  /** Lagrange at 0 over polynomials dealt by `dealers` (indices of the old committee); undefined as above. */
  interpolateCommitments(
    dealers: readonly number[],
    commitments: readonly Commitment[],
  ): Commitment | undefined;
  interpolateShares(dealers: readonly number[], shares: readonly Uint8Array[]): Uint8Array;
  /** Partial signature over `message` with a share. */
  signPartial(share: Uint8Array, message: Uint8Array): Uint8Array;
  /** Whether `partial` is that of `index` under the group's polynomial; false for malformed bytes. */
  verifyPartial(group: Commitment, index: number, message: Uint8Array, partial: Uint8Array): boolean;
  /** Lagrange at 0 over partials of distinct indices; undefined if one is malformed. */
  recover(partials: readonly IndexedPartial[]): Uint8Array | undefined;
  /** Whether `signature` is the group's over `message`. */
  verify(group: Commitment, message: Uint8Array, signature: Uint8Array): boolean;
}
