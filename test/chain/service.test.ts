// Submission, its refusals and the ledger's events; bootstrap transactions; limits of a block; the BLOCKHASH window.
import { expect, test } from "bun:test";
import type { Submission } from "#chain/service.ts";
import { createSenderRecovery, MIN_BATCH, type SenderRecovery } from "#crypto/recovery.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import { encodeBlock } from "#types/block.ts";
import { type Address, bytesOf, hash, height } from "#types/ids.ts";
import { encodeTransaction } from "#types/transaction.ts";
import { ETHER, testAddress, testGenesis, transfer } from "../support/chain.ts";
import { testChains } from "../support/lifetimes.ts";

const { open: chain } = testChains();

test("events come in order: submitted, then persisted with its receipts", async () => {
  const node = chain();
  const log: unknown[] = [];
  node.service.events.transactionSubmitted.add(
    ({ transaction, origin }) => void log.push([transaction.hash, origin]),
  );
  node.service.events.seedUpdated.add(({ digest }) => void log.push(["seed", digest]));
  const stop = node.service.events.snapshotPersisted.add(
    ({ height: at, receipts }) => void log.push([at, receipts.length]),
  );
  const signed = transfer({ from: 0, nonce: 0 });
  await node.service.submitTx(signed.raw, "peer");
  const block = await node.produce();
  expect(log).toEqual([
    [signed.hash, "peer"],
    ["seed", block.hash],
    [height(1), 1],
  ]);
  stop();
  await node.produce();
  expect(log.length).toBe(4);
});

test.each<[string, Uint8Array, string]>([
  ["nothing", new Uint8Array(0), "malformed transaction: empty input"],
  [
    "an unknown type",
    Uint8Array.of(0x7e, 1, 2),
    "malformed transaction: transaction type not supported: 126",
  ],
  ["no RLP", Uint8Array.of(0xf8), "malformed RLP"],
  ["too many bytes", new Uint8Array(131_073), "oversized data: transaction size 131073, limit 131072"],
])("refuses %s", async (_, raw, message) => {
  const submission = await chain().service.submitTx(raw);
  expect(submission.kind).toBe("rejected");
  expect(submission).toMatchObject({ message: expect.stringContaining(message) });
});

test("refuses a signature with a high s (EIP-2) and one that recovers nobody", async () => {
  const node = chain();
  const { tx } = transfer({ from: 0, nonce: 0 });
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const { r, s, yParity } = tx.signature;
  for (const signature of [
    { r, s: order - s, yParity: 1 - yParity },
    { r: 0n, s, yParity },
  ]) {
    expect(await node.service.submitTx(encodeTransaction({ ...tx, signature }))).toMatchObject({
      kind: "rejected",
      message: "invalid sender: invalid transaction v, r, s values",
    });
  }
});

test("the same transaction twice is already known, before its sender is recovered again", async () => {
  const node = chain();
  const { raw } = transfer({ from: 0, nonce: 0 });
  await node.service.submitTx(raw);
  expect(await node.service.submitTx(raw)).toMatchObject({ message: "already known" });
  await node.produce();
  expect(await node.service.submitTx(raw)).toMatchObject({
    message: "nonce too low: next nonce 1, tx nonce 0",
  });
});

