// What the methods answer of the pending block: its state, its transactions and its place in the fee history.
import { expect, test } from "bun:test";
import { keccakHash } from "#crypto/hash.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import type { CallTask } from "#rpc/ports.ts";
import { address, hash } from "#types/ids.ts";
import { oneOfEach, SENDER, succeeded, TOKEN } from "./fake-node.ts";
import { harness } from "./harness.ts";

const FRESH = address(`0x${"f1".repeat(20)}`);
const SLOT = hash(`0x${"00".repeat(31)}07`);
const CODE = fromHex("0x5f5ff3");

function setup() {
  const made = harness();
  const codeHash = keccakHash(CODE);
  made.node.above = {
    accounts: new Map([
      [
        FRESH,
        {
          account: { nonce: 3n, balance: 9n, codeHash },
          reset: false,
          storage: new Map([[SLOT, Uint8Array.of(5)]]),
        },
      ],
    ]),
    code: new Map([[codeHash, CODE]]),
  };
  const waiting = oneOfEach(6n);
  for (const transaction of waiting) made.node.wait(transaction);
  return { ...made, waiting };
}

test("every read of state at pending sees what the pending block changes, at latest none does", async () => {
  const { result } = setup();
  const word = (n: number): string => `0x${n.toString(16).padStart(64, "0")}`;
  const reads: [string, unknown[], unknown, unknown][] = [
    ["eth_getBalance", [FRESH], "0x9", "0x0"],
    ["eth_getCode", [FRESH], toHex(CODE), "0x"],
    ["eth_getStorageAt", [FRESH, SLOT], word(5), word(0)],
    ["eth_getStorageValues", [{ [FRESH]: [SLOT] }], { [FRESH]: [word(5)] }, { [FRESH]: [word(0)] }],
    ["eth_getAccount", [FRESH], { balance: "0x9", nonce: "0x3", codeHash: keccakHash(CODE) }, null],
    [
      "eth_getAccountInfo",
      [FRESH],
      { balance: "0x9", nonce: "0x3", code: toHex(CODE) },
      { balance: "0x0", nonce: "0x0", code: "0x" },
    ],
    ["eth_getTransactionCount", [SENDER], "0xc", "0x6"],
  ];
  for (const [method, params, pending, latest] of reads) {
    expect([method, await result(method, ...params, "pending")]).toEqual([method, pending]);
    expect([method, await result(method, ...params, "latest")]).toEqual([method, latest]);
    expect([method, await result(method, ...params)]).toEqual([method, latest]);
  }
});

test("the block, its count and its transactions have no hash and no place yet", async () => {
  const { result, waiting, node } = setup();
  const block = (await result("eth_getBlockByNumber", "pending", true)) as Record<string, unknown>;
  expect(block).toMatchObject({ number: "0x3", hash: null, nonce: null, parentHash: node.blocks[2]?.hash });
  const transactions = block["transactions"] as Record<string, unknown>[];
  expect(transactions.map((each) => each["hash"])).toEqual(waiting.map((each) => each.hash));
  expect(transactions[1]).toMatchObject({ blockHash: null, blockNumber: null, transactionIndex: null });
  expect(await result("eth_getBlockTransactionCountByNumber", "pending")).toBe("0x6");
  expect(await result("eth_getTransactionByBlockNumberAndIndex", "pending", "0x1")).toEqual(transactions[1]);
  expect(await result("eth_getTransactionByBlockNumberAndIndex", "pending", "0x6")).toBeNull();
  expect(await result("eth_getRawTransactionByBlockNumberAndIndex", "pending", "0x0")).toBe(
    toHex(waiting[0]?.raw as Uint8Array),
  );
  expect(await result("eth_getUncleCountByBlockNumber", "pending")).toBe("0x0");
  expect(await result("eth_getHeaderByNumber", "pending")).toMatchObject({
    number: "0x3",
    hash: null,
    nonce: null,
  });
  expect(await result("eth_getBlockReceipts", "pending")).toBeNull();
  expect(await result("eth_getTransactionByHash", waiting[0]?.hash)).toMatchObject({ blockHash: null });
});

test("calls at pending run on the pending block; what is to be sent is estimated where the node says", async () => {
  const { node, result } = setup();
  const tasks: CallTask[] = [];
  node.calls = {
    ...node.calls,
    call: async (task) => {
      tasks.push(task);
      return succeeded(new Uint8Array(0));
    },
    estimateGas: async (task) => {
      tasks.push(task);
      return { status: "estimated", gas: 21_000n };
    },
  };
  await result("eth_call", { to: TOKEN }, "pending");
  await result("eth_estimateGas", { to: TOKEN });
  await result("eth_estimateGas", { to: TOKEN }, "latest");
  expect(tasks.map(({ view }) => [Number(view.header.number), view.base as number, view.overlay])).toEqual([
    [3, 2, node.above],
    [3, 2, node.above],
    [2, 2, undefined],
  ]);
});

test("the fee history reaches the pending block, and one base fee further", async () => {
  const { result } = setup();
  const history = (await result("eth_feeHistory", "0x2", "pending", [50])) as Record<string, unknown[]>;
  expect(history).toMatchObject({ oldestBlock: "0x2", gasUsedRatio: [0.01, 0.01] });
  expect(history["baseFeePerGas"]).toHaveLength(3);
  expect(history["reward"]).toHaveLength(2);
});

test("there is no proof of what is pending", async () => {
  const { error } = setup();
  expect(await error("kora_getProof", FRESH, [], "pending")).toBe(
    "-32000 a proof needs a finalized block, the pending one is none",
  );
  expect(await error("eth_getProof", FRESH, [], "pending")).toStartWith("-32004");
});
