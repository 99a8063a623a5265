// Senders of the load generator: keys derived from a fixed label, so that a second run finds its funds again, and
// the signing of their transactions.

import { keccak256 } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { type Hex, toHex, utf8 } from "#lib/bytes.ts";
import type { Address } from "#types/ids.ts";
import { type DynamicFeeTransaction, encodeTransaction, signingPayload } from "#types/transaction.ts";

/** First account of the mnemonic every local chain funds; its key is public. */
const TEST_FUNDER_SECRET = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

export interface Sender {
  readonly secret: Uint8Array;
  readonly address: Address;
  /** Next nonce to sign. */
  nonce: bigint;
}

export interface Fees {
  readonly chainId: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

export interface Operation {
  readonly to: Address | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
}

/** A transaction ready to be sent. */
export interface Signed {
  readonly raw: Hex;
  readonly hash: Hex;
}

const sender = (secret: Uint8Array): Sender => ({ secret, address: secretToAddress(secret), nonce: 0n });

/** The `count` accounts that send the load. */
export function loadSenders(count: number): Sender[] {
  return Array.from({ length: count }, (_, index) => sender(keccak256(utf8(`kora load account ${index}`))));
}

/** The account that pays: the given 32-byte key, else the public test account. */
export function funder(secret: Uint8Array | undefined): Sender {
  return sender(secret ?? Uint8Array.fromHex(TEST_FUNDER_SECRET));
}

/** Signs `operation` with the sender's next nonce and advances it. */
export function signOperation(from: Sender, operation: Operation, fees: Fees): Signed {
  const unsigned: DynamicFeeTransaction = {
    type: 2,
    ...fees,
    ...operation,
    nonce: from.nonce++,
    accessList: [],
    signature: { yParity: 0, r: 1n, s: 1n },
  };
  const signature = signDigest(keccak256(signingPayload(unsigned)), from.secret);
  const raw = encodeTransaction({ ...unsigned, signature });
  return { raw: toHex(raw), hash: toHex(keccak256(raw)) };
}
