// The road of a transaction: submitted, pooled, proposed, finalized, committed, read back; and again after reopening.
import { expect, test } from "bun:test";
import { height } from "#types/ids.ts";
import { ETHER, openTestChain, testAddress, transfer } from "../support/chain.ts";
import { testChains, testFolders } from "../support/lifetimes.ts";

const folder = testFolders();
const { open } = testChains();

test("a submitted transfer ends in a durable block with its receipt", async () => {
  const chain = open();
  const signed = transfer({ from: 0, nonce: 0, value: ETHER, to: testAddress(50) });
  const submission = await chain.service.submitTx(signed.raw);
  expect(submission).toMatchObject({ kind: "accepted", hash: signed.hash });
  expect(chain.pool.status()).toMatchObject({ pending: 1, queued: 0 });

  const block = await chain.produce();
  expect(block.header.number).toBe(height(1));
  expect(block.transactions.map(({ hash }) => hash)).toEqual([signed.hash]);
  expect(chain.state.head()).toMatchObject({ height: 1, hash: block.hash, root: block.header.stateRoot });
  expect(chain.pool.status()).toMatchObject({ pending: 0, queued: 0, bytes: 0 });

  const place = chain.history.transaction(signed.hash);
  expect(place).toEqual({ height: height(1), index: 0 });
  const receipt = chain.history.receipt(height(1), 0);
  expect(receipt).toMatchObject({ status: true, gasUsed: 21_000n, type: 2 });
  expect(chain.state.latest().account(testAddress(50))?.balance).toBe(ETHER);
  expect(chain.history.block(height(1))).toEqual(block);
});

test("a reopened chain goes on where it stopped", async () => {
  const directory = folder();
  const first = openTestChain({ directory });
  for (let nonce = 0; nonce < 3; nonce++) {
    await first.service.submitTx(transfer({ from: 0, nonce }).raw);
    await first.produce();
  }
  const head = first.state.head();
  first.close();

  const second = open({ directory });
  expect(second.state.head()).toEqual(head);
  expect(second.genesisHash).toBe(first.genesisHash);
  await second.service.submitTx(transfer({ from: 0, nonce: 3 }).raw);
  const block = await second.produce();
  expect(block.header.parentHash).toBe(head.hash);
  expect(second.history.receipts(height(2))?.length).toBe(1);
});
