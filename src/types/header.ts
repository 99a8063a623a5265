// The block header in Ethereum's RLP form (yellow paper 4.4.3 with EIP-1559, 4895, 4844, 4788 and 7685 fields),
// so that keccak256(rlp(header)) is the block hash for every Ethereum tool.
import {
  decodeRlp,
  encodeRlp,
  type RlpItem,
  rlpBigint,
  rlpBytes,
  rlpList,
  rlpNumber,
  rlpUint,
} from "#lib/rlp.ts";
import { type Address, address, bytesOf, type Hash, type Height, hash, height } from "./ids.ts";

export interface Header {
  readonly parentHash: Hash;
  readonly ommersHash: Hash;
  readonly coinbase: Address;
  /** QMDB root of the state after this block. */
  readonly stateRoot: Hash;
  readonly transactionsRoot: Hash;
  readonly receiptsRoot: Hash;
  /** 256 bytes. */
  readonly logsBloom: Uint8Array;
  readonly difficulty: bigint;
  readonly number: Height;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  /** Epoch, view, parent view, 8 bytes each (R3); free at genesis. */
  readonly extraData: Uint8Array;
  /** prevrandao (R13). */
  readonly mixHash: Hash;
  /** 8 bytes, zero. */
  readonly nonce: Uint8Array;
  /** Wei per gas; absent before London. */
  readonly baseFeePerGas?: bigint;
  /** Absent before Shanghai. */
  readonly withdrawalsRoot?: Hash;
  /** Absent before Cancun. */
  readonly blobGasUsed?: bigint;
  readonly excessBlobGas?: bigint;
  readonly parentBeaconBlockRoot?: Hash;
  /** Absent before Prague. */
  readonly requestsHash?: Hash;
}

const REQUIRED_FIELDS = 15;
const ALL_FIELDS = 21;

/** The header as an RLP list. */
export function headerToRlp(header: Header): RlpItem {
  const items: Uint8Array[] = [
    bytesOf(header.parentHash),
    bytesOf(header.ommersHash),
    bytesOf(header.coinbase),
    bytesOf(header.stateRoot),
    bytesOf(header.transactionsRoot),
    bytesOf(header.receiptsRoot),
    header.logsBloom,
    rlpUint(header.difficulty),
    rlpUint(header.number),
    rlpUint(header.gasLimit),
    rlpUint(header.gasUsed),
    rlpUint(header.timestamp),
    header.extraData,
    bytesOf(header.mixHash),
    header.nonce,
  ];
  if (header.baseFeePerGas !== undefined) items.push(rlpUint(header.baseFeePerGas));
  if (header.withdrawalsRoot !== undefined) items.push(bytesOf(header.withdrawalsRoot));
  if (header.blobGasUsed !== undefined) items.push(rlpUint(header.blobGasUsed));
  if (header.excessBlobGas !== undefined) items.push(rlpUint(header.excessBlobGas));
  if (header.parentBeaconBlockRoot !== undefined) items.push(bytesOf(header.parentBeaconBlockRoot));
  if (header.requestsHash !== undefined) items.push(bytesOf(header.requestsHash));
  return items;
}

/** Canonical RLP of the header. */
export function encodeHeader(header: Header): Uint8Array {
  return encodeRlp(headerToRlp(header));
}

/** The header of an RLP list; throws BAD_RLP for anything that would not encode back to the same bytes. */
export function headerFromRlp(item: RlpItem): Header {
  const list = rlpList(item);
  if (list.length < REQUIRED_FIELDS || list.length > ALL_FIELDS || list.length === 18 || list.length === 19) {
    rlpList(item, ALL_FIELDS);
  }
  const has = (index: number): boolean => list.length > index;
  return {
    parentHash: hash(rlpBytes(list[0], 32)),
    ommersHash: hash(rlpBytes(list[1], 32)),
    coinbase: address(rlpBytes(list[2], 20)),
    stateRoot: hash(rlpBytes(list[3], 32)),
    transactionsRoot: hash(rlpBytes(list[4], 32)),
    receiptsRoot: hash(rlpBytes(list[5], 32)),
    logsBloom: rlpBytes(list[6], 256),
    difficulty: rlpBigint(list[7]),
    number: height(rlpNumber(list[8])),
    gasLimit: rlpBigint(list[9], 8),
    gasUsed: rlpBigint(list[10], 8),
    timestamp: rlpNumber(list[11]),
    extraData: rlpBytes(list[12]),
    mixHash: hash(rlpBytes(list[13], 32)),
    nonce: rlpBytes(list[14], 8),
    ...(has(15) && { baseFeePerGas: rlpBigint(list[15]) }),
    ...(has(16) && { withdrawalsRoot: hash(rlpBytes(list[16], 32)) }),
    ...(has(17) && { blobGasUsed: rlpBigint(list[17], 8) }),
    ...(has(18) && { excessBlobGas: rlpBigint(list[18], 8) }),
    ...(has(19) && { parentBeaconBlockRoot: hash(rlpBytes(list[19], 32)) }),
    ...(has(20) && { requestsHash: hash(rlpBytes(list[20], 32)) }),
  };
}

/** Decodes a header that spans all of `bytes`. */
export function decodeHeader(bytes: Uint8Array): Header {
  return headerFromRlp(decodeRlp(bytes));
}

export const ZERO_NONCE: Uint8Array = new Uint8Array(8);
