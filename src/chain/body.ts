// Opens a block that came as bytes: hashes it, sees that its transactions are the header's, and finds the senders of
// those that were not opened before. What is wrong with the body is a verdict about it, never an exception.
import { headerHash, openTransaction } from "#crypto/digest.ts";
import { keccakHash } from "#crypto/hash.ts";
import { MIN_BATCH, type SenderRecovery } from "#crypto/recovery.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import { KoraError } from "#lib/error.ts";
import { type Block, decodeBlock, type WireBlock } from "#types/block.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { OpenedTransactions } from "./opened.ts";

export type OpenedBody =
  | { readonly kind: "opened"; readonly block: Block }
  | { readonly kind: "invalid"; readonly reason: string };

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

type Known = (hash: Hash) => SignedTransaction | undefined;

/** A block that holds together, with its hash and those of its transactions. */
interface HashedBlock {
  readonly wire: WireBlock;
  readonly hash: Hash;
  readonly hashes: readonly Hash[];
}

function hashed(wire: WireBlock, hash: Hash): HashedBlock {
  return { wire, hash, hashes: wire.transactions.map(keccakHash) };
}

/** Opens a block; what `known` does not know is opened here. */
function openWith(
  { wire, hash, hashes }: HashedBlock,
  known: Known,
  { add }: OpenedTransactions,
): OpenedBody {
  return judged((): OpenedBody => {
    const { header, transactions: raws } = wire;
    const transactions: SignedTransaction[] = [];
    for (const [index, raw] of raws.entries()) {
      let signed = known(hashes[index] as Hash);
      if (signed === undefined) {
        signed = openTransaction(raw);
        if (signed === undefined) return invalid(`transaction ${index} has no valid signature`);
        add(signed);
      }
      transactions.push(signed);
    }
    return { kind: "opened", block: { header, hash, transactions } };
  });
}

/**
 * Opens a block that holds together, whose hash is known. Where much of it was not opened before, its senders are found
 * by `senders`, so that nothing else waits for them: then the answer is a promise.
 */
export function openWireBlock(
  wire: WireBlock,
  hash: Hash,
  before: OpenedTransactions,
  senders: SenderRecovery | undefined,
): OpenedBody | Promise<OpenedBody> {
  const block = hashed(wire, hash);
  const unknown =
    senders === undefined
      ? []
      : wire.transactions.filter((_, index) => before.get(block.hashes[index] as Hash) === undefined);
  if (senders === undefined || unknown.length < MIN_BATCH) return openWith(block, before.get, before);
  return senders.open(unknown, "block").then((opened) => {
    // Beside `before`, which may forget some of many.
    const found = new Map<Hash, SignedTransaction>();
    for (const each of opened) {
      if (each.kind !== "opened") continue;
      found.set(each.signed.hash, each.signed);
      before.add(each.signed);
    }
    return openWith(block, (each) => found.get(each) ?? before.get(each), before);
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
export function openBody(bytes: Uint8Array, before: OpenedTransactions): OpenedBody {
  const unpacked = unpack(bytes);
  if (unpacked.kind === "invalid") return unpacked;
  const { wire } = unpacked;
  return openWith(hashed(wire, headerHash(wire.header)), before.get, before);
}

/** As `openBody`, with `senders` as in `openWireBlock`. */
export function openBodyAhead(
  bytes: Uint8Array,
  before: OpenedTransactions,
  senders: SenderRecovery | undefined,
): OpenedBody | Promise<OpenedBody> {
  const unpacked = unpack(bytes);
  if (unpacked.kind === "invalid") return unpacked;
  const { wire } = unpacked;
  return openWireBlock(wire, headerHash(wire.header), before, senders);
}