test("a batch is judged as one by one, whatever is in it; clients that come together are a batch", async () => {
  const { tx } = transfer({ from: 0, nonce: 9 });
  const raws = [
    ...Array.from({ length: MIN_BATCH }, (_, nonce) => transfer({ from: 1, nonce }).raw),
    transfer({ from: 1, nonce: 0 }).raw,
    encodeTransaction({ ...tx, signature: { ...tx.signature, r: 0n } }),
    new Uint8Array(131_073),
    Uint8Array.of(0xf8),
    transfer({ from: 2, nonce: 0, value: 20_000n * ETHER }).raw,
    ...Array.from({ length: 300 }, (_, from) => transfer({ from: 3 + (from % 5), nonce: from }).raw),
  ];
  const plain = (submission: Submission) =>
    submission.kind === "accepted"
      ? ["accepted", submission.hash]
      : ["rejected", submission.code, submission.message];
  const alone = chain();
  const expected = raws.map((raw) => plain(alone.service.submit(raw, "peer")));
  const batches: number[] = [];
  const inner = createSenderRecovery({ threads: 0 });
  const senders: SenderRecovery = {
    ...inner,
    open(batch, priority) {
      batches.push(batch.length);
      return inner.open(batch, priority);
    },
  };
  const judged = await chain({ senders }).service.submitAll(raws, "peer");
  expect(judged.map(plain)).toEqual(expected);
  expect(batches.length).toBe(2);

  const { service } = chain({ senders });
  const answers = await Promise.all(raws.map((raw) => service.submitTx(raw)));
  expect(answers.map(plain)).toEqual(expected);
  expect(batches.length).toBe(4);
});

test("a sender is found once, whether a block or a batch brings the transaction first, and whatever became of it", async () => {
  let asked = 0;
  const inner = createSenderRecovery({ threads: 0 });
  const senders: SenderRecovery = {
    ...inner,
    open(batch, priority) {
      asked += batch.length;
      return inner.open(batch, priority);
    },
  };
  const many = (from: number): Uint8Array[] =>
    Array.from({ length: MIN_BATCH }, (_, nonce) => transfer({ from, nonce }).raw);
  const [proposer, voter] = [chain(), chain({ senders })];
  await proposer.service.submitAll(many(0), "client");
  const block = await proposer.produce();
  const body = encodeBlock({ header: block.header, transactions: block.transactions.map(({ raw }) => raw) });
  expect((await voter.openAhead(body)).kind).toBe("opened");
  expect(asked).toBe(MIN_BATCH);
  // The relay is later than the proposal.
  const submissions = await voter.service.submitAll(many(0), "peer");
  expect(submissions.map(({ kind }) => kind)).toEqual(many(0).map(() => "accepted"));
  expect(asked).toBe(MIN_BATCH);
  expect((await voter.openAhead(body)).kind).toBe("opened");
  expect(asked).toBe(MIN_BATCH);
  // What is refused comes again.
  const poor = Array.from({ length: MIN_BATCH }, (_, nonce) =>
    transfer({ from: 1, nonce, value: 20_000n * ETHER }),
  ).map(({ raw }) => raw);
  for (let i = 0; i < 3; i++) {
    const refused = await voter.service.submitAll(poor, "peer");
    expect(refused.every(({ kind }) => kind === "rejected")).toBeTrue();
  }
  expect(asked).toBe(2 * MIN_BATCH);
});

test("block 1 opens with the bootstrap transactions, in their order", async () => {
  const transactions = [1, 0, 2].map((from) => transfer({ from, nonce: 0, tip: BigInt(from + 1) }));
  const bootstrap = {
    allocations: new Map<Address, bigint>([[testAddress(60), 5n * ETHER]]),
    transactions: transactions.map(({ raw }) => raw),
  };
  const node = chain({ bootstrap });
  await node.service.submitTx(transfer({ from: 3, nonce: 0, tip: 10n ** 9n }).raw);
  const block = await node.produce();
  expect(block.transactions.slice(0, 3).map(({ hash: id }) => id)).toEqual(
    transactions.map(({ hash: id }) => id),
  );
  expect(block.transactions.length).toBe(4);
  expect(node.state.at(height(0)).account(testAddress(60))?.balance).toBe(5n * ETHER);

  // Who was told other bootstrap transactions has another chain and refuses the block.
  const other = chain({ bootstrap: { ...bootstrap, transactions: bootstrap.transactions.toReversed() } });
  expect(await other.application.verify(block)).toMatchObject({ kind: "invalid" });
});

test("a bootstrap transaction that cannot be executed is the operator's error", async () => {
  const bootstrap = { allocations: new Map(), transactions: [transfer({ from: 0, nonce: 1 }).raw] };
  const node = chain({ bootstrap });
  await expect(node.produce()).rejects.toMatchObject({ code: "BOOTSTRAP_REJECTED", exitCode: 2 });
});

