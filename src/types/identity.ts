// Who a node is: its ed25519 public key. Lowercase 0x-hex, so that it keys a Map and sorts like its bytes.
import type { Brand } from "#lib/brand.ts";
import { fromHex, type Hex, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";

/** The 32 bytes of an ed25519 public key as lowercase 0x-hex. */
export type IdentityKey = Brand<Hex, "IdentityKey">;

/** Bytes of an ed25519 public key. */
export const IDENTITY_KEY_BYTES = 32;
/** Bytes of an ed25519 signature. */
export const IDENTITY_SIGNATURE_BYTES = 64;

const KEY = /^0x[0-9a-f]{64}$/;

/**
 * Identity key of 32 bytes or of hex in either case, with or without 0x; throws BAD_IDENTITY_KEY. Whether the bytes
 * are a point of the curve is found out where signatures are verified.
 */
export function identityKey(value: Uint8Array | string): IdentityKey {
  const given = typeof value === "string" ? value.toLowerCase() : toHex(value);
  const text = given.startsWith("0x") ? given : `0x${given}`;
  if (!KEY.test(text)) {
    throw new KoraError(`not an identity key: ${text.slice(0, 80)}`, {
      code: "BAD_IDENTITY_KEY",
      kind: "usage",
      why: "an identity key is an ed25519 public key: 32 bytes, 64 hex digits",
      hint: "kora keys show --config node.toml prints a node's own key",
    });
  }
  return text as IdentityKey;
}

/** The key's 32 bytes. */
export function identityKeyBytes(key: IdentityKey): Uint8Array {
  return fromHex(key);
}
