// Opens a block that came as bytes: hashes it, sees that its transactions are the header's, and finds the senders, of
// pooled transactions without recovering them again. What is wrong with the body is a verdict about it, never an
// exception.
import { headerHash, openTransaction } from "#crypto/digest.ts";
import { keccakHash } from "#crypto/hash.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import { KoraError } from "#lib/error.ts";
import { type Block, decodeBlock, type WireBlock } from "#types/block.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

export type OpenedBody =
  | { readonly kind: "opened"; readonly block: Block }
  | { readonly kind: "invalid"; readonly reason: string };

const invalid = (reason: string): OpenedBody => ({ kind: "invalid", reason });

/** Codes with which decoding refuses bytes that a peer made. */
const PEER_FAULTS: ReadonlySet<string> = new Set(["BAD_RLP", "BAD_TRANSACTION", "BAD_HASH", "BAD_ADDRESS"]);

function judged(open: () => OpenedBody): OpenedBody {
  try {
    return open();
  } catch (error) {
    if (error instanceof KoraError && PEER_FAULTS.has(error.code)) return invalid(error.message);
    throw error;
  }
}

/**
 * Whether the transactions are those that the header commits to. A digest is a header's hash: without this look, whoever
 * sends a body could put other transactions under it, and the block would bear the blame.
 */
export function holdsTogether({ header, transactions }: WireBlock): boolean {
  return orderedTrieRoot(transactions) === header.transactionsRoot;
}

/** Opens a block that holds together, whose hash is known; `pooled` knows transactions that were opened before. */
export function openWireBlock(
  { header, transactions: raws }: WireBlock,
  hash: Hash,
  pooled: (hash: Hash) => SignedTransaction | undefined,
): OpenedBody {
  return judged(() => {
    const transactions: SignedTransaction[] = [];
    for (const [index, raw] of raws.entries()) {
      const signed = pooled(keccakHash(raw)) ?? openTransaction(raw);
      if (signed === undefined) return invalid(`transaction ${index} has no valid signature`);
      transactions.push(signed);
    }
    return { kind: "opened", block: { header, hash, transactions } };
  });
}

/** Opens the bytes of a body. */
export function openBody(
  bytes: Uint8Array,
  pooled: (hash: Hash) => SignedTransaction | undefined,
): OpenedBody {
  return judged(() => {
    const wire = decodeBlock(bytes);
    if (!holdsTogether(wire)) return invalid("its transactions are not those of its header");
    return openWireBlock(wire, headerHash(wire.header), pooled);
  });
}
