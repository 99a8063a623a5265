// The native implementation: blst signs, verifies and checks points; mcl does the scalar multiplications that blst's
// binding does not offer, on points that blst has checked.

import { createLru } from "#lib/bounded.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import type { MclArithmetic, SignatureReader } from "./mcl.ts";
import { hasPublicKeyForm, hasSignatureForm } from "./points.ts";
import { type BlsBackend, READ_KEYS, type SignatureClaim } from "./types.ts";

type Blst = typeof import("@chainsafe/blst");

/**
 * The addon by a static path per platform, so that a compiled executable holds it; the package's own loader searches
 * the disk at run time. Each path stands in a `try` of its own: only this platform's package is installed, and the
 * compiler tolerates a missing one there. Throws where there is none.
 */
export function requireBlst(): Blst {
  const platform = `${process.platform}-${process.arch}`;
  let reason = `no prebuilt addon for ${platform}`;
  if (platform === "linux-x64") {
    try {
      return require("@chainsafe/blst-linux-x64-gnu/blst.linux-x64-gnu.node") as Blst;
    } catch (error) {
      reason = messageOf(error);
    }
    try {
      return require("@chainsafe/blst-linux-x64-musl/blst.linux-x64-musl.node") as Blst;
    } catch {
      // The other libc's addon: the first reason is the one to tell.
    }
  }
  if (platform === "linux-arm64") {
    try {
      return require("@chainsafe/blst-linux-arm64-gnu/blst.linux-arm64-gnu.node") as Blst;
    } catch (error) {
      reason = messageOf(error);
    }
  }
  if (platform === "darwin-arm64") {
    try {
      return require("@chainsafe/blst-darwin-arm64/blst.darwin-arm64.node") as Blst;
    } catch (error) {
      reason = messageOf(error);
    }
  }
  throw new KoraError(reason, { code: "BLS_BACKEND_UNAVAILABLE" });
}

type PublicKey = InstanceType<Blst["PublicKey"]>;
type Signature = InstanceType<Blst["Signature"]>;

/** The native implementation over `arithmetic`; throws where the addon does not load. */
export function loadBlstBackend(arithmetic: MclArithmetic): BlsBackend {
  const blst = requireBlst();
  const known = createLru<string, PublicKey>(READ_KEYS);
  const openPublicKey = (bytes: Uint8Array): PublicKey | undefined => {
    if (!hasPublicKeyForm(bytes)) return undefined;
    const name = bytes.toHex();
    try {
      const key = known.get(name) ?? blst.PublicKey.fromBytes(bytes, true);
      known.set(name, key);
      return key;
    } catch {
      return undefined;
    }
  };
  const openSignature = (bytes: Uint8Array): Signature | undefined => {
    if (!hasSignatureForm(bytes)) return undefined;
    try {
      return blst.Signature.fromBytes(bytes, true, true);
    } catch {
      return undefined;
    }
  };
  const read: SignatureReader = (at, bytes) => {
    const signature = openSignature(bytes);
    return signature !== undefined && arithmetic.readAffine(at, signature.toBytes(false));
  };
  const open = ({ publicKey, message, signature }: SignatureClaim) => {
    const pk = openPublicKey(publicKey);
    const sig = pk === undefined ? undefined : openSignature(signature);
    return pk === undefined || sig === undefined ? undefined : { msg: message, pk, sig };
  };
  return {
    name: "blst",
    isPublicKey: (bytes) => openPublicKey(bytes) !== undefined,
    isSignature: (bytes) => openSignature(bytes) !== undefined,
    publicKey: (secret) => blst.SecretKey.fromBytes(secret).toPublicKey().toBytes(true),
    sign: (secret, message) => blst.SecretKey.fromBytes(secret).sign(message).toBytes(true),
    verifyAll(claims) {
      const sets = claims.map(open).filter((set) => set !== undefined);
      const [first] = sets;
      if (first === undefined || sets.length !== claims.length) return false;
      if (sets.length === 1) return blst.verify(first.msg, first.pk, first.sig);
      return blst.verifyMultipleAggregateSignatures(sets);
    },
    combine: (signatures, weights, divisor) => arithmetic.combine(read, signatures, weights, divisor),
    evaluate: arithmetic.backend.evaluate,
  };
}
