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

/** The native backend if it is there and agrees with the reference, else the portable one. */
export function chooseEd25519(): Ed25519Backend {
  const portable = portableEd25519("the native code disagrees with the reference");
  try {
    const seed = new Uint8Array(32).fill(0x4b);
    const native = nativeBackend.signer(seed);
    const reference = portable.signer(seed);
    const message = seed.subarray(0, 7);
    const signature = native.sign(message);
    const alike =
      equalBytes(native.publicKey, reference.publicKey) &&
      equalBytes(signature, reference.sign(message)) &&
      nativeBackend.verifier(native.publicKey)(message, signature) &&
      !nativeBackend.verifier(native.publicKey)(seed, signature);
    return alike ? nativeBackend : portable;
  } catch (error) {
    return portableEd25519(`the runtime has no ed25519: ${messageOf(error)}`);
  }
}
