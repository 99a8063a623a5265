// BLS12-381 threshold signatures behind one door: sign a share of a signature, verify, recover from any q of n, and
// evaluate the public polynomial. Which implementation works is chosen once, at start-up, by a self-test.
import { assert } from "#lib/assert.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { loadBlstBackend } from "./bls/blst.ts";
import { loadMclArithmetic } from "./bls/mcl.ts";
import { createNobleBackend } from "./bls/noble.ts";
import { lagrangeAtZero, openScalar } from "./bls/scalar.ts";
import { selfTest } from "./bls/self-test.ts";
import { BLS_BACKENDS, type BlsBackend, type BlsBackendName, type SignatureClaim } from "./bls/types.ts";

/** Claims checked in one product of pairings; bounds an implementation's memory. */
const MAX_CLAIMS = 256;

/** The partial signature of the share at `index`, whose abscissa is index + 1. */
export interface Partial {
  readonly index: number;
  readonly signature: Uint8Array;
}

/** A recovered signature, not verified yet; or the indices whose bytes are no signature. */
export type Recovery =
  | { readonly kind: "recovered"; readonly signature: Uint8Array }
  | { readonly kind: "malformed"; readonly indices: readonly number[] };

/** An implementation that was not chosen although it is faster, and why. */
export interface RejectedBackend {
  readonly name: BlsBackendName;
  readonly reason: string;
}

/** Signatures of 96 bytes in G2, public keys of 48 bytes in G1, secrets of 32 bytes. */
export interface Bls {
  readonly backend: BlsBackendName;
  /** For the start-up log: a fallback is announced. */
  readonly rejected: readonly RejectedBackend[];
  /** Whether bytes are a canonical, non-zero scalar. */
  isSecret(bytes: Uint8Array): boolean;
  isPublicKey(bytes: Uint8Array): boolean;
  isSignature(bytes: Uint8Array): boolean;
  /** Throws BAD_SECRET unless `isSecret`. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** Throws BAD_SECRET unless `isSecret`. */
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  /** False, never an error, for malformed bytes. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Whether every claim holds, folded into one product of pairings with random coefficients (a false one passes with
   * probability 2^-64). False for an empty list.
   */
  verifyAll(claims: readonly SignatureClaim[]): boolean;
  /** Lagrange at 0 over partials of distinct indices below MAX_PARTICIPANTS. */
  recover(partials: readonly Partial[]): Recovery;
  /** The polynomial's value at index + 1; throws BAD_POLYNOMIAL if one of its points is malformed. */
  evaluate(polynomial: readonly Uint8Array[], index: number): Uint8Array;
}

function checkSecret(secret: Uint8Array): void {
  if (openScalar(secret) === undefined) {
    throw new KoraError("not a secret key of BLS12-381", {
      code: "BAD_SECRET",
      kind: "usage",
      why: "it has to be 32 bytes, not zero, and below the order of the group",
    });
  }
}

function recover(backend: BlsBackend, partials: readonly Partial[]): Recovery {
  const indices = partials.map(({ index }) => index);
  assert(indices.length > 0 && new Set(indices).size === indices.length, "partials have distinct indices");
  assert(
    indices.every((index) => Number.isInteger(index) && index >= 0 && index < MAX_PARTICIPANTS),
    "a partial's index is that of a participant",
  );
  const { weights, divisor } = lagrangeAtZero(indices);
  const signatures = partials.map(({ signature }) => signature);
  const signature = backend.combine(signatures, weights, divisor);
  if (signature !== undefined) return { kind: "recovered", signature };
  const malformed = partials.filter(({ signature }) => !backend.isSignature(signature));
  // Well-formed partials that sum to infinity: nobody can be told apart, so all are named.
  return { kind: "malformed", indices: (malformed.length > 0 ? malformed : partials).map((p) => p.index) };
}

function evaluate(backend: BlsBackend, polynomial: readonly Uint8Array[], index: number): Uint8Array {
  const value = backend.evaluate(polynomial, index + 1);
  if (value === undefined) {
    throw new KoraError("not a public polynomial", {
      code: "BAD_POLYNOMIAL",
      kind: "usage",
      why: "one of its points is malformed, or its value is infinity",
    });
  }
  return value;
}

/** The door over one implementation. */
export function blsOver(backend: BlsBackend, rejected: readonly RejectedBackend[] = []): Bls {
  const verifyAll = (claims: readonly SignatureClaim[]): boolean => {
    if (claims.length === 0) return false;
    for (let at = 0; at < claims.length; at += MAX_CLAIMS) {
      if (!backend.verifyAll(claims.slice(at, at + MAX_CLAIMS))) return false;
    }
    return true;
  };
  return {
    backend: backend.name,
    rejected,
    isSecret: (bytes) => openScalar(bytes) !== undefined,
    isPublicKey: (bytes) => backend.isPublicKey(bytes),
    isSignature: (bytes) => backend.isSignature(bytes),
    publicKey(secret) {
      checkSecret(secret);
      return backend.publicKey(secret);
    },
    sign(secret, message) {
      checkSecret(secret);
      return backend.sign(secret, message);
    },
    verify: (publicKey, message, signature) => backend.verifyAll([{ publicKey, message, signature }]),
    verifyAll,
    recover: (partials) => recover(backend, partials),
    evaluate: (polynomial, index) => evaluate(backend, polynomial, index),
  };
}

/** Loads one implementation by name; rejects where it does not load. */
export async function loadBlsBackend(name: BlsBackendName): Promise<BlsBackend> {
  if (name === "noble") return createNobleBackend();
  const arithmetic = await loadMclArithmetic();
  return name === "mcl" ? arithmetic.backend : loadBlstBackend(arithmetic);
}

/**
 * The fastest implementation that loads and passes the self-test. Naming one forbids the others: then
 * BLS_BACKEND_UNAVAILABLE is thrown if it does not work here.
 */
export async function openBls(wanted?: BlsBackendName): Promise<Bls> {
  const rejected: RejectedBackend[] = [];
  for (const name of wanted === undefined ? BLS_BACKENDS : [wanted]) {
    try {
      const backend = await loadBlsBackend(name);
      const fault = selfTest(backend);
      if (fault === undefined) return blsOver(backend, rejected);
      rejected.push({ name, reason: fault });
    } catch (error) {
      rejected.push({ name, reason: `it does not load: ${messageOf(error)}` });
    }
  }
  throw new KoraError("no BLS12-381 implementation works here", {
    code: "BLS_BACKEND_UNAVAILABLE",
    why: rejected.map(({ name, reason }) => `${name}: ${reason}`).join("; "),
    hint: wanted === undefined ? "please report this machine" : "leave the choice out to take what works",
  });
}
