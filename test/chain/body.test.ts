// A body as it comes from a peer: its digest is a header's hash, so it counts only with the header's own transactions.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { openBody } from "#chain/body.ts";
import { type Block, encodeBlock } from "#types/block.ts";
import { openTestChain, transfer } from "../support/chain.ts";

const chain = openTestChain();
const signed = [0, 1].map((nonce) => transfer({ from: 1, nonce }));
const raws = signed.map(({ raw }) => raw);
let block: Block;
beforeAll(async () => {
  for (const raw of raws) await chain.service.submitTx(raw);
  block = await chain.produce();
});
afterAll(() => chain.close());

const open = (transactions: readonly Uint8Array[]) =>
  openBody(encodeBlock({ header: block.header, transactions }), () => undefined);

test("a body with its header's transactions opens", () => {
  expect(open(raws)).toEqual({ kind: "opened", block });
});

test.each([
  ["without one", [raws[0]!]],
  ["without any", []],
  ["in another order", raws.toReversed()],
  ["with one more", [...raws, transfer({ from: 2, nonce: 0 }).raw]],
  ["with another", [raws[0]!, transfer({ from: 1, nonce: 1, value: 2n }).raw]],
])("a body %s is none, so that its sender and not the block bears the blame", (_, transactions) => {
  expect(open(transactions)).toEqual({
    kind: "invalid",
    reason: "its transactions are not those of its header",
  });
});
