// The bytes between the main thread and a recovery thread: wire forms one way, hashes and senders the other. Packed
// into one buffer each way, since a structured copy of many small objects costs more than it carries.
import { address, hash } from "#types/ids.ts";
import type { SignedTransaction, Transaction } from "#types/transaction.ts";
import { keccak256 } from "./hash.ts";
import { recoverSenderOf } from "./recovery-parts.ts";
import { secp256k1Backend } from "./secp256k1.ts";
import type { RecoverKey } from "./secp256k1-recovery.ts";

const LENGTH_BYTES = 4;
const HASH_BYTES = 32;
const ADDRESS_BYTES = 20;
/** A hash, whether there is a sender, and the sender or zeros. */
const RESULT_BYTES: number = HASH_BYTES + 1 + ADDRESS_BYTES;

/** What a thread says before its first answer. */
export interface Hello {
  /** Why it has no native code; undefined where it has. */
  readonly reason: string | undefined;
  /** Whether it has the reference alone. */
  readonly slow: boolean;
}

/** Packs well-formed wire forms: how many, then each behind its length. */
export function encodeRequest(raws: readonly Uint8Array[]): Uint8Array {
  let size = LENGTH_BYTES;
  for (const raw of raws) size += LENGTH_BYTES + raw.length;
  const request = new Uint8Array(size);
  const view = new DataView(request.buffer);
  view.setUint32(0, raws.length);
  let at = LENGTH_BYTES;
  for (const raw of raws) {
    view.setUint32(at, raw.length);
    request.set(raw, at + LENGTH_BYTES);
    at += LENGTH_BYTES + raw.length;
  }
  return request;
}

/** Does a thread's work: hashes and senders of the packed wire forms. */
export function answerRequest(
  request: Uint8Array,
  recover: RecoverKey = secp256k1Backend().recover,
): Uint8Array {
  const view = new DataView(request.buffer, request.byteOffset);
  const answer = new Uint8Array(view.getUint32(0) * RESULT_BYTES);
  let from = LENGTH_BYTES;
  for (let to = 0; to < answer.length; to += RESULT_BYTES) {
    const start = from + LENGTH_BYTES;
    from = start + view.getUint32(from);
    const raw = request.subarray(start, from);
    const sender = recoverSenderOf(raw, recover);
    answer.set(keccak256(raw), to);
    if (sender === undefined) continue;
    answer[to + HASH_BYTES] = 1;
    answer.set(sender, to + HASH_BYTES + 1);
  }
  return answer;
}

/** The opened transactions, undefined where the signature is invalid. */
export function decodeAnswer(
  answer: Uint8Array,
  transactions: readonly { readonly tx: Transaction; readonly raw: Uint8Array }[],
): (SignedTransaction | undefined)[] {
  return transactions.map(({ tx, raw }, i) => {
    const at = i * RESULT_BYTES;
    const senderAt = at + HASH_BYTES + 1;
    if (answer[at + HASH_BYTES] === 0) return undefined;
    return {
      tx,
      raw,
      hash: hash(answer.subarray(at, at + HASH_BYTES)),
      sender: address(answer.subarray(senderAt, senderAt + ADDRESS_BYTES)),
    };
  });
}
