// A block: header and transactions. Bodies carry the wire forms; senders are derived once, elsewhere.

import { decodeRlp, encodeRlp, firstOfRlpList, joinRlpList, rlpBytes, rlpList } from "#lib/rlp.ts";
import { decodeHeader, type Header, headerFromRlp, headerToRlp } from "./header.ts";
import type { Hash } from "./ids.ts";
import type { SignedTransaction } from "./transaction.ts";

/** A block whose hash was computed and whose senders were recovered. */
export interface Block {
  readonly header: Header;
  /** keccak256(rlp(header)): the digest consensus agrees on. */
  readonly hash: Hash;
  readonly transactions: readonly SignedTransaction[];
}

/** A block as it travels: the header and each transaction's wire form. */
export interface WireBlock {
  readonly header: Header;
  readonly transactions: readonly Uint8Array[];
}

/** A block as it travels. */
export function wireOf({ header, transactions }: Block): WireBlock {
  return { header, transactions: transactions.map(({ raw }) => raw) };
}

/** rlp([header, [bytes of each transaction]]): the form in which bodies travel and are kept. */
export function encodeBlock(block: WireBlock): Uint8Array {
  return encodeRlp([headerToRlp(block.header), block.transactions]);
}

/** Decodes a block that spans all of `bytes`; throws BAD_RLP. */
export function decodeBlock(bytes: Uint8Array): WireBlock {
  const [header, transactions] = rlpList(decodeRlp(bytes), 2);
  return {
    header: headerFromRlp(header ?? []),
    transactions: rlpList(transactions).map((item) => rlpBytes(item)),
  };
}

/** The header of a block, of which nothing else is looked at; throws BAD_RLP. */
export function decodeHeaderOfBlock(bytes: Uint8Array): Header {
  return decodeHeader(firstOfRlpList(bytes));
}

/** The wire form of a block whose two halves are at hand as RLP: header, and list of transactions. */
export function joinBlock(header: Uint8Array, body: Uint8Array): Uint8Array {
  return joinRlpList([header, body]);
}
