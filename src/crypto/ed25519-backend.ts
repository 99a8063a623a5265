// The two ed25519 implementations and the choice between them: the runtime's native one, and @noble/curves where the
// runtime lacks it. Both verify alike: s below the order, no cofactor, R compared as bytes (RFC 8032, 5.1.7).
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as nativeSign,
  verify as nativeVerify,
} from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes, fromHex } from "#lib/bytes.ts";
import { messageOf } from "#lib/error.ts";

/** Verifies one key's signatures; 64-byte signatures of any message. */
export type Verifier = (message: Uint8Array, signature: Uint8Array) => boolean;
/** Signs with one key: 64 bytes, deterministic. */
export type Signer = (message: Uint8Array) => Uint8Array;

export interface Ed25519Backend {
  readonly name: "native" | "portable";
  /** Why the native code is not in use. */
  readonly reason: string | undefined;
  /** Signer and public key of a 32-byte seed. */
  signer(seed: Uint8Array): { readonly publicKey: Uint8Array; readonly sign: Signer };
  /** Verifier of a public key that was found to be a point of the curve. */
  verifier(publicKey: Uint8Array): Verifier;
}

/** DER around the raw key (RFC 8410): PKCS #8 for a seed, SubjectPublicKeyInfo for a public key. */
const SEED_PREFIX = fromHex("0x302e020100300506032b657004220420");
const KEY_PREFIX = fromHex("0x302a300506032b6570032100");

function derKey(publicKey: Uint8Array): KeyObject {
  const der = concatBytes(KEY_PREFIX, publicKey);
  return createPublicKey({ key: der as Buffer, format: "der", type: "spki" });
}

const nativeBackend: Ed25519Backend = {
  name: "native",
  reason: undefined,
  signer(seed) {
    const der = concatBytes(SEED_PREFIX, seed);
    const key = createPrivateKey({ key: der as Buffer, format: "der", type: "pkcs8" });
    der.fill(0);
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    return {
      publicKey: new Uint8Array(spki.subarray(KEY_PREFIX.length)),
      sign: (message) => new Uint8Array(nativeSign(null, message, key)),
    };
  },
  verifier(publicKey) {
    const key = derKey(publicKey);
    return (message, signature) => nativeVerify(null, message, key, signature);
  },
};

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}

/** The reference implementation; `reason` says why it is in use. */
export function portableEd25519(reason: string): Ed25519Backend {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  return {
    name: "portable",
    reason,
    signer(seed) {
      const kept = seed.slice();
      return {
        publicKey: ed25519.getPublicKey(kept),
        sign: (message) => ed25519.sign(message, kept),
      };
    },
    verifier(publicKey) {
      const negated = Point.fromBytes(publicKey).negate();
      return (message, signature) => {
        const s = littleEndian(signature.subarray(32));
        if (s >= order) return false;
        const r = signature.subarray(0, 32);
        const challenge = littleEndian(sha512(concatBytes(r, publicKey, message))) % order;
        const sum = Point.BASE.multiplyUnsafe(s).add(negated.multiplyUnsafe(challenge));
        return equalBytes(sum.toBytes(), r);
      };
    },
  };
}

/** Whether bytes are the canonical encoding of a point of the curve that is not of small order. */
export function isEd25519Key(publicKey: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(publicKey).isSmallOrder();
  } catch {
    return false;
  }
}

/** What the reference answers for the seed 0x4b…: fixed, since running it would cost a start tens of milliseconds. */
const PROBE_SEED = new Uint8Array(32).fill(0x4b);
const PROBE_MESSAGE = PROBE_SEED.subarray(0, 7);
const PROBE_KEY = fromHex("0x7ea0e3bd52e207c9d3b0eba65c0704e66fca2d8e165a175218b174fc4160e413");
const PROBE_SIGNATURE = fromHex(
  "0x48df4566a48a0aa2a76e60b0b2ae002f18c5a7201035bf0d2c7f0ce010c362d5cdd18b116b1bfc1eca9eb75813d358bea2277feb90c0c6b5d0b9ed109a390906",
);

/** Whether a backend gives the reference's bytes and verdicts. */
export function passesEd25519Probes(backend: Ed25519Backend): boolean {
  const { publicKey, sign } = backend.signer(PROBE_SEED);
  const verify = backend.verifier(PROBE_KEY);
  return (
    equalBytes(publicKey, PROBE_KEY) &&
    equalBytes(sign(PROBE_MESSAGE), PROBE_SIGNATURE) &&
    verify(PROBE_MESSAGE, PROBE_SIGNATURE) &&
    !verify(PROBE_SEED, PROBE_SIGNATURE)
  );
}

/** The native backend if it is there and agrees with the reference, else the portable one. */
export function chooseEd25519(): Ed25519Backend {
  try {
    if (passesEd25519Probes(nativeBackend)) return nativeBackend;
    return portableEd25519("the native code disagrees with the reference");
  } catch (error) {
    return portableEd25519(`the runtime has no ed25519: ${messageOf(error)}`);
  }
}
