// JSON forms of headers, blocks, transactions, receipts and logs, field by field as geth spells them, because
// alloy, viem and ethers are strict about missing and ill-typed ones. Does not read anything.

import type { LocatedLog } from "#chain/history.ts";
import { type Hex, toHex } from "#lib/bytes.ts";
import { encodeHeader, type Header } from "#types/header.ts";
import type { Hash } from "#types/ids.ts";
import type { Receipt } from "#types/receipt.ts";
import {
  type AccessList,
  type Authorization,
  legacyV,
  type SignedTransaction,
  type Transaction,
} from "#types/transaction.ts";

export type JsonObject = Record<string, unknown>;

/** A result that is written already, in a thread or piece by piece: writing a long one at once takes the loop long. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A quantity: hex without leading zeros. */
export function toQuantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

function header(fields: Header, hash: Hash | null): JsonObject {
  const json: JsonObject = {
    number: toQuantity(fields.number),
    hash,
    parentHash: fields.parentHash,
    nonce: toHex(fields.nonce),
    mixHash: fields.mixHash,
    sha3Uncles: fields.ommersHash,
    logsBloom: toHex(fields.logsBloom),
    stateRoot: fields.stateRoot,
    miner: fields.coinbase,
    difficulty: toQuantity(fields.difficulty),
    extraData: toHex(fields.extraData),
    gasLimit: toQuantity(fields.gasLimit),
    gasUsed: toQuantity(fields.gasUsed),
    timestamp: toQuantity(fields.timestamp),
    transactionsRoot: fields.transactionsRoot,
    receiptsRoot: fields.receiptsRoot,
  };
  if (fields.baseFeePerGas !== undefined) json["baseFeePerGas"] = toQuantity(fields.baseFeePerGas);
  if (fields.withdrawalsRoot !== undefined) json["withdrawalsRoot"] = fields.withdrawalsRoot;
  if (fields.blobGasUsed !== undefined) json["blobGasUsed"] = toQuantity(fields.blobGasUsed);
  if (fields.excessBlobGas !== undefined) json["excessBlobGas"] = toQuantity(fields.excessBlobGas);
  if (fields.parentBeaconBlockRoot !== undefined)
    json["parentBeaconBlockRoot"] = fields.parentBeaconBlockRoot;
  if (fields.requestsHash !== undefined) json["requestsHash"] = fields.requestsHash;
  return json;
}

/** What a block is made of; `hash` is undefined for the pending one. */
export interface BlockParts {
  readonly header: Header;
  readonly hash: Hash | undefined;
  readonly transactions: readonly SignedTransaction[];
}

/** A header as `newHeads` and `eth_getHeaderBy*` give it. A pending one has no hash and no nonce. */
export function headerJson(block: Pick<BlockParts, "header" | "hash">): JsonObject {
  const json = header(block.header, block.hash ?? null);
  if (block.hash === undefined) json["nonce"] = null;
  return json;
}

/** Bytes of an RLP item whose payload has `length` bytes and is not a single small byte. */
function rlpLength(length: number): number {
  return length < 56 ? 1 + length : 1 + Math.ceil(length.toString(16).length / 2) + length;
}

/** Bytes of the block in Ethereum's form: rlp([header, transactions, ommers, withdrawals]). */
function blockSize(block: BlockParts): number {
  let transactions = 0;
  for (const { tx, raw } of block.transactions)
    transactions += tx.type === 0 ? raw.length : rlpLength(raw.length);
  const withdrawals = block.header.withdrawalsRoot === undefined ? 0 : 1;
  return rlpLength(encodeHeader(block.header).length + rlpLength(transactions) + 1 + withdrawals);
}

/** A block with its transactions whole or as hashes. */
export function blockJson(block: BlockParts, full: boolean): JsonObject {
  const json = headerJson(block);
  json["size"] = toQuantity(blockSize(block));
  json["uncles"] = [];
  if (block.header.withdrawalsRoot !== undefined) json["withdrawals"] = [];
  const place = block.hash === undefined ? undefined : placeIn(block.header, block.hash);
  json["transactions"] = block.transactions.map((transaction, index) =>
    full ? transactionJson(transaction, place && { ...place, index }) : transaction.hash,
  );
  return json;
}

/** Where a transaction was included. */
export interface Place {
  readonly blockHash: Hash;
  readonly blockNumber: number;
  readonly timestamp: number;
  readonly baseFeePerGas: bigint | undefined;
  readonly index: number;
}

/** The place of a block's transactions, but for their index. */
export function placeIn(fields: Header, hash: Hash): Omit<Place, "index"> {
  return {
    blockHash: hash,
    blockNumber: fields.number,
    timestamp: fields.timestamp,
    baseFeePerGas: fields.baseFeePerGas,
  };
}

/** An access list. */
export function accessListJson(list: AccessList): JsonObject[] {
  return list.map((entry) => ({ address: entry.address, storageKeys: entry.storageKeys }));
}

function authorizationJson(tuple: Authorization): JsonObject {
  return {
    chainId: toQuantity(tuple.chainId),
    address: tuple.address,
    nonce: toQuantity(tuple.nonce),
    yParity: toQuantity(tuple.yParity),
    r: toQuantity(tuple.r),
    s: toQuantity(tuple.s),
  };
}

