// The read side of the finalized chain: blocks, receipts, transactions and logs, decoded from what the store keeps.
// Knows nothing of what is not final.
import { keccakHash } from "#crypto/hash.ts";
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { decodeRlp, rlpBytes, rlpList } from "#lib/rlp.ts";
import type { Archive, LogQuery, StoredBlock } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { decodeHeader } from "#types/header.ts";
import type { Address, Hash, Height } from "#types/ids.ts";
import type { Log, Receipt } from "#types/receipt.ts";
import { decodeTransaction } from "#types/transaction.ts";
import { createFinalHashes } from "./hashes.ts";
import { openReceipts, type StoredReceipts } from "./receipts-codec.ts";

/** A log with its place in the chain. */
export interface LocatedLog {
  readonly log: Log;
  readonly block: { readonly hash: Hash; readonly height: Height; readonly timestamp: number };
  readonly transactionHash: Hash;
  readonly transactionIndex: number;
  /** Position within the block. */
  readonly logIndex: number;
}

/** A log query with a bound on what its answer weighs: a few logs can hold megabytes each. */
export interface WeighedLogQuery extends LogQuery {
  /** Bytes of log data: the log that passes them is the last one. */
  readonly maxDataBytes: number;
}

export interface History {
  block(height: Height): Block | undefined;
  /** The block's hash, without decoding the block. */
  hashAt(height: Height): Hash | undefined;
  heightOf(hash: Hash): Height | undefined;
  receipts(height: Height): readonly Receipt[] | undefined;
  /** One receipt, without decoding the others. */
  receipt(height: Height, index: number): Receipt | undefined;
  transaction(hash: Hash): { readonly height: Height; readonly index: number } | undefined;
  transactionBySender(sender: Address, nonce: bigint): Hash | undefined;
  /** At most `limit` + 1 results, in order; the rest is left out where the data passes its bound. */
  logs(query: WeighedLogQuery): readonly LocatedLog[];
  certificate(height: Height): Uint8Array | undefined;
  oldestState(): Height;
  /** Forgets decoded blocks, after a rollback. */
  clear(): void;
}

/** Stored bytes of the blocks whose decoded form is kept; decoded, small blocks take about eight times that. */
const DECODED_BLOCKS_BYTES: number = 4 * 1024 * 1024;
/** Blocks of that kind: no header is shorter than half a kilobyte. */
const MAX_DECODED_BLOCKS: number = DECODED_BLOCKS_BYTES / 512;

interface Decoded {
  readonly block: Block;
  readonly stored: StoredReceipts;
  readonly bytes: number;
  receipts: readonly Receipt[] | undefined;
  /** Position in the block of each transaction's first log. */
  firstLogs: readonly number[] | undefined;
}

function decode(stored: StoredBlock): Decoded {
  const receipts = openReceipts(stored.receipts);
  const wires = rlpList(decodeRlp(stored.body)).map((item) => rlpBytes(item));
  assert(wires.length === receipts.count, "a stored block has a receipt for each transaction");
  const transactions = wires.map((raw, index) => ({
    raw,
    tx: decodeTransaction(raw),
    hash: keccakHash(raw),
    sender: receipts.senderAt(index),
  }));
  const bytes = stored.header.length + stored.body.length + stored.receipts.length;
  const block = { header: decodeHeader(stored.header), hash: stored.hash, transactions };
  return { block, stored: receipts, bytes, receipts: undefined, firstLogs: undefined };
}

function allReceipts(decoded: Decoded): readonly Receipt[] {
  decoded.receipts ??= Array.from(
    { length: decoded.stored.count },
    (_, index) => decoded.stored.at(index).receipt,
  );
  return decoded.receipts;
}

function firstLogs(decoded: Decoded): readonly number[] {
  if (decoded.firstLogs !== undefined) return decoded.firstLogs;
  let next = 0;
  const first = allReceipts(decoded).map(({ logs }) => {
    next += logs.length;
    return next - logs.length;
  });
  decoded.firstLogs = first;
  return first;
}

/** The history that an archive holds. */
export function createHistory(archive: Archive): History {
  const decoded = createLru<Height, Decoded>(MAX_DECODED_BLOCKS, {
    of: ({ bytes }) => bytes,
    most: DECODED_BLOCKS_BYTES,
    spared: 1,
  });
  const at = (height: Height): Decoded | undefined => {
    const known = decoded.get(height);
    if (known !== undefined) return known;
    const stored = archive.block(height);
    if (stored === undefined) return undefined;
    const made = decode(stored);
    decoded.set(height, made);
    return made;
  };
  const hashes = createFinalHashes(archive);
  const locate = (height: Height, transactionIndex: number, logIndex: number): LocatedLog => {
    const found = at(height);
    const receipt = found && allReceipts(found)[transactionIndex];
    const first = found && firstLogs(found)[transactionIndex];
    const log = first === undefined ? undefined : receipt?.logs[logIndex - first];
    const transaction = found?.block.transactions[transactionIndex];
    assert(found !== undefined && log !== undefined && transaction !== undefined, "an indexed log is stored");
    const { hash, header } = found.block;
    return {
      log,
      block: { hash, height, timestamp: header.timestamp },
      transactionHash: transaction.hash,
      transactionIndex,
      logIndex,
    };
  };
  return {
    block: (height) => at(height)?.block,
    hashAt: hashes.at,
    heightOf: (hash) => archive.heightOf(hash),
    receipts(height) {
      const found = at(height);
      return found === undefined ? undefined : allReceipts(found);
    },
    receipt(height, index) {
      const found = at(height);
      if (found === undefined || index >= found.stored.count) return undefined;
      return found.receipts?.[index] ?? found.stored.at(index).receipt;
    },
    transaction: (hash) => archive.transaction(hash),
    transactionBySender: (sender, nonce) => archive.transactionBySender(sender, nonce),
    logs(query) {
      const found: LocatedLog[] = [];
      let room = query.maxDataBytes;
      for (const { height, transactionIndex, logIndex } of archive.logs(query)) {
        const located = locate(height, transactionIndex, logIndex);
        found.push(located);
        room -= located.log.data.length;
        if (room < 0) break;
      }
      return found;
    },
    certificate: (height) => archive.block(height)?.certificate,
    oldestState: () => archive.oldestState(),
    clear() {
      decoded.clear();
      hashes.clear();
    },
  };
}
