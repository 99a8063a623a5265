// The bytes between the main thread and a recovery thread: wire forms one way, hashes and senders the other. Packed
// into one buffer each way, since a structured copy of many small objects costs more than it carries.
import { Reader, Writer } from "#lib/codec.ts";
import { address, hash } from "#types/ids.ts";
import type { SignedTransaction, Transaction } from "#types/transaction.ts";
import { keccak256 } from "./hash.ts";
import { recoverSenderOf } from "./recovery-parts.ts";
import { secp256k1Backend } from "./secp256k1.ts";
import type { RecoverKey } from "./secp256k1-recovery.ts";

const HASH_BYTES = 32;
const ADDRESS_BYTES = 20;

/** What a thread says before its first answer. */
export interface Hello {
  /** Why it has no native code; undefined where it has. */
  readonly reason: string | undefined;
  /** Whether it has the reference alone. */
  readonly slow: boolean;
}

/** Packs well-formed wire forms. */
export function encodeRequest(raws: readonly Uint8Array[]): Uint8Array {
  const size = raws.reduce((sum, raw) => sum + raw.length + 4, 4);
  const writer = new Writer(size).u32(raws.length);
  for (const raw of raws) writer.bytes(raw);
  return writer.finish();
}

/** Does a thread's work: hashes and senders of the packed wire forms. */
export function answerRequest(
  request: Uint8Array,
  recover: RecoverKey = secp256k1Backend().recover,
): Uint8Array {
  const reader = new Reader(request);
  const count = reader.u32();
  const writer = new Writer(count * (HASH_BYTES + 1 + ADDRESS_BYTES));
  for (let i = 0; i < count; i++) {
    const raw = reader.bytes(request.length);
    const sender = recoverSenderOf(raw, recover);
    writer.raw(keccak256(raw)).u8(sender === undefined ? 0 : 1);
    if (sender !== undefined) writer.raw(sender);
  }
  return writer.finish();
}

/** The opened transactions, undefined where the signature is invalid. */
export function decodeAnswer(
  answer: Uint8Array,
  transactions: readonly { readonly tx: Transaction; readonly raw: Uint8Array }[],
): (SignedTransaction | undefined)[] {
  const reader = new Reader(answer);
  return transactions.map(({ tx, raw }) => {
    const digest = hash(reader.raw(HASH_BYTES));
    if (reader.u8() === 0) return undefined;
    return { tx, raw, hash: digest, sender: address(reader.raw(ADDRESS_BYTES)) };
  });
}
