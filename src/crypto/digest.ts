// Hashes of values that have a byte format of their own: blocks and transactions, and who sent them.
import { encodeHeader, type Header } from "#types/header.ts";
import type { Address, Hash } from "#types/ids.ts";
import {
  decodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";
import { keccak256, keccakHash } from "./hash.ts";
import { publicKeyToAddress, recoverPublicKey, SECP256K1_ORDER } from "./secp256k1.ts";

/** keccak256(rlp(header)). */
export function headerHash(header: Header): Hash {
  return keccakHash(encodeHeader(header));
}

/** Sender of a transaction; undefined for an invalid signature, high s included (EIP-2). */
export function recoverSender(tx: Transaction): Address | undefined {
  if (tx.signature.s > SECP256K1_ORDER / 2n) return undefined;
  const key = recoverPublicKey(keccak256(signingPayload(tx)), tx.signature);
  return key === undefined ? undefined : publicKeyToAddress(key);
}

/** Decodes, hashes and recovers; throws BAD_RLP or BAD_TRANSACTION, undefined for an invalid signature. */
export function openTransaction(raw: Uint8Array): SignedTransaction | undefined {
  const tx = decodeTransaction(raw);
  const sender = recoverSender(tx);
  return sender === undefined ? undefined : { tx, raw, hash: keccakHash(raw), sender };
}
