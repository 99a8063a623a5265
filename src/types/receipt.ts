// Receipts and logs, with the consensus encoding that the receipts trie commits to (EIP-2718, EIP-658).
import { concatBytes } from "#lib/bytes.ts";
import { encodeRlp, type RlpItem, rlpUint } from "#lib/rlp.ts";
import { type Address, bytesOf, type Hash } from "./ids.ts";

export interface Log {
  readonly address: Address;
  readonly topics: readonly Hash[];
  readonly data: Uint8Array;
}

export interface Receipt {
  readonly type: number;
  /** True when the transaction succeeded. */
  readonly status: boolean;
  /** Gas used in the block up to and including this transaction. */
  readonly cumulativeGasUsed: bigint;
  /** 256 bytes. */
  readonly logsBloom: Uint8Array;
  readonly logs: readonly Log[];
  readonly gasUsed: bigint;
  /** Wei per gas that was paid. */
  readonly effectiveGasPrice: bigint;
  readonly contractAddress?: Address;
  readonly blobGasUsed?: bigint;
  readonly blobGasPrice?: bigint;
}

/** A log as an RLP list. */
export function logToRlp(log: Log): RlpItem {
  return [bytesOf(log.address), log.topics.map(bytesOf), log.data];
}

/** The consensus form of a receipt: what the receipts trie holds. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const body = encodeRlp([
    rlpUint(receipt.status ? 1 : 0),
    rlpUint(receipt.cumulativeGasUsed),
    receipt.logsBloom,
    receipt.logs.map(logToRlp),
  ]);
  return receipt.type === 0 ? body : concatBytes(Uint8Array.of(receipt.type), body);
}
