// Fast stand-ins with the failure modes of the real thing: a sharing scheme over a 26-bit prime field whose discrete
// logarithms are trivial (a wrong share, commitment or partial is still detected), and keyed hashes as signatures.

import { type Ceremony, createCeremony } from "#crypto/dkg/ceremony.ts";
import type { Commitment, SharingScheme } from "#crypto/dkg/scheme.ts";
import type { CeremonyIdentity } from "#crypto/dkg/signing.ts";
import { compareBytes, concatBytes, equalBytes } from "#lib/bytes.ts";
import type { CeremonyInfo } from "#types/ceremony.ts";

/** Products of two elements stay below 2^53. */
export const FIELD = 67_108_859;
const GENERATOR = 48_271;
const BYTES = 4;

export const add = (a: number, b: number): number => (a + b) % FIELD;
export const mul = (a: number, b: number): number => (a * b) % FIELD;

function power(base: number, exponent: number): number {
  let result = 1;
  for (let e = exponent, b = base; e > 0; e = Math.floor(e / 2), b = mul(b, b)) {
    if (e % 2 === 1) result = mul(result, b);
  }
  return result;
}

const inverse = (a: number): number => power(a, FIELD - 2);

/** Lagrange coefficients at 0 for the abscissas index + 1. */
export function lagrange(indices: readonly number[]): number[] {
  return indices.map((own) => {
    let top = 1;
    let bottom = 1;
    for (const other of indices) {
      if (other === own) continue;
      top = mul(top, other + 1);
      bottom = mul(bottom, (((other - own) % FIELD) + FIELD) % FIELD);
    }
    return mul(top, inverse(bottom));
  });
}

export function toBytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function fromBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length !== BYTES) return undefined;
  const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return value < FIELD ? value : undefined;
}

const must = (bytes: Uint8Array): number => {
  const value = fromBytes(bytes);
  if (value === undefined) throw new Error("not an element of the field");
  return value;
};

const hashed = (...parts: Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(32);
  Bun.SHA256.hash(concatBytes(...parts), out);
  return out;
};

const reduce = (bytes: Uint8Array): number =>
  (new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) % (FIELD - 1)) + 1;

export function evaluate(coefficients: readonly number[], index: number): number {
  return coefficients.reduceRight((sum, coefficient) => add(mul(sum, index + 1), coefficient), 0);
}

const values = (commitment: Commitment): readonly number[] => commitment.points as readonly number[];

function seal(points: readonly number[]): Commitment | undefined {
  return points.includes(0) ? undefined : { bytes: concatBytes(...points.map(toBytes)), points };
}

function combine(commitments: readonly Commitment[], weights: readonly number[]): Commitment | undefined {
  return seal(
    values(commitments[0] as Commitment).map((_, term) =>
      commitments.reduce((sum, c, i) => add(sum, mul(values(c)[term] as number, weights[i] as number)), 0),
    ),
  );
}

/** Coefficients a dealer draws: what a checker may know. */
export function draw(seed: Uint8Array, context: Uint8Array, terms: number, constant?: Uint8Array): number[] {
  const drawn = Array.from({ length: terms }, (_, i) => reduce(hashed(seed, context, Uint8Array.of(i))));
  if (constant !== undefined) drawn[0] = must(constant);
  return drawn;
}

/** A "pairing": signature · G = key · H(m). */
const onto = (message: Uint8Array): number => reduce(hashed(message));
const signs = (key: number, message: Uint8Array, signature: Uint8Array): boolean => {
  const value = fromBytes(signature);
  return value !== undefined && value !== 0 && mul(value, GENERATOR) === mul(key, onto(message));
};

export const standinScheme: SharingScheme = {
  deal: (seed, context, terms, constant) => {
    const coefficients = draw(seed, context, terms, constant);
    const commitment = seal(coefficients.map((c) => mul(c, GENERATOR))) as Commitment;
    return { commitment, share: (index) => toBytes(evaluate(coefficients, index)) };
  },
  openCommitment: (bytes, terms) => {
    if (bytes.length !== terms * BYTES) return undefined;
    const points = Array.from({ length: terms }, (_, i) =>
      fromBytes(bytes.slice(i * BYTES, (i + 1) * BYTES)),
    );
    return points.some((p) => p === undefined || p === 0) ? undefined : { bytes, points };
  },
  isShare: (commitment, index, share) => {
    const value = fromBytes(share);
    return value !== undefined && mul(value, GENERATOR) === evaluate(values(commitment), index);
  },
  publicShare: (commitment, index) => toBytes(evaluate(values(commitment), index)),
  publicKey: (commitment) => toBytes(values(commitment)[0] as number),
  sumCommitments: (commitments) =>
    combine(
      commitments,
      commitments.map(() => 1),
    ),
  sumShares: (shares) => toBytes(shares.reduce((sum, share) => add(sum, must(share)), 0)),
  interpolateCommitments: (dealers, commitments) => combine(commitments, lagrange(dealers)),
  interpolateShares: (dealers, shares) => {
    const weights = lagrange(dealers);
    return toBytes(shares.reduce((sum, share, i) => add(sum, mul(must(share), weights[i] as number)), 0));
  },
  signPartial: (share, message) => toBytes(mul(must(share), onto(message))),
  verifyPartial: (group, index, message, partial) => signs(evaluate(values(group), index), message, partial),
  recover: (partials) => {
    const weights = lagrange(partials.map((entry) => entry.index));
    let sum = 0;
    for (const [i, { partial }] of partials.entries()) {
      const value = fromBytes(partial);
      if (value === undefined) return undefined;
      sum = add(sum, mul(value, weights[i] as number));
    }
    return toBytes(sum);
  },
  verify: (group, message, signature) => signs(values(group)[0] as number, message, signature),
};

/** Signature of the holder of `publicKey`: only code that means to sign as somebody calls this. */
export function standinSign(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const half = hashed(publicKey, message);
  return concatBytes(half, half);
}

/** An identity whose key is `publicKey`. */
export function standinIdentity(publicKey: Uint8Array): CeremonyIdentity {
  return {
    publicKey,
    sign: (message) => standinSign(publicKey, message),
    verify: (key, message, signature) => equalBytes(signature, standinSign(key, message)),
  };
}

/** `count` distinct keys, ascending. */
export function standinKeys(count: number, random: (length: number) => Uint8Array): Uint8Array[] {
  return Array.from({ length: count }, () => random(32)).sort(compareBytes);
}

/** One ceremony as each of its players holds it, with stand-ins for all cryptography. */
export function standinCeremonies(info: CeremonyInfo, random: (length: number) => Uint8Array): Ceremony[] {
  return info.players.map((key) =>
    createCeremony({
      info,
      scheme: standinScheme,
      identity: standinIdentity(key),
      seed: random(32),
      previousShare: undefined,
    }),
  );
}
