// Transactions of all five types as plain data (EIP-155, 2718, 2930, 1559, 4844, 7702) and their wire form.
// Decoding is strict and total; whether a transaction may be executed is decided elsewhere.
import { concatBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpBigint, rlpBytes, rlpList, rlpUint } from "#lib/rlp.ts";
import { type Address, address, bytesOf, type Hash, hash } from "./ids.ts";

export interface AccessListEntry {
  readonly address: Address;
  readonly storageKeys: readonly Hash[];
}
export type AccessList = readonly AccessListEntry[];

export interface Signature {
  /** 0 or 1. */
  readonly yParity: number;
  readonly r: bigint;
  readonly s: bigint;
}

/** A signed permission to set an account's code (EIP-7702). Ranges are wider than valid: bad tuples are skipped. */
export interface Authorization {
  readonly chainId: bigint;
  readonly address: Address;
  readonly nonce: bigint;
  readonly yParity: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

interface Common {
  readonly nonce: bigint;
  readonly gasLimit: bigint;
  /** Undefined creates a contract. */
  readonly to: Address | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly signature: Signature;
}
interface Typed extends Common {
  readonly chainId: bigint;
  readonly accessList: AccessList;
}
interface FeeMarket extends Typed {
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
}

export interface LegacyTransaction extends Common {
  readonly type: 0;
  /** Undefined without replay protection (before EIP-155). */
  readonly chainId: bigint | undefined;
  readonly gasPrice: bigint;
}
export interface AccessListTransaction extends Typed {
  readonly type: 1;
  readonly gasPrice: bigint;
}
export interface DynamicFeeTransaction extends FeeMarket {
  readonly type: 2;
}
export interface BlobTransaction extends FeeMarket {
  readonly type: 3;
  readonly to: Address;
  readonly maxFeePerBlobGas: bigint;
  readonly blobVersionedHashes: readonly Hash[];
}
export interface SetCodeTransaction extends FeeMarket {
  readonly type: 4;
  readonly to: Address;
  readonly authorizationList: readonly Authorization[];
}

export type Transaction =
  | LegacyTransaction
  | AccessListTransaction
  | DynamicFeeTransaction
  | BlobTransaction
  | SetCodeTransaction;

/** A transaction with what deriving it once has cost: its bytes, hash and sender. */
export interface SignedTransaction {
  readonly tx: Transaction;
  /** Wire form without a blob sidecar, as a block holds it. */
  readonly raw: Uint8Array;
  readonly hash: Hash;
  readonly sender: Address;
}

function bad(why: string): KoraError {
  return new KoraError(`malformed transaction: ${why}`, { code: "BAD_TRANSACTION" });
}

function accessListToRlp(list: AccessList): RlpItem {
  return list.map((entry) => [bytesOf(entry.address), entry.storageKeys.map(bytesOf)]);
}

function accessListFromRlp(item: RlpItem | undefined): AccessList {
  return rlpList(item).map((entry) => {
    const [target, keys] = rlpList(entry, 2);
    return {
      address: address(rlpBytes(target, 20)),
      storageKeys: rlpList(keys).map((key) => hash(rlpBytes(key, 32))),
    };
  });
}

function authorizationToRlp(tuple: Authorization): RlpItem {
  return [
    rlpUint(tuple.chainId),
    bytesOf(tuple.address),
    rlpUint(tuple.nonce),
    rlpUint(tuple.yParity),
    rlpUint(tuple.r),
    rlpUint(tuple.s),
  ];
}

function authorizationFromRlp(item: RlpItem): Authorization {
  const [chainId, target, nonce, yParity, r, s] = rlpList(item, 6);
  return {
    chainId: rlpBigint(chainId),
    address: address(rlpBytes(target, 20)),
    nonce: rlpBigint(nonce, 8),
    yParity: rlpBigint(yParity, 1),
    r: rlpBigint(r),
    s: rlpBigint(s),
  };
}

const toField = (to: Address | undefined): Uint8Array => (to === undefined ? EMPTY_BYTES : bytesOf(to));

/** The fields of a transaction without its signature, in wire order. */
function payload(tx: Transaction): RlpItem[] {
  const { nonce, gasLimit, to, value, data } = tx;
  const tail: RlpItem[] = [rlpUint(gasLimit), toField(to), rlpUint(value), data];
  switch (tx.type) {
    case 0:
      return [rlpUint(nonce), rlpUint(tx.gasPrice), ...tail];
    case 1:
      return [
        rlpUint(tx.chainId),
        rlpUint(nonce),
        rlpUint(tx.gasPrice),
        ...tail,
        accessListToRlp(tx.accessList),
      ];
    default: {
      const head = [
        rlpUint(tx.chainId),
        rlpUint(nonce),
        rlpUint(tx.maxPriorityFeePerGas),
        rlpUint(tx.maxFeePerGas),
      ];
      const common = [...head, ...tail, accessListToRlp(tx.accessList)];
      if (tx.type === 3) {
        return [...common, rlpUint(tx.maxFeePerBlobGas), tx.blobVersionedHashes.map(bytesOf)];
      }
      return tx.type === 4 ? [...common, tx.authorizationList.map(authorizationToRlp)] : common;
    }
  }
}

/** V of a legacy transaction: 27 + yParity, or chainId · 2 + 35 + yParity (EIP-155). */
export function legacyV(tx: LegacyTransaction): bigint {
  const parity = BigInt(tx.signature.yParity);
  return tx.chainId === undefined ? 27n + parity : tx.chainId * 2n + 35n + parity;
}

/** The bytes whose keccak256 the sender signed. */
export function signingPayload(tx: Transaction): Uint8Array {
  if (tx.type !== 0) return concatBytes(Uint8Array.of(tx.type), encodeRlp(payload(tx)));
  const fields = payload(tx);
  if (tx.chainId !== undefined) fields.push(rlpUint(tx.chainId), EMPTY_BYTES, EMPTY_BYTES);
  return encodeRlp(fields);
}

/** The wire form: what the transaction hash and the transactions trie are made of. */
export function encodeTransaction(tx: Transaction): Uint8Array {
  const { yParity, r, s } = tx.signature;
  const fields = payload(tx);
  fields.push(tx.type === 0 ? rlpUint(legacyV(tx)) : rlpUint(yParity), rlpUint(r), rlpUint(s));
  const body = encodeRlp(fields);
  return tx.type === 0 ? body : concatBytes(Uint8Array.of(tx.type), body);
}

function toFromRlp(item: RlpItem | undefined): Address | undefined {
  const bytes = rlpBytes(item);
  return bytes.length === 0 ? undefined : address(rlpBytes(item, 20));
}

function required(to: Address | undefined): Address {
  if (to === undefined) throw bad("this type of transaction cannot create a contract");
  return to;
}

function decodeLegacy(bytes: Uint8Array): LegacyTransaction {
  const [nonce, gasPrice, gasLimit, to, value, data, v, r, s] = rlpList(decodeRlp(bytes), 9);
  const vValue = rlpBigint(v);
  const protectedV = vValue >= 35n;
  if (!protectedV && vValue !== 27n && vValue !== 28n) throw bad(`v is ${vValue}`);
  return {
    type: 0,
    chainId: protectedV ? (vValue - 35n) / 2n : undefined,
    nonce: rlpBigint(nonce, 8),
    gasPrice: rlpBigint(gasPrice),
    gasLimit: rlpBigint(gasLimit, 8),
    to: toFromRlp(to),
    value: rlpBigint(value),
    data: rlpBytes(data),
    signature: {
      yParity: Number(protectedV ? (vValue - 35n) % 2n : vValue - 27n),
      r: rlpBigint(r),
      s: rlpBigint(s),
    },
  };
}

function decodeSignature(fields: readonly RlpItem[]): Signature {
  const [yParity, r, s] = fields;
  const parity = rlpBigint(yParity, 1);
  if (parity > 1n) throw bad(`yParity is ${parity}`);
  return { yParity: Number(parity), r: rlpBigint(r), s: rlpBigint(s) };
}

function decodeAccessListTransaction(bytes: Uint8Array): AccessListTransaction {
  const f = rlpList(decodeRlp(bytes), 11);
  return {
    type: 1,
    chainId: rlpBigint(f[0], 8),
    nonce: rlpBigint(f[1], 8),
    gasPrice: rlpBigint(f[2]),
    gasLimit: rlpBigint(f[3], 8),
    to: toFromRlp(f[4]),
    value: rlpBigint(f[5]),
    data: rlpBytes(f[6]),
    accessList: accessListFromRlp(f[7]),
    signature: decodeSignature(f.slice(8)),
  };
}

const FEE_MARKET_FIELDS: Record<2 | 3 | 4, number> = { 2: 12, 3: 14, 4: 13 };

function decodeFeeMarket(type: 2 | 3 | 4, bytes: Uint8Array): Transaction {
  const f = rlpList(decodeRlp(bytes), FEE_MARKET_FIELDS[type]);
  const common = {
    chainId: rlpBigint(f[0], 8),
    nonce: rlpBigint(f[1], 8),
    maxPriorityFeePerGas: rlpBigint(f[2]),
    maxFeePerGas: rlpBigint(f[3]),
    gasLimit: rlpBigint(f[4], 8),
    value: rlpBigint(f[6]),
    data: rlpBytes(f[7]),
    accessList: accessListFromRlp(f[8]),
    signature: decodeSignature(f.slice(-3)),
  };
  const to = toFromRlp(f[5]);
  if (type === 2) return { ...common, type, to };
  if (type === 3) {
    const blobVersionedHashes = rlpList(f[10]).map((item) => hash(rlpBytes(item, 32)));
    return { ...common, type, to: required(to), maxFeePerBlobGas: rlpBigint(f[9]), blobVersionedHashes };
  }
  return { ...common, type, to: required(to), authorizationList: rlpList(f[9]).map(authorizationFromRlp) };
}

/** Decodes the wire form that spans all of `bytes`; throws BAD_RLP or BAD_TRANSACTION. */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  const first = bytes[0];
  if (first === undefined) throw bad("empty input");
  if (first >= 0xc0) return decodeLegacy(bytes);
  const body = bytes.subarray(1);
  if (first === 1) return decodeAccessListTransaction(body);
  if (first === 2 || first === 3 || first === 4) return decodeFeeMarket(first, body);
  throw bad(`transaction type not supported: ${first}`);
}

