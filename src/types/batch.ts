// Transactions as they travel between nodes: several together, each in its wire form. What they say is judged where
// they are pooled.
import { decodeWhole, Writer } from "#lib/codec.ts";
import { MAX_TRANSACTION_BYTES } from "./limits.ts";

/** Transactions of one batch, and bytes after which a batch is full. */
export const MAX_BATCH_TRANSACTIONS = 1_024;
export const BATCH_BYTES: number = 128 * 1024;
/** Bytes of a batch at most: one that was not yet full takes one more transaction of any size. */
export const MAX_BATCH_BYTES: number = BATCH_BYTES + MAX_TRANSACTION_BYTES + 4 * (MAX_BATCH_TRANSACTIONS + 1);

/** Wire form of a batch: a count, and each transaction behind its length. */
export function encodeTransactions(batch: readonly Uint8Array[]): Uint8Array {
  return new Writer(1024).list(batch, (writer, raw) => writer.bytes(raw)).finish();
}

/** Decodes a batch that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeTransactions(bytes: Uint8Array): readonly Uint8Array[] {
  return decodeWhole(bytes, (reader) =>
    reader.list(MAX_BATCH_TRANSACTIONS, () => reader.bytes(MAX_TRANSACTION_BYTES)),
  );
}
