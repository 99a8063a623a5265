// What the store keeps of a block: the row and what its indexes are built from. Only the shape; committing it is
// the finalization's business.
import { encodeRlp } from "#lib/rlp.ts";
import type { BlockRecord, IndexRows, LogRow, TransactionRow } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { encodeHeader } from "#types/header.ts";
import type { Receipt } from "#types/receipt.ts";
import { encodeReceipts } from "./receipts-codec.ts";

/** What is kept with a block beside its content. */
export interface RecordExtras {
  readonly certificate: Uint8Array | undefined;
  readonly seed: Uint8Array | undefined;
  readonly inputs: Uint8Array | undefined;
}

function logRows(receipts: readonly Receipt[]): readonly LogRow[] {
  const rows: LogRow[] = [];
  receipts.forEach((receipt, transactionIndex) => {
    for (const { address, topics } of receipt.logs) {
      rows.push({ transactionIndex, logIndex: rows.length, address, topics });
    }
  });
  return rows;
}

/** What the indexes hold of a block. */
export function rowsOf({ transactions }: Block, receipts: readonly Receipt[]): IndexRows {
  return {
    transactions: transactions.map(
      ({ hash: id, sender, tx }, i): TransactionRow => ({
        hash: id,
        sender,
        to: tx.to,
        created: receipts[i]?.contractAddress,
        nonce: tx.nonce,
      }),
    ),
    logs: logRows(receipts),
  };
}

/** The record of an executed block. */
export function recordOf(block: Block, receipts: readonly Receipt[], extras: RecordExtras): BlockRecord {
  const { header, hash, transactions } = block;
  return {
    height: header.number,
    hash,
    parentHash: header.parentHash,
    stateRoot: header.stateRoot,
    timestamp: header.timestamp,
    header: encodeHeader(header),
    body: encodeRlp(transactions.map(({ raw }) => raw)),
    receipts: encodeReceipts(receipts, transactions),
    ...extras,
    ...rowsOf(block, receipts),
  };
}
