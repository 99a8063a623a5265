// The two secp256k1 implementations and the choice between them: libsecp256k1 as a native addon where it loads and
// agrees with the reference, @noble/curves elsewhere. The choice carries its reason, so that start-up can announce it.
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { equalBytes, fromHex } from "#lib/bytes.ts";
import { messageOf } from "#lib/error.ts";

/** ECDSA over secp256k1 on raw bytes; callers pass lengths that fit (the native code does not check them). */
export interface Secp256k1Backend {
  readonly name: "native" | "portable";
  /** Why the native code is not in use. */
  readonly reason: string | undefined;
  /** 65-byte public key (0x04 ‖ x ‖ y) from a 32-byte digest and r ‖ s; undefined if there is none. */
  recover(digest: Uint8Array, compact: Uint8Array, recovery: number): Uint8Array | undefined;
  /** RFC 6979, low s: r ‖ s and the recovery bit. Throws for a secret that is zero or not below the order. */
  sign(digest: Uint8Array, secret: Uint8Array): { readonly compact: Uint8Array; readonly recovery: number };
  /** 65-byte public key of a 32-byte secret. */
  publicKey(secret: Uint8Array): Uint8Array;
}

/** What the addon exports: each call answers 0 for success and fills its output. */
interface Addon {
  ecdsaRecover(output: Uint8Array, compact: Uint8Array, recovery: number, digest: Uint8Array): number;
  ecdsaSign(
    result: { signature: Uint8Array; recid: number | null },
    digest: Uint8Array,
    secret: Uint8Array,
    data: undefined,
    nonce: undefined,
  ): number;
  publicKeyCreate(output: Uint8Array, secret: Uint8Array): number;
}

interface AddonModule {
  readonly Secp256k1: new () => Addon;
}

/**
 * The prebuilt addon by a static path: the package's own loader searches the disk at run time, finds nothing inside
 * a compiled executable, and falls back to a slow implementation in silence.
 */
function requireAddon(): AddonModule {
  if (process.platform === "linux" && process.arch === "x64") {
    try {
      return require("secp256k1/prebuilds/linux-x64/secp256k1.glibc.node") as AddonModule;
    } catch {
      return require("secp256k1/prebuilds/linux-x64/secp256k1.musl.node") as AddonModule;
    }
  }
  return require("secp256k1/prebuilds/darwin-arm64/secp256k1.node") as AddonModule;
}

function prebuilt(): boolean {
  const { platform, arch } = process;
  return (platform === "linux" && arch === "x64") || (platform === "darwin" && arch === "arm64");
}

function nativeBackend(): Secp256k1Backend {
  const addon = new (requireAddon().Secp256k1)();
  return {
    name: "native",
    reason: undefined,
    recover(digest, compact, recovery) {
      const output = new Uint8Array(65);
      return addon.ecdsaRecover(output, compact, recovery, digest) === 0 ? output : undefined;
    },
    sign(digest, secret) {
      const result: { signature: Uint8Array; recid: number | null } = {
        signature: new Uint8Array(64),
        recid: null,
      };
      const code = addon.ecdsaSign(result, digest, secret, undefined, undefined);
      if (code !== 0 || result.recid === null) throw new RangeError("the secret key is out of range");
      return { compact: result.signature, recovery: result.recid };
    },
    publicKey(secret) {
      const output = new Uint8Array(65);
      if (addon.publicKeyCreate(output, secret) !== 0) throw new RangeError("the secret key is out of range");
      return output;
    },
  };
}

/** The reference implementation; `reason` says why it is in use. */
export function portableSecp256k1(reason: string): Secp256k1Backend {
  return {
    name: "portable",
    reason,
    recover(digest, compact, recovery) {
      try {
        const signature = secp256k1.Signature.fromBytes(compact, "compact").addRecoveryBit(recovery);
        return signature.recoverPublicKey(digest).toBytes(false);
      } catch {
        return undefined;
      }
    },
    sign(digest, secret) {
      const bytes = secp256k1.sign(digest, secret, { prehash: false, format: "recovered" });
      return { compact: bytes.subarray(1), recovery: bytes[0] as number };
    },
    publicKey: (secret) => secp256k1.getPublicKey(secret, false),
  };
}

/**
 * Signs and recovers with both; true if every byte agrees. The probes are below the order: for a digest above it
 * (one in 2^128) the two derive different, equally valid nonces.
 */
function agree(a: Secp256k1Backend, b: Secp256k1Backend): boolean {
  const secret = fromHex(`0x${"4b".repeat(32)}`);
  for (const fill of [0x00, 0x01, 0x7f]) {
    const digest = new Uint8Array(32).fill(fill);
    const left = a.sign(digest, secret);
    const right = b.sign(digest, secret);
    if (!equalBytes(left.compact, right.compact) || left.recovery !== right.recovery) return false;
    const key = a.recover(digest, left.compact, left.recovery);
    if (key === undefined || !equalBytes(key, b.publicKey(secret))) return false;
    if (!equalBytes(a.publicKey(secret), key)) return false;
  }
  return true;
}

/** The native backend if it loads and agrees with the reference on this machine, else the portable one. */
export function chooseSecp256k1(): Secp256k1Backend {
  if (!prebuilt()) return portableSecp256k1(`no prebuilt addon for ${process.platform}-${process.arch}`);
  try {
    const native = nativeBackend();
    const portable = portableSecp256k1("the native addon disagrees with the reference");
    return agree(native, portable) ? native : portable;
  } catch (error) {
    return portableSecp256k1(`the native addon does not load: ${messageOf(error)}`);
  }
}
