// What is pending, through viem, on a binary that mines when it is told: what waits can be read as if it were mined,
// and is the same once it is.
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type Address,
  createTestClient,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  http,
  parseEther,
  publicActions,
  walletActions,
} from "viem";
import { foundry } from "viem/chains";
import { contracts } from "../support/contracts.ts";
import { type RunningKora, startKora } from "../support/kora.ts";

let kora: RunningKora;
const connect = ({ url }: RunningKora) =>
  createTestClient({ mode: "anvil", chain: foundry, transport: http(url), pollingInterval: 20 })
    .extend(publicActions)
    .extend(walletActions);
let client: ReturnType<typeof connect>;

beforeAll(async () => {
  kora = await startKora(["dev", "--port", "0", "--silent", "--no-mining"]);
  client = connect(kora);
}, 60_000);
afterAll(() => kora?.[Symbol.asyncDispose]());

const coin = contracts["coin"];

test("two payments and a call of a contract, itself not mined yet, before and after their block", async () => {
  if (coin === undefined) throw new Error("no coin");
  const [from, payer] = (await client.getAddresses()) as [Address, Address];
  const to: Address = `0x${"77".repeat(20)}`;
  const { abi, bytecode } = coin;
  const token = getContractAddress({ from, nonce: 0n });
  const reads = async (blockTag: "pending" | "latest") => ({
    balance: await client.getBalance({ address: to, blockTag }),
    spent: await client.getBalance({ address: from, blockTag }),
    nonces: await Promise.all(
      [from, payer].map((address) => client.getTransactionCount({ address, blockTag })),
    ),
    code: await client.getCode({ address: token, blockTag }),
    supply: await client.getStorageAt({ address: token, slot: "0x2", blockTag }),
    coins: (
      await client.call({
        to: token,
        data: encodeFunctionData({ abi, functionName: "balanceOf", args: [to] }),
        blockTag,
      })
    ).data,
  });
  const before = await reads("latest");

  const hashes = [await client.sendTransaction({ account: from, data: encodeDeployData({ abi, bytecode }) })];
  // Each is seen by whoever asks after it was sent.
  const { maxFeePerGas } = await client.estimateFeesPerGas();
  for (const account of [payer, payer]) {
    const paid = (await client.getBalance({ address: to, blockTag: "pending" })) + parseEther("1");
    hashes.push(
      await client.sendTransaction({ account, to, value: parseEther("1"), gas: 21_000n, maxFeePerGas }),
    );
    expect(await client.getBalance({ address: to, blockTag: "pending" })).toBe(paid);
  }
  // Its gas is estimated on a contract that only what is pending holds.
  const data = encodeFunctionData({ abi, functionName: "transfer", args: [to, 7n] });
  hashes.push(await client.sendTransaction({ account: from, to: token, data }));

  const pending = await reads("pending");
  expect(pending.balance).toBe(parseEther("2"));
  expect(pending.nonces).toEqual([2, 2]);
  expect(BigInt(pending.coins ?? "0x0")).toBe(7n);
  expect(await reads("latest")).toEqual(before);
  const block = await client.getBlock({ blockTag: "pending", includeTransactions: true });
  expect(block).toMatchObject({ number: 1n, hash: null, nonce: null });
  expect(block.transactions.map(({ hash }) => hash).sort()).toEqual([...hashes].sort());
  expect(await client.getBlockTransactionCount({ blockTag: "pending" })).toBe(4);
  for (const hash of hashes) {
    const transaction = await client.getTransaction({ hash });
    expect(transaction).toMatchObject({ hash, blockHash: null, blockNumber: null });
  }
  const list = await client.createAccessList({ account: from, to: token, data, blockTag: "pending" });
  expect(list.accessList.map(({ address }) => address.toLowerCase())).toEqual([token.toLowerCase()]);
  const fees = await client.getFeeHistory({ blockCount: 2, rewardPercentiles: [50], blockTag: "pending" });
  expect(fees).toMatchObject({ oldestBlock: 0n });
  expect(fees.gasUsedRatio[1]).toBeGreaterThan(0);

  await client.mine({ blocks: 1 });
  expect(await reads("latest")).toEqual(pending);
  expect(await reads("pending")).toEqual(pending);
  const mined = await client.getBlock({ blockTag: "latest", includeTransactions: true });
  expect(mined.transactions.map(({ hash }) => hash)).toEqual(block.transactions.map(({ hash }) => hash));
  const { gasUsed, logsBloom, receiptsRoot, transactionsRoot, baseFeePerGas } = block;
  expect(mined).toMatchObject({ gasUsed, logsBloom, receiptsRoot, transactionsRoot, baseFeePerGas });
  const next = await client.getBlock({ blockTag: "pending" });
  expect(next).toMatchObject({ number: 2n, transactions: [], parentHash: mined.hash });
  expect(fees.baseFeePerGas[2]).toBe(next.baseFeePerGas as bigint);
}, 60_000);

test("what does not fit into the next block is not in what is pending, but numbers its sender on", async () => {
  const senders = (await client.getAddresses()).slice(3, 6);
  const to: Address = `0x${"78".repeat(20)}`;
  const { gasLimit } = await client.getBlock();
  // Each offers almost a block's gas, so that two fit and a thread executes them.
  const sent = await Promise.all(
    senders.flatMap((account) =>
      [0, 1].map((nonce) =>
        client.sendTransaction({ account, to, value: 1n, gas: gasLimit - 21_000n, nonce }),
      ),
    ),
  );
  expect(await client.getBlockTransactionCount({ blockTag: "pending" })).toBe(2);
  expect(await client.getBalance({ address: to, blockTag: "pending" })).toBe(2n);
  for (const address of senders)
    expect(await client.getTransactionCount({ address, blockTag: "pending" })).toBe(2);
  const { transactions } = await client.getBlock({ blockTag: "pending" });
  await client.mine({ blocks: 1 });
  expect((await client.getBlock()).transactions).toEqual(transactions);
  await client.mine({ blocks: 2 });
  expect(await client.getBlockTransactionCount({ blockTag: "pending" })).toBe(0);
  expect(await client.getBalance({ address: to })).toBe(BigInt(sent.length));
}, 30_000);

test("a proof of what is pending is refused in plain words", async () => {
  const request = { method: "kora_getProof", params: [`0x${"77".repeat(20)}`, [], "pending"] };
  const refused = await client.request(request as never).catch((error: { details: string }) => error.details);
  expect(refused).toContain("a proof needs a finalized block");
}, 30_000);