test("max_txs and the block's bytes are validity rules", async () => {
  const genesis = testGenesis(10, { dev: false });
  const leader = chain({ genesis });
  for (let from = 0; from < 5; from++) await leader.service.submitTx(transfer({ from, nonce: 0 }).raw);
  const block = await leader.produce();
  expect(block.transactions.length).toBe(5);
  expect(await chain({ genesis, maxTxs: 4 }).application.verify(block)).toEqual({
    kind: "invalid",
    reason: "5 transactions, at most 4",
  });
  const verdict = await chain({ genesis, maxBlockBytes: 1_000 }).application.verify(block);
  expect(verdict).toMatchObject({ kind: "invalid", reason: expect.stringContaining("bytes, at most 1000") });

  for (const limits of [{ maxTxs: 2 }, { maxBlockBytes: 1_000 }]) {
    const bounded = chain({ genesis, ...limits });
    for (let from = 0; from < 5; from++) await bounded.service.submitTx(transfer({ from, nonce: 0 }).raw);
    const own = await bounded.produce();
    expect(own.transactions.length).toBeGreaterThan(0);
    expect(own.transactions.length).toBeLessThan(5);
    expect(bounded.pool.status().pending).toBe(5 - own.transactions.length);
  }
});

test("a leader whose time is up proposes what it has, and the rest waits", async () => {
  const node = chain();
  for (let nonce = 0; nonce < 5; nonce++) await node.service.submitTx(transfer({ from: 0, nonce }).raw);
  let looks = 0;
  const place = { epoch: 0, view: 1, parentView: 0, now: 0, expired: () => ++looks > 3 };
  const block = (await node.application.propose(node.ledger.tip().hash, place))!;
  expect(block.transactions.length).toBe(3);
  expect((await node.produce()).transactions.length).toBe(5);
});

test("BLOCKHASH sees ancestors, also those that are not final", async () => {
  const node = chain({ genesis: testGenesis(4, { dev: false }) });
  // NUMBER PUSH1 n SWAP1 SUB BLOCKHASH PUSH1 n SSTORE for n = 1, 2, 3; STOP.
  const code = [1, 2, 3]
    .map((n) => `4360${n.toString(16).padStart(2, "0")}900340${`60${n.toString(16).padStart(2, "0")}`}55`)
    .join("");
  const runtime = `${code}00`;
  const length = (runtime.length / 2).toString(16).padStart(2, "0");
  // PUSH1 length DUP1 PUSH1 9 PUSH0 CODECOPY PUSH0 RETURN, then the code.
  const initcode = fromHex(`0x60${length}8060095f395ff3${runtime}`);
  await node.service.submitTx(
    transfer({ from: 0, nonce: 0, to: undefined, data: initcode, gas: 300_000n }).raw,
  );
  const one = await node.produce();
  const contract = node.history.receipt(height(1), 0)!.contractAddress!;
  expect(node.state.latest().account(contract)).toBeDefined();
  const two = await node.produce();
  const context = (view: number, parentView: number) => ({
    epoch: 0,
    view,
    parentView,
    now: 0,
    expired: () => false,
  });
  const three = (await node.application.propose(two.hash, context(3, 2)))!;
  node.application.seed(three, Uint8Array.of(3));
  await node.service.submitTx(transfer({ from: 1, nonce: 0, to: contract, gas: 300_000n }).raw);
  const four = (await node.application.propose(three.hash, context(4, 3)))!;
  expect(four.transactions.length).toBe(1);
  const { batch } = node.ledger.snapshots.get(four.hash)!;
  const slot = (n: number): string =>
    toHex(batch.storage(contract, hash(`0x${n.toString(16).padStart(64, "0")}`)));
  const trimmed = (digest: typeof one.hash): string => toHex(bytesOf(digest)).replace(/^0x(00)+/, "0x");
  expect([slot(1), slot(2), slot(3)]).toEqual([three, two, one].map((block) => trimmed(block.hash)));
});
