// The wire form of a block, from its parts and from its two encoded halves.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeRlp } from "#lib/rlp.ts";
import { decodeBlock, encodeBlock, joinBlock } from "#types/block.ts";
import { encodeHeader, type Header } from "#types/header.ts";
import { EMPTY_OMMERS_HASH, EMPTY_TRIE_ROOT, height, ZERO_ADDRESS, ZERO_HASH } from "#types/ids.ts";

const header: Header = {
  parentHash: ZERO_HASH,
  ommersHash: EMPTY_OMMERS_HASH,
  coinbase: ZERO_ADDRESS,
  stateRoot: ZERO_HASH,
  transactionsRoot: EMPTY_TRIE_ROOT,
  receiptsRoot: EMPTY_TRIE_ROOT,
  logsBloom: new Uint8Array(256),
  difficulty: 0n,
  number: height(7),
  gasLimit: 30_000_000n,
  gasUsed: 0n,
  timestamp: 1_700_000_000,
  extraData: new Uint8Array(24),
  mixHash: ZERO_HASH,
  nonce: new Uint8Array(8),
  baseFeePerGas: 1n,
};

test("a block reads back, and its halves join to the same bytes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 8 }),
      (transactions) => {
        const bytes = encodeBlock({ header, transactions });
        expect(decodeBlock(bytes)).toEqual({ header, transactions });
        expect(joinBlock(encodeHeader(header), encodeRlp(transactions))).toEqual(bytes);
      },
    ),
  );
});

test("what is no block is refused", () => {
  const bytes = encodeBlock({ header, transactions: [] });
  for (let cut = 0; cut < bytes.length; cut += 37) {
    expect(() => decodeBlock(bytes.subarray(0, cut))).toThrow("malformed RLP");
  }
  expect(() => decodeBlock(new Uint8Array([...bytes, 0]))).toThrow("malformed RLP");
});
