// Every answer that the Ethereum OpenRPC document describes has the shape it asks for, for every transaction type;
// and has the fields that a recorded node's answer has.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { schemaErrors } from "../support/json-schema.ts";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";
import { SENDER, signed, succeeded, TOKEN, TOPIC } from "./fake-node.ts";
import { harness } from "./harness.ts";

const vectors = vectorsDir();
const { node, result } = harness();
const filled = node.blocks[2];
const hashes = filled?.transactions.map((transaction) => transaction.hash) ?? [];
const pending = signed({
  type: 2,
  chainId: 1337n,
  nonce: 6n,
  gasLimit: 21_000n,
  to: TOKEN,
  value: 1n,
  data: new Uint8Array(0),
  accessList: [],
  maxFeePerGas: 3n,
  maxPriorityFeePerGas: 1n,
  signature: { yParity: 0, r: 0n, s: 0n },
});
node.wait(pending);
node.calls = {
  ...node.calls,
  call: async () => succeeded(Uint8Array.of(1)),
  estimateGas: async () => ({ status: "estimated", gas: 21_000n }),
  createAccessList: async () => ({ status: "listed", accessList: [], call: succeeded(new Uint8Array(0)) }),
};

const CALLS: readonly (readonly [method: string, ...params: unknown[]])[] = [
  ["eth_accounts"],
  ["eth_baseFee"],
  ["eth_blobBaseFee"],
  ["eth_blockNumber"],
  ["eth_call", { to: TOKEN }, "latest"],
  ["eth_capabilities"],
  ["eth_chainId"],
  ["eth_coinbase"],
  ["eth_createAccessList", { to: TOKEN }],
  ["eth_estimateGas", { to: TOKEN }],
  ["eth_feeHistory", "0x3", "latest", [10, 50, 90]],
  ["eth_feeHistory", "0x1", "latest", []],
  ["eth_gasPrice"],
  ["eth_getBalance", SENDER, "latest"],
  ["eth_getBlockByHash", filled?.hash, true],
  ["eth_getBlockByHash", filled?.hash, false],
  ["eth_getBlockByHash", TOPIC, false],
  ["eth_getBlockByNumber", "0x2", true],
  ["eth_getBlockByNumber", "0x2", false],
  ["eth_getBlockByNumber", "earliest", false],
  ["eth_getBlockByNumber", "0x99", false],
  ["eth_getBlockReceipts", "0x2"],
  ["eth_getBlockReceipts", "0x99"],
  ["eth_getBlockTransactionCountByHash", filled?.hash],
  ["eth_getBlockTransactionCountByNumber", "0x2"],
  ["eth_getCode", TOKEN, "latest"],
  ["eth_getLogs", { fromBlock: "0x0", toBlock: "latest" }],
  ["eth_getStorageAt", TOKEN, "0x7", "latest"],
  ["eth_getStorageValues", { [TOKEN]: ["0x7", "0x8"] }, "latest"],
  ["eth_getTransactionByBlockHashAndIndex", filled?.hash, "0x0"],
  ["eth_getTransactionByBlockNumberAndIndex", "0x2", "0x0"],
  ...hashes.map((hash) => ["eth_getTransactionByHash", hash] as const),
  ["eth_getTransactionByHash", TOPIC],
  ["eth_getTransactionCount", SENDER, "latest"],
  ...hashes.map((hash) => ["eth_getTransactionReceipt", hash] as const),
  ["eth_maxPriorityFeePerGas"],
  ["eth_newBlockFilter"],
  ["eth_newFilter", {}],
  ["eth_newPendingTransactionFilter"],
  ["eth_syncing"],
  ["txpool_content"],
  ["txpool_contentFrom", SENDER],
];

interface MethodSchema {
  readonly name: string;
  readonly result: { readonly schema: Readonly<Record<string, unknown>> };
}

if (vectors === undefined) {
  reportSkipped("OpenRPC shapes", CALLS.length);
} else {
  describe("answers fit the OpenRPC document", () => {
    const text = readFileSync(join(vectors, "rpc/openrpc/openrpc.json"), "utf8");
    const { methods } = JSON.parse(text) as { methods: MethodSchema[] };
    const schemas = new Map(methods.map((method) => [method.name, method.result.schema]));
    test.each(CALLS.map((call) => [JSON.stringify(call).slice(0, 100), call] as const))(
      "%s",
      async (_, call) => {
        const [method, ...params] = call;
        const schema = schemas.get(method);
        if (schema === undefined) throw new Error(`no schema for ${method}`);
        expect(schemaErrors(schema, await result(method, ...params))).toEqual([]);
      },
    );
  });

  /** Fields of a recorded answer, by path, without values. */
  const fields = (value: unknown): string[] =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.keys(value).sort()
      : [typeof value];
  const RECORDED: readonly (readonly [file: string, method: string, ...params: unknown[]])[] = [
    ["eth_getBlockByNumber/get-block-prague-fork.io", "eth_getBlockByNumber", "0x2", true],
    ["eth_getBlockByNumber/get-block-notfound.io", "eth_getBlockByNumber", "0x99", true],
    ["eth_getTransactionReceipt/get-setcode-tx.io", "eth_getTransactionReceipt", hashes[5]],
    ["eth_getTransactionReceipt/get-blob-tx.io", "eth_getTransactionReceipt", hashes[4]],
    ["eth_syncing/check-syncing.io", "eth_syncing"],
    ["eth_chainId/get-chain-id.io", "eth_chainId"],
    ["eth_getStorageAt/get-storage-default-block.io", "eth_getStorageAt", TOKEN, "0x7"],
  ];
  test.each(RECORDED)("%s has the recorded fields", async (file, method, ...params) => {
    const path = join(vectors, "rpc/execution-apis-60dbef73/tests", file);
    const line =
      readFileSync(path, "utf8")
        .split("\n")
        .find((l) => l.startsWith("<< ")) ?? "";
    const recorded = JSON.parse(line.slice(3)) as { result: unknown };
    const wanted = fields(recorded.result);
    const found = fields(await result(method, ...params));
    expect(wanted.filter((name) => !found.includes(name))).toEqual([]);
  });
}
