// ed25519 identities: who signs a vote's envelope and who is at the other end of a connection.
// The public key's bytes are the ones a libp2p peer id is made of.
import { randomBytes } from "node:crypto";
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { once } from "#lib/once.ts";
import {
  IDENTITY_SIGNATURE_BYTES,
  type IdentityKey,
  identityKey,
  identityKeyBytes,
} from "#types/identity.ts";
import { chooseEd25519, isEd25519Key, type Verifier } from "./ed25519-backend.ts";

/** Bytes of the secret an identity is made of. */
export const SEED_BYTES = 32;
/** Opened public keys kept: every participant of a large committee, and as many followers. */
const OPEN_KEYS = 1_024;

/** The backend in use, chosen at first use by a self-test; its name and reason belong in the start-up log. */
export const ed25519Backend: () => ReturnType<typeof chooseEd25519> = once(chooseEd25519);

/** A secret key that signs; it never shows its seed unless asked by name. */
export interface Identity {
  readonly publicKey: IdentityKey;
  /** 64 bytes, deterministic (RFC 8032). */
  sign(message: Uint8Array): Uint8Array;
  /** A copy of the secret seed, for the transport's handshake and for key files. */
  revealSeed(): Uint8Array;
}

/** Opened keys by name; false for bytes that are no key. */
const verifiers = createLru<IdentityKey, Verifier | false>(OPEN_KEYS);

function verifierOf(key: IdentityKey): Verifier | false {
  const known = verifiers.get(key);
  if (known !== undefined) return known;
  const bytes = identityKeyBytes(key);
  const opened = isEd25519Key(bytes) && ed25519Backend().verifier(bytes);
  verifiers.set(key, opened);
  return opened;
}

/** A fresh secret seed from the system's random generator. */
export function generateSeed(): Uint8Array {
  return new Uint8Array(randomBytes(SEED_BYTES));
}

/** The identity of a 32-byte secret seed, which is copied. */
export function identityFromSeed(seed: Uint8Array): Identity {
  assert(seed.length === SEED_BYTES, "an identity's seed has 32 bytes");
  const secret = seed.slice();
  const { publicKey, sign } = ed25519Backend().signer(secret);
  return { publicKey: identityKey(publicKey), sign, revealSeed: () => secret.slice() };
}

/** Whether `key` is a point of the curve in canonical form and not of small order. */
export function isValidIdentity(key: IdentityKey): boolean {
  return verifierOf(key) !== false;
}

/** Whether `signature` is `key`'s over `message`. False, never an error, for anything malformed. */
export function verifyIdentity(key: IdentityKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== IDENTITY_SIGNATURE_BYTES) return false;
  const verifier = verifierOf(key);
  return verifier !== false && verifier(message, signature);
}
