// Rolling a local chain back: the store, the caches, the pool and the rounds agree afterwards. And bodies as bytes.
import { expect, test } from "bun:test";
import { positionOf } from "#chain/header-rules.ts";
import { encodeBlock } from "#types/block.ts";
import { height } from "#types/ids.ts";
import { openTestChain, testAddress, testGenesis, transfer } from "../support/chain.ts";
import { testChains } from "../support/lifetimes.ts";

const { open: chain } = testChains();

test("after a rollback the chain goes on from there, in a new epoch, and again after a restart", async () => {
  const node = chain();
  const hashes: string[] = [];
  for (let nonce = 0; nonce < 4; nonce++) {
    await node.service.submitTx(transfer({ from: 0, nonce, to: testAddress(50) }).raw);
    hashes.push((await node.produce()).hash);
  }
  node.inputs.write({ address: testAddress(51), balance: 9n });
  await node.service.submitTx(transfer({ from: 0, nonce: 4 }).raw);
  await node.rollback(height(2));
  expect(node.state.head()).toMatchObject({ height: 2, hash: hashes[1] as never });
  expect(node.ledger.tip().hash).toBe(hashes[1] as never);
  expect(node.history.block(height(3))).toBeUndefined();
  expect(node.inputs.latest().account(testAddress(51))).toBeUndefined();
  expect(node.state.latest().account(testAddress(50))?.balance).toBe(2n);
  // Nonces 2 and 3 are gone with their blocks: what came after them waits again.
  expect(node.pool.status()).toMatchObject({ pending: 0, queued: 1 });

  await node.service.submitTx(transfer({ from: 0, nonce: 2, value: 7n, to: testAddress(50) }).raw);
  const third = await node.produce();
  expect(third.header.parentHash).toBe(hashes[1] as never);
  expect(third.hash).not.toBe(hashes[2] as never);
  expect(positionOf(third.header)).toEqual({ epoch: 1, view: 1, parentView: 0 });
  expect(positionOf((await node.produce()).header)).toEqual({ epoch: 1, view: 2, parentView: 1 });

  await node.rollback(height(3));
  const again = openTestChain({ state: node.state });
  expect(positionOf((await again.produce()).header)).toEqual({ epoch: 2, view: 1, parentView: 0 });
});

test("a chain that is not dev is never rolled back", async () => {
  const node = chain({ genesis: testGenesis(1, { dev: false }) });
  await node.produce();
  await expect(node.rollback(height(0))).rejects.toMatchObject({ code: "NOT_DEV" });
});

test("a body as bytes opens to the same block; a bad one is a verdict", async () => {
  const node = chain();
  for (let from = 0; from < 3; from++) await node.service.submitTx(transfer({ from, nonce: 0 }).raw);
  const block = await node.produce();
  const wire = { header: block.header, transactions: block.transactions.map(({ raw }) => raw) };
  const bytes = encodeBlock(wire);
  expect(chain().open(bytes)).toEqual({ kind: "opened", block });
  for (let at = 0; at < bytes.length; at += 7) {
    // Any byte may be wrong: then the hash differs or the body is refused, and nothing is thrown.
    const opened = node.open(bytes.with(at, bytes[at]! ^ 0x11));
    if (opened.kind === "opened") expect(opened.block).not.toEqual(block);
  }
  expect(node.open(bytes.slice(0, -1)).kind).toBe("invalid");
  expect(node.open(new Uint8Array(0)).kind).toBe("invalid");
  const unsigned = {
    ...wire,
    transactions: [wire.transactions[0]!.with(-1, 0).with(-2, 0), ...wire.transactions],
  };
  expect(node.open(encodeBlock(unsigned)).kind).toBe("invalid");
});
