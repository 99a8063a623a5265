// What tests of execution share: a block environment and signed transactions.
import { openTransaction } from "#crypto/digest.ts";
import { keccak256 } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import type { BlockEnv } from "#execution/types.ts";
import { EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { type Address, address, height, ZERO_HASH } from "#types/ids.ts";
import {
  type DynamicFeeTransaction,
  encodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";

export const CHAIN_ID = 1337n;
export const GWEI = 1_000_000_000n;
export const ETHER: bigint = 10n ** 18n;
export const SECRET: Uint8Array = fromHex(`0x${"11".repeat(32)}`);
export const SENDER: Address = secretToAddress(SECRET);
export const COINBASE: Address = address(`0x${"33".repeat(20)}`);

export function blockEnv(fields: Partial<BlockEnv> = {}): BlockEnv {
  return {
    number: height(1),
    timestamp: 1000,
    coinbase: COINBASE,
    gasLimit: 30_000_000n,
    baseFeePerGas: GWEI,
    prevRandao: ZERO_HASH,
    parentHash: ZERO_HASH,
    parentBeaconBlockRoot: ZERO_HASH,
    excessBlobGas: 0n,
    ...fields,
  };
}

/** Signs any transaction; what its signature was before does not matter. */
export function sign(tx: Transaction, secret: Uint8Array = SECRET): SignedTransaction {
  const signature = signDigest(keccak256(signingPayload(tx)), secret);
  const opened = openTransaction(encodeTransaction({ ...tx, signature }));
  if (opened === undefined) throw new Error("a transaction just signed opens");
  return opened;
}

export function dynamicFee(fields: Partial<DynamicFeeTransaction> = {}): DynamicFeeTransaction {
  return {
    type: 2,
    chainId: CHAIN_ID,
    nonce: 0n,
    maxPriorityFeePerGas: GWEI,
    maxFeePerGas: 3n * GWEI,
    gasLimit: 21_000n,
    to: address(`0x${"22".repeat(20)}`),
    value: 0n,
    data: EMPTY_BYTES,
    accessList: [],
    signature: { yParity: 0, r: 1n, s: 1n },
    ...fields,
  };
}
