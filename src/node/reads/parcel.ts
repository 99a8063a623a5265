// Transactions on their way to a thread: one array of bytes, because copying a thousand objects of the EVM's words takes
// the event loop longer than decoding them takes the thread. Senders go along, so that none is recovered twice.
import { concatBytes } from "#lib/bytes.ts";
import type { Address, Hash } from "#types/ids.ts";
import { decodeTransaction, type SignedTransaction } from "#types/transaction.ts";

export interface Parcel {
  /** Wire forms, one after the other. */
  readonly bytes: Uint8Array;
  /** Where each ends. */
  readonly ends: readonly number[];
  readonly hashes: readonly Hash[];
  readonly senders: readonly Address[];
}

/** Packs transactions. */
export function parcelOf(transactions: readonly SignedTransaction[]): Parcel {
  let end = 0;
  return {
    bytes: concatBytes(...transactions.map(({ raw }) => raw)),
    ends: transactions.map(({ raw }) => {
      end += raw.length;
      return end;
    }),
    hashes: transactions.map(({ hash }) => hash),
    senders: transactions.map(({ sender }) => sender),
  };
}

/** What was packed, in the same order. */
export function opened({ bytes, ends, hashes, senders }: Parcel): readonly SignedTransaction[] {
  return ends.map((end, index) => {
    const raw = bytes.subarray(ends[index - 1] ?? 0, end);
    return {
      tx: decodeTransaction(raw),
      raw,
      hash: hashes[index] as Hash,
      sender: senders[index] as Address,
    };
  });
}