/** Wei per gas that is paid under `baseFee`; what the sender offers at most without one. */
function gasPriceOf(tx: Transaction, baseFee: bigint | undefined): bigint {
  if (tx.type === 0 || tx.type === 1) return tx.gasPrice;
  if (baseFee === undefined) return tx.maxFeePerGas;
  const capped = tx.maxPriorityFeePerGas + baseFee;
  if (capped < tx.maxFeePerGas) return capped;
  return tx.maxFeePerGas;
}

/** Fields of a transaction that do not depend on where it is: those of its type, with its signature. */
export function transactionFields(tx: Transaction, baseFee: bigint | undefined): JsonObject {
  const { yParity, r, s } = tx.signature;
  const json: JsonObject = {
    type: toQuantity(tx.type),
    nonce: toQuantity(tx.nonce),
    gas: toQuantity(tx.gasLimit),
    gasPrice: toQuantity(gasPriceOf(tx, baseFee)),
    to: tx.to ?? null,
    value: toQuantity(tx.value),
    input: toHex(tx.data),
    r: toQuantity(r),
    s: toQuantity(s),
  };
  if (tx.type === 0) {
    if (tx.chainId !== undefined) json["chainId"] = toQuantity(tx.chainId);
    json["v"] = toQuantity(legacyV(tx));
    return json;
  }
  json["chainId"] = toQuantity(tx.chainId);
  json["accessList"] = accessListJson(tx.accessList);
  json["yParity"] = toQuantity(yParity);
  json["v"] = toQuantity(yParity);
  if (tx.type === 1) return json;
  json["maxFeePerGas"] = toQuantity(tx.maxFeePerGas);
  json["maxPriorityFeePerGas"] = toQuantity(tx.maxPriorityFeePerGas);
  if (tx.type === 3) {
    json["maxFeePerBlobGas"] = toQuantity(tx.maxFeePerBlobGas);
    json["blobVersionedHashes"] = tx.blobVersionedHashes;
  }
  if (tx.type === 4) json["authorizationList"] = tx.authorizationList.map(authorizationJson);
  return json;
}

/** A transaction; without a place it is pending. */
export function transactionJson(transaction: SignedTransaction, place: Place | undefined): JsonObject {
  return {
    ...transactionFields(transaction.tx, place?.baseFeePerGas),
    hash: transaction.hash,
    from: transaction.sender,
    blockHash: place?.blockHash ?? null,
    blockNumber: place === undefined ? null : toQuantity(place.blockNumber),
    blockTimestamp: place === undefined ? null : toQuantity(place.timestamp),
    transactionIndex: place === undefined ? null : toQuantity(place.index),
  };
}

/** A log of a finalized block. */
export function logJson(located: LocatedLog): JsonObject {
  return {
    address: located.log.address,
    topics: located.log.topics,
    data: toHex(located.log.data),
    blockHash: located.block.hash,
    blockNumber: toQuantity(located.block.height),
    blockTimestamp: toQuantity(located.block.timestamp),
    transactionHash: located.transactionHash,
    transactionIndex: toQuantity(located.transactionIndex),
    logIndex: toQuantity(located.logIndex),
    removed: false,
  };
}

/** The logs of one transaction, of which the first has position `firstLog` in its block. */
export function locateLogs(
  block: { readonly header: Header; readonly hash: Hash },
  transaction: SignedTransaction,
  transactionIndex: number,
  receipt: Receipt,
  firstLog: number,
): LocatedLog[] {
  const at = { hash: block.hash, height: block.header.number, timestamp: block.header.timestamp };
  return receipt.logs.map((log, offset) => ({
    log,
    block: at,
    transactionHash: transaction.hash,
    transactionIndex,
    logIndex: firstLog + offset,
  }));
}

/** A receipt; `firstLog` is the position of its first log in the block. */
export function receiptJson(
  block: { readonly header: Header; readonly hash: Hash },
  transaction: SignedTransaction,
  index: number,
  receipt: Receipt,
  firstLog: number,
): JsonObject {
  const json: JsonObject = {
    type: toQuantity(receipt.type),
    status: receipt.status ? "0x1" : "0x0",
    cumulativeGasUsed: toQuantity(receipt.cumulativeGasUsed),
    logs: locateLogs(block, transaction, index, receipt, firstLog).map(logJson),
    logsBloom: toHex(receipt.logsBloom),
    transactionHash: transaction.hash,
    transactionIndex: toQuantity(index),
    blockHash: block.hash,
    blockNumber: toQuantity(block.header.number),
    gasUsed: toQuantity(receipt.gasUsed),
    effectiveGasPrice: toQuantity(receipt.effectiveGasPrice),
    from: transaction.sender,
    to: transaction.tx.to ?? null,
    contractAddress: receipt.contractAddress ?? null,
  };
  if (receipt.blobGasUsed !== undefined) json["blobGasUsed"] = toQuantity(receipt.blobGasUsed);
  if (receipt.blobGasPrice !== undefined) json["blobGasPrice"] = toQuantity(receipt.blobGasPrice);
  return json;
}
