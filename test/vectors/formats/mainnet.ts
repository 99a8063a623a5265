// Real blocks of the main network with the part of the state they touch: gas, bloom, roots, block hash.
import { headerHash } from "#crypto/digest.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import type { Header } from "#types/header.ts";
import { address, type Hash, hash, height } from "#types/ids.ts";
import { encodeTransaction, type Transaction } from "#types/transaction.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { type Alloc, headerEnv, openAny, stateOf } from "./fixture.ts";

type JsonTransaction = Readonly<Record<string, string | undefined>> & {
  readonly accessList?: readonly { readonly address: string; readonly storageKeys: readonly string[] }[];
  readonly blobVersionedHashes?: readonly string[];
};
interface MainnetBlock {
  readonly source: unknown;
  readonly block: Readonly<Record<string, string>> & {
    readonly transactions: readonly JsonTransaction[];
    readonly withdrawals?: readonly Readonly<Record<string, string>>[];
  };
  readonly blockHashes: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly pre: Alloc;
}

const MAINNET = chainRules({
  chainId: 1n,
  forks: [
    { fork: "frontier", block: 0 },
    { fork: "homestead", block: 1_150_000 },
    { fork: "tangerinewhistle", block: 2_463_000 },
    { fork: "spuriousdragon", block: 2_675_000 },
    { fork: "byzantium", block: 4_370_000 },
    { fork: "petersburg", block: 7_280_000 },
    { fork: "istanbul", block: 9_069_000 },
    { fork: "berlin", block: 12_244_000 },
    { fork: "london", block: 12_965_000 },
    { fork: "paris", block: 15_537_394 },
    { fork: "shanghai", timestamp: 1_681_338_455 },
    { fork: "cancun", timestamp: 1_710_338_135 },
  ],
});
const executor = createExecutor(MAINNET);
const BYZANTIUM = 4_370_000;

export function isMainnetBlock(content: unknown): boolean {
  const file = content as Partial<MainnetBlock>;
  return file.block !== undefined && file.pre !== undefined && file.source !== undefined;
}

const big = (text: string | undefined): bigint => BigInt(text ?? 0);

function transactionOf(json: JsonTransaction): Transaction {
  const v = big(json["v"]);
  const type = Number(json["type"] ?? 0);
  const yParity = type === 0 ? Number((v + 1n) % 2n) : Number(big(json["yParity"] ?? json["v"]));
  const common = {
    nonce: big(json["nonce"]),
    gasLimit: big(json["gas"]),
    to: typeof json["to"] === "string" ? address(json["to"]) : undefined,
    value: big(json["value"]),
    data: fromHex(json["input"] ?? "0x"),
    signature: { yParity, r: big(json["r"]), s: big(json["s"]) },
  };
  if (type === 0) {
    const chainId = v >= 35n ? (v - 35n) / 2n : undefined;
    return { ...common, type, chainId, gasPrice: big(json["gasPrice"]) };
  }
  const accessList = (json.accessList ?? []).map((entry) => ({
    address: address(entry.address),
    storageKeys: entry.storageKeys.map((key) => hash(key)),
  }));
  const typed = { ...common, chainId: big(json["chainId"]), accessList };
  if (type === 1) return { ...typed, type, gasPrice: big(json["gasPrice"]) };
  const fees = {
    ...typed,
    maxFeePerGas: big(json["maxFeePerGas"]),
    maxPriorityFeePerGas: big(json["maxPriorityFeePerGas"]),
  };
  if (type === 2) return { ...fees, type };
  if (type !== 3 || fees.to === undefined) throw new Mismatch(`transaction of type ${type}`);
  return {
    ...fees,
    type,
    to: fees.to,
    maxFeePerBlobGas: big(json["maxFeePerBlobGas"]),
    blobVersionedHashes: (json.blobVersionedHashes ?? []).map((item) => hash(item)),
  };
}

function headerOf(json: MainnetBlock["block"]): Header {
  const field = (name: string): string => json[name] ?? "";
  return {
    parentHash: hash(field("parentHash")),
    ommersHash: hash(field("sha3Uncles")),
    coinbase: address(field("miner")),
    stateRoot: hash(field("stateRoot")),
    transactionsRoot: hash(field("transactionsRoot")),
    receiptsRoot: hash(field("receiptsRoot")),
    logsBloom: fromHex(field("logsBloom")),
    difficulty: big(json["difficulty"]),
    number: height(Number(json["number"])),
    gasLimit: big(json["gasLimit"]),
    gasUsed: big(json["gasUsed"]),
    timestamp: Number(json["timestamp"]),
    extraData: fromHex(field("extraData")),
    mixHash: hash(field("mixHash")),
    nonce: fromHex(field("nonce")),
    ...(json["baseFeePerGas"] !== undefined && { baseFeePerGas: big(json["baseFeePerGas"]) }),
    ...(json["withdrawalsRoot"] !== undefined && { withdrawalsRoot: hash(json["withdrawalsRoot"]) }),
    ...(json["blobGasUsed"] !== undefined && { blobGasUsed: big(json["blobGasUsed"]) }),
    ...(json["excessBlobGas"] !== undefined && { excessBlobGas: big(json["excessBlobGas"]) }),
    ...(json["parentBeaconBlockRoot"] !== undefined && {
      parentBeaconBlockRoot: hash(json["parentBeaconBlockRoot"]),
    }),
  };
}

async function runBlock(file: MainnetBlock): Promise<void> {
  const header = headerOf(file.block);
  expectEqual("block hash", headerHash(header), hash(file.block["hash"] ?? ""));
  const known = Array.isArray(file.blockHashes) ? file.blockHashes : Object.entries(file.blockHashes);
  const hashes = new Map<number, Hash>(known.map(([number, digest]) => [Number(number), hash(digest)]));
  const withdrawals = file.block.withdrawals?.map((item) => ({
    index: big(item["index"]),
    validatorIndex: big(item["validatorIndex"]),
    address: address(item["address"] ?? ""),
    amount: big(item["amount"]),
  }));
  const execution = await executor.open(stateOf(file.pre), headerEnv(header, withdrawals), (number) =>
    hashes.get(number),
  );
  for (const json of file.block.transactions) {
    const transaction = openAny(encodeTransaction(transactionOf(json)));
    if (transaction === undefined) throw new Mismatch(`${json["hash"]}: no sender`);
    expectEqual("transaction hash", transaction.hash, json["hash"]);
    expectEqual("sender", transaction.sender, json["from"]);
    const outcome = await execution.apply(transaction);
    if (outcome.kind === "rejected") throw new Mismatch(`${json["hash"]}: ${outcome.rejection.message}`);
  }
  const done = await execution.finish();
  expectEqual("gas used", done.gasUsed, header.gasUsed);
  expectEqual("logs bloom", toHex(done.logsBloom), toHex(header.logsBloom));
  expectEqual("transactions root", done.transactionsRoot, header.transactionsRoot);
  expectEqual("blob gas used", done.blobGasUsed, header.blobGasUsed ?? 0n);
  if (header.number >= BYZANTIUM) expectEqual("receipts root", done.receiptsRoot, header.receiptsRoot);
}

/** One file is one block and one case. */
export const runMainnetBlock: Format = async function* (content, _path, wanted): AsyncGenerator<CaseResult> {
  const file = content as MainnetBlock;
  const name = `mainnet block ${Number(file.block["number"])}`;
  if (wanted(name)) yield settle(name, () => runBlock(file));
};
