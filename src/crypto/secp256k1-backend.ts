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
  // What crosses into native code needs a buffer outside the heap: these are made once. Nothing of them is secret.
  const [digestIn, compactIn, keyOut] = [new Uint8Array(32), new Uint8Array(64), new Uint8Array(65)];
  return {
    name: "native",
    reason: undefined,
    recover(digest, compact, recovery) {
      digestIn.set(digest);
      compactIn.set(compact);
      return addon.ecdsaRecover(keyOut, compactIn, recovery, digestIn) === 0 ? keyOut.slice() : undefined;
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
 * What the reference answers for the secret 0x4b…: fixed, since running it would cost a start tens of milliseconds. The
 * digests are below the order: for one above it (one in 2^128) the two derive different, equally valid nonces.
 */
const PROBE_SECRET = new Uint8Array(32).fill(0x4b);
const PROBE_KEY = fromHex(
  "0x04d32b8a8af7e376739f1675707c8b57c6ad9f010c5ba82c60d973bf7a42be577c21e4a3f48086a3abd13167df641234bb47da4c7f465f4b6aee2a46de0b92402d",
);
const PROBES = [
  {
    fill: 0x00,
    recovery: 0,
    compact:
      "0x71327985f238fa89fd0add52c0a50420624aa31d88b3191d67a400ebcb87f8184768730b6601c6d597fd6932d0fdf5a0118b70b80f825dfef083b721259beb72",
  },
  {
    fill: 0x01,
    recovery: 1,
    compact:
      "0xb5dbd8e7468e55c316eec11784c41a90017d52408e1062cd418b58c45fcb8b5a6583d80d96007a87846fe0027c6556e74b6f7ca6b398190e18f22d168ecac36e",
  },
];

/** Whether a backend gives the reference's bytes. */
export function passesSecp256k1Probes(backend: Secp256k1Backend): boolean {
  return (
    equalBytes(backend.publicKey(PROBE_SECRET), PROBE_KEY) &&
    PROBES.every(({ fill, recovery, compact }) => {
      const digest = new Uint8Array(32).fill(fill);
      const signed = backend.sign(digest, PROBE_SECRET);
      const key = backend.recover(digest, fromHex(compact), recovery);
      const alike = signed.recovery === recovery && equalBytes(signed.compact, fromHex(compact));
      return alike && key !== undefined && equalBytes(key, PROBE_KEY);
    })
  );
}

/** The native backend if it loads and agrees with the reference on this machine, else the portable one. */
export function chooseSecp256k1(): Secp256k1Backend {
  if (!prebuilt()) return portableSecp256k1(`no prebuilt addon for ${process.platform}-${process.arch}`);
  try {
    const native = nativeBackend();
    if (passesSecp256k1Probes(native)) return native;
    return portableSecp256k1("the native addon disagrees with the reference");
  } catch (error) {
    return portableSecp256k1(`the native addon does not load: ${messageOf(error)}`);
  }
}
