// How receipts are kept beside their block: with each sender, without blooms (they follow from the logs), behind an
// offset table so that one receipt is read without decoding the others. Not the consensus encoding.
import { createBlooms } from "#execution/bloom.ts";
import { bigintToBytes, bytesToBigint } from "#lib/bytes.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, address, bytesOf, hash } from "#types/ids.ts";
import type { Log, Receipt } from "#types/receipt.ts";
import type { SignedTransaction } from "#types/transaction.ts";

const FORMAT = 1;
const HEADER_BYTES = 5;
/** The sender of a stored receipt comes after its type and status. */
const SENDER_OFFSET = 2;
const MAX_LOGS = 1_000_000;
const MAX_LOG_BYTES: number = 64 * 1024 * 1024;

function writeLog(writer: Writer, log: Log): void {
  writer.raw(bytesOf(log.address)).u8(log.topics.length);
  for (const topic of log.topics) writer.raw(bytesOf(topic));
  writer.bytes(log.data);
}

function readLog(reader: Reader): Log {
  const at = address(reader.raw(20));
  const topics = Array.from({ length: reader.u8() }, () => hash(reader.raw(32)));
  return { address: at, topics, data: reader.bytes(MAX_LOG_BYTES) };
}

const word = (value: bigint): Uint8Array => bigintToBytes(value);

function encodeOne(receipt: Receipt, sender: Address): Uint8Array {
  const writer = new Writer(128)
    .u8(receipt.type)
    .u8(receipt.status ? 1 : 0)
    .raw(bytesOf(sender));
  writer.bytes(word(receipt.cumulativeGasUsed)).bytes(word(receipt.gasUsed));
  writer.bytes(word(receipt.effectiveGasPrice));
  if (receipt.contractAddress === undefined) writer.u8(0);
  else writer.u8(1).raw(bytesOf(receipt.contractAddress));
  if (receipt.blobGasUsed === undefined || receipt.blobGasPrice === undefined) writer.u8(0);
  else writer.u8(1).bytes(word(receipt.blobGasUsed)).bytes(word(receipt.blobGasPrice));
  writer.u32(receipt.logs.length);
  for (const log of receipt.logs) writeLog(writer, log);
  return writer.finish();
}

/** A receipt as stored, with who sent its transaction. */
export interface StoredReceipt {
  readonly receipt: Receipt;
  readonly sender: Address;
}

function decodeOne(bytes: Uint8Array): StoredReceipt {
  const reader = new Reader(bytes);
  const type = reader.u8();
  const status = reader.u8() === 1;
  const sender = address(reader.raw(20));
  const cumulativeGasUsed = bytesToBigint(reader.bytes(32));
  const gasUsed = bytesToBigint(reader.bytes(32));
  const effectiveGasPrice = bytesToBigint(reader.bytes(32));
  const contractAddress = reader.u8() === 0 ? undefined : address(reader.raw(20));
  const blob =
    reader.u8() === 0
      ? undefined
      : {
          blobGasUsed: bytesToBigint(reader.bytes(32)),
          blobGasPrice: bytesToBigint(reader.bytes(32)),
        };
  const logs = Array.from({ length: reader.count(MAX_LOGS) }, () => readLog(reader));
  reader.end();
  const logsBloom = new Uint8Array(256);
  createBlooms().add(logsBloom, logs);
  return {
    sender,
    receipt: {
      type,
      status,
      cumulativeGasUsed,
      logsBloom,
      logs,
      gasUsed,
      effectiveGasPrice,
      ...(contractAddress !== undefined && { contractAddress }),
      ...blob,
    },
  };
}

/** Stored form of a block's receipts; `transactions` in the same order. */
export function encodeReceipts(
  receipts: readonly Receipt[],
  transactions: readonly SignedTransaction[],
): Uint8Array {
  const items = receipts.map((receipt, i) =>
    encodeOne(receipt, (transactions[i] as SignedTransaction).sender),
  );
  const writer = new Writer(HEADER_BYTES + items.reduce((sum, item) => sum + item.length + 4, 0));
  writer.u8(FORMAT).u32(items.length);
  let end = 0;
  for (const item of items) {
    end += item.length;
    writer.u32(end);
  }
  for (const item of items) writer.raw(item);
  return writer.finish();
}

/** Random access to a block's stored receipts. Bad bytes are corruption: BAD_RECEIPTS or BAD_ENCODING. */
export interface StoredReceipts {
  readonly count: number;
  at(index: number): StoredReceipt;
  /** Only who sent the transaction. */
  senderAt(index: number): Address;
}

/** Opens the stored form; nothing is decoded until asked for. */
export function openReceipts(bytes: Uint8Array): StoredReceipts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) {
    throw new KoraError("stored receipts are damaged", { code: "BAD_RECEIPTS", kind: "safety" });
  }
  const count = view.getUint32(1);
  const start = HEADER_BYTES + 4 * count;
  const end = (index: number): number => (index < 0 ? 0 : view.getUint32(HEADER_BYTES + 4 * index));
  return {
    count,
    at: (index) => decodeOne(bytes.subarray(start + end(index - 1), start + end(index))),
    senderAt(index) {
      const at = start + end(index - 1) + SENDER_OFFSET;
      return address(bytes.subarray(at, at + 20));
    },
  };
}
