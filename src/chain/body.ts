// Opens a block that came as bytes: hashes it, sees that its transactions are the header's, and finds the senders, of
// pooled transactions without recovering them again. What is wrong with the body is a verdict about it, never an
// exception.
import { headerHash, openTransaction } from "#crypto/digest.ts";
import { keccakHash } from "#crypto/hash.ts";
import { MIN_BATCH, type SenderRecovery } from "#crypto/recovery.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import { KoraError } from "#lib/error.ts";
import { type Block, decodeBlock, type WireBlock } from "#types/block.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";

export type OpenedBody =
  | { readonly kind: "opened"; readonly block: Block }
  | { readonly kind: "invalid"; readonly reason: string };

/** Knows transactions that were opened before. */
export type Pooled = (hash: Hash) => SignedTransaction | undefined;

const invalid = (reason: string): Extract<OpenedBody, { kind: "invalid" }> => ({ kind: "invalid", reason });

/** Codes with which decoding refuses bytes that a peer made. */
const PEER_FAULTS: ReadonlySet<string> = new Set(["BAD_RLP", "BAD_TRANSACTION", "BAD_HASH", "BAD_ADDRESS"]);

function judged<T>(open: () => T): T | ReturnType<typeof invalid> {
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

/** Opens a block that holds together, whose hash is known. */
export function openWireBlock(
  { header, transactions: raws }: WireBlock,
  hash: Hash,
  pooled: Pooled,
): OpenedBody {
  return judged((): OpenedBody => {
    const transactions: SignedTransaction[] = [];
    for (const [index, raw] of raws.entries()) {
      const signed = pooled(keccakHash(raw)) ?? openTransaction(raw);
      if (signed === undefined) return invalid(`transaction ${index} has no valid signature`);
      transactions.push(signed);
    }
    return { kind: "opened", block: { header, hash, transactions } };
  });
}

/**
 * As `openWireBlock`. Where there is much that is not pooled, its senders are found by `senders`, so that nothing else
 * waits for them: then the answer is a promise.
 */
export function openWireBlockAhead(
  wire: WireBlock,
  hash: Hash,
  pooled: Pooled,
  senders: SenderRecovery | undefined,
): OpenedBody | Promise<OpenedBody> {
  if (senders === undefined) return openWireBlock(wire, hash, pooled);
  const unknown = wire.transactions.filter((raw) => pooled(keccakHash(raw)) === undefined);
  if (unknown.length < MIN_BATCH) return openWireBlock(wire, hash, pooled);
  return senders.open(unknown, "block").then((opened) => {
    const found = new Map<Hash, SignedTransaction>();
    for (const each of opened) if (each.kind === "opened") found.set(each.signed.hash, each.signed);
    return openWireBlock(wire, hash, (each) => found.get(each) ?? pooled(each));
  });
}

type Unpacked =
  | Extract<OpenedBody, { kind: "invalid" }>
  | { readonly kind: "unpacked"; readonly wire: WireBlock };

function unpack(bytes: Uint8Array): Unpacked {
  return judged((): Unpacked => {
    const wire = decodeBlock(bytes);
    return holdsTogether(wire)
      ? { kind: "unpacked", wire }
      : invalid("its transactions are not those of its header");
  });
}

/** Opens the bytes of a body. */
export function openBody(bytes: Uint8Array, pooled: Pooled): OpenedBody {
  const unpacked = unpack(bytes);
  if (unpacked.kind === "invalid") return unpacked;
  return openWireBlock(unpacked.wire, headerHash(unpacked.wire.header), pooled);
}

/** As `openBody`, with `senders` as in `openWireBlockAhead`. */
export function openBodyAhead(
  bytes: Uint8Array,
  pooled: Pooled,
  senders: SenderRecovery | undefined,
): OpenedBody | Promise<OpenedBody> {
  const unpacked = unpack(bytes);
  if (unpacked.kind === "invalid") return unpacked;
  return openWireBlockAhead(unpacked.wire, headerHash(unpacked.wire.header), pooled, senders);
}
