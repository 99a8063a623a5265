// The road of a transaction: submitted, pooled, proposed, finalized, committed, read back; and again after reopening.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { height } from "#types/ids.ts";
import { ETHER, openTestChain, type TestChain, testAddress, transfer } from "../support/chain.ts";

const open: TestChain[] = [];
const directories: string[] = [];
function chainIn(directory?: string): TestChain {
  const chain = openTestChain(directory === undefined ? {} : { directory });
  open.push(chain);
  return chain;
}
afterEach(() => {
  for (const chain of open.splice(0)) chain.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

test("a submitted transfer ends in a durable block with its receipt", async () => {
  const chain = chainIn();
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
  const directory = mkdtempSync(join(tmpdir(), "kora-road-"));
  directories.push(directory);
  const first = openTestChain({ directory });
  for (let nonce = 0; nonce < 3; nonce++) {
    await first.service.submitTx(transfer({ from: 0, nonce }).raw);
    await first.produce();
  }
  const head = first.state.head();
  first.close();

  const second = chainIn(directory);
  expect(second.state.head()).toEqual(head);
  expect(second.genesisHash).toBe(first.genesisHash);
  await second.service.submitTx(transfer({ from: 0, nonce: 3 }).raw);
  const block = await second.produce();
  expect(block.header.parentHash).toBe(head.hash);
  expect(second.history.receipts(height(2))?.length).toBe(1);
});
