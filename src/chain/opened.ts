// Transactions that were opened lately, whoever brought them: a proposal brings some before their relay does, and whoever
// was refused may come again. A sender costs sixty microseconds to find, and a hash one. Judges nothing.
import { createLru } from "#lib/bounded.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

/** Kept beside the pool, in transactions and in bytes of wire form: those of some seconds under load. */
const MAX_OPENED = 8_192;
const MAX_OPENED_BYTES: number = 8 * 1024 * 1024;

export interface OpenedTransactions {
  /** One that is pooled, or was opened lately. */
  get(hash: Hash): SignedTransaction | undefined;
  /** Keeps one that the pool does not. */
  add(signed: SignedTransaction): void;
}

/** None yet but those that `pooled` knows. */
export function createOpenedTransactions(
  pooled: (hash: Hash) => SignedTransaction | undefined,
): OpenedTransactions {
  const lately = createLru<Hash, SignedTransaction>(MAX_OPENED, {
    of: ({ raw }) => raw.length,
    most: MAX_OPENED_BYTES,
    spared: 0,
  });
  return {
    get: (hash) => pooled(hash) ?? lately.get(hash),
    add: (signed) => lately.set(signed.hash, signed),
  };
}
