// The unlocked accounts of a local chain: keys from a mnemonic that everybody knows, and what can be signed with them.

import { keccak256, keccakHash } from "#crypto/hash.ts";
import { secretsOfMnemonic } from "#crypto/mnemonic.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { bigintToBytes, concatBytes, padLeft, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { Address } from "#types/ids.ts";
import {
  encodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";

export interface DevAccounts {
  readonly addresses: readonly Address[];
  /** Secret key of 32 bytes, for the banner that shows it. */
  secret(at: Address): Uint8Array;
  has(at: Address): boolean;
  /** Signature over a digest as clients expect it: r ‖ s ‖ v, v 27 or 28. Throws for an unknown account. */
  sign(at: Address, digest: Uint8Array): Uint8Array;
  /** `tx` with the account's signature in place of its own. */
  signTransaction(at: Address, tx: Transaction): SignedTransaction;
}

/** Digest of a message as wallets sign it (EIP-191, version 0x45). */
export function personalDigest(message: Uint8Array): Uint8Array {
  return keccak256(concatBytes(utf8(`\x19Ethereum Signed Message:\n${message.length}`), message));
}

/** The first `count` accounts of a mnemonic; throws BAD_MNEMONIC. */
export function createDevAccounts(mnemonic: string, count: number, path?: string): DevAccounts {
  const secrets = new Map<Address, Uint8Array>();
  for (const secret of secretsOfMnemonic(mnemonic, count, path)) secrets.set(secretToAddress(secret), secret);
  const secretOf = (at: Address): Uint8Array => {
    const secret = secrets.get(at);
    if (secret !== undefined) return secret;
    throw new KoraError("unknown account", {
      code: "INVALID_INPUT",
      why: `${at} is not one of the unlocked accounts`,
    });
  };
  return {
    addresses: [...secrets.keys()],
    secret: secretOf,
    has: (at) => secrets.has(at),
    sign(at, digest) {
      const { r, s, yParity } = signDigest(digest, secretOf(at));
      const word = (value: bigint): Uint8Array => padLeft(bigintToBytes(value), 32);
      return concatBytes(word(r), word(s), Uint8Array.of(27 + yParity));
    },
    signTransaction(at, tx) {
      const signature = signDigest(keccak256(signingPayload(tx)), secretOf(at));
      const signed: Transaction = { ...tx, signature };
      const raw = encodeTransaction(signed);
      return { tx: signed, raw, hash: keccakHash(raw), sender: at };
    },
  };
}