const NO_ACCESS_LIST: AccessList = [];
const NO_HASHES: readonly Hash[] = [];
const NO_AUTHORIZATIONS: readonly Authorization[] = [];

/** Most wei per gas that the sender will pay. */
export function feeCapOf(tx: Transaction): bigint {
  return tx.type === 0 || tx.type === 1 ? tx.gasPrice : tx.maxFeePerGas;
}

/** Most wei per gas that the sender will pay above the base fee. */
export function tipCapOf(tx: Transaction): bigint {
  return tx.type === 0 || tx.type === 1 ? tx.gasPrice : tx.maxPriorityFeePerGas;
}

/** Wei per gas actually paid at a base fee that the fee cap covers (EIP-1559). */
export function effectiveGasPrice(feeCap: bigint, tipCap: bigint, baseFeePerGas: bigint): bigint {
  const wanted = tipCap + baseFeePerGas;
  return wanted < feeCap ? wanted : feeCap;
}

/** The access list; empty for types without one. */
export function accessListOf(tx: Transaction): AccessList {
  return tx.type === 0 ? NO_ACCESS_LIST : tx.accessList;
}

/** Versioned hashes of the blobs; empty for types without them. */
export function blobHashesOf(tx: Transaction): readonly Hash[] {
  return tx.type === 3 ? tx.blobVersionedHashes : NO_HASHES;
}

/** Authorizations of EIP-7702; empty for types without them. */
export function authorizationsOf(tx: Transaction): readonly Authorization[] {
  return tx.type === 4 ? tx.authorizationList : NO_AUTHORIZATIONS;
}
