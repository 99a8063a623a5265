// Four validators, four processes: they agree, survive kills of one and of all, take one back that lost everything,
// and let a follower in.
import { afterAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createWalletClient, http, parseEther } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { checkSameAnswers } from "../../support/answers.ts";
import { writeFollower } from "../../support/follower.ts";
import { runKora, startKora, temporaryFolder, until } from "../../support/kora.ts";
import { NAMES_OF, operator, scrape } from "../../support/metrics.ts";
import {
  ask,
  checkSameChain,
  evidenceIn,
  heightOf,
  makeNetwork,
  processOf,
  type TestNode,
  untilAbove,
  wipeData,
} from "../../support/network.ts";

const MINUTE = 60_000;
const MNEMONIC = "test test test test test test test test test test test junk";
// Whoever waits for a block of an idle chain waits for an empty one.
const flags = ["--execution-empty-block-interval", "0.5"];
const network = makeNetwork({ validators: 4, blockTime: 0.2, flags });
afterAll(async () => await network[Symbol.asyncDispose]());
const [first, second, third, fourth] = network.nodes as [TestNode, TestNode, TestNode, TestNode];

/** Sends a transfer to one node and waits for its receipt there. */
async function transfer(node: TestNode, account: number): Promise<string> {
  const chain = {
    id: 1337,
    name: "net",
    nativeCurrency: { name: "E", symbol: "E", decimals: 18 },
    rpcUrls: { default: { http: [] } },
  };
  const wallet = createWalletClient({
    account: mnemonicToAccount(MNEMONIC, { addressIndex: account }),
    chain,
    transport: http(node.process?.url),
  });
  const hash = await wallet.sendTransaction({ to: `0x${"42".repeat(20)}`, value: parseEther("1") });
  await until(`the receipt of ${hash}`, () => receipt(node, hash));
  return hash;
}

async function receipt(node: TestNode, hash: string): Promise<{ blockHash: string } | undefined> {
  if (node.process === undefined) return undefined;
  return (
    (await ask<{ blockHash: string } | null>(node.process, "eth_getTransactionReceipt", hash)) ?? undefined
  );
}

/** Stores 42 in slot 0, logs one topic, and leaves code that returns 42. */
const CREATION_CODE = "0x602a5f5560075f5fa167602a5f5260205ff35f5260086018f3";

/** Deploys through one node; answers the contract and the transaction that created it. */
async function deploy(node: TestNode): Promise<[contract: string, creation: string]> {
  const account = mnemonicToAccount(MNEMONIC, { addressIndex: 8 });
  const raw = await account.signTransaction({
    ...{ type: "eip1559", chainId: 1337, nonce: 0, data: CREATION_CODE, gas: 200_000n },
    ...{ maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n },
  });
  const creation = await ask<string>(processOf(node), "eth_sendRawTransaction", raw);
  await until("the contract's receipt", () => receipt(node, creation));
  const { contractAddress } = await ask<{ contractAddress: string }>(
    processOf(node),
    "eth_getTransactionReceipt",
    creation,
  );
  return [contractAddress, creation];
}

const acknowledged: string[] = [];
/** Deployed through the follower. */
let contract: string;

test(
  "transactions sent to any of four become final on all",
  async () => {
    await Promise.all(network.nodes.map((node) => network.start(node)));
    for (const node of network.nodes) acknowledged.push(await transfer(node, node.index));
    for (const hash of acknowledged) {
      for (const node of network.nodes)
        await until(`${hash} on node${node.index}`, () => receipt(node, hash));
    }
    await checkSameChain(network.nodes);
    const balance = await ask<string>(
      first.process as { url: string },
      "eth_getBalance",
      `0x${"42".repeat(20)}`,
      "latest",
    );
    expect(BigInt(balance)).toBe(parseEther("4"));
  },
  MINUTE,
);

test(
  "three go on without the fourth, which catches up after kill -9",
  async () => {
    await network.stop(fourth);
    acknowledged.push(await transfer(first, 4));
    const height = await heightOf(first);
    await network.start(fourth);
    await untilAbove([fourth], height);
    await until("the missed transaction", () => receipt(fourth, acknowledged.at(-1) as string));
    await checkSameChain(network.nodes);
  },
  MINUTE,
);

test(
  "all killed at once go on where they were, and nothing acknowledged is lost",
  async () => {
    await Promise.all(network.nodes.map((node) => network.stop(node)));
    await Promise.all(network.nodes.map((node) => network.start(node)));
    acknowledged.push(await transfer(second, 5));
    for (const hash of acknowledged) {
      for (const node of network.nodes)
        await until(`${hash} on node${node.index}`, () => receipt(node, hash));
    }
    await checkSameChain(network.nodes);
  },
  MINUTE,
);

test(
  "one that lost its data but kept its keys rejoins and signs nothing twice",
  async () => {
    await network.stop(third);
    wipeData(third);
    const height = await heightOf(first);
    await network.start(third);
    await untilAbove([third], height);
    acknowledged.push(await transfer(third, 6));
    await checkSameChain(network.nodes);
  },
  MINUTE,
);

test(
  "a follower joins with the group key and one address, and serves the chain",
  async () => {
    using folder = temporaryFolder();
    const output = JSON.parse(readFileSync(join(first.folder, "output.json"), "utf8")) as Record<
      string,
      unknown
    >;
    const toml = readFileSync(join(first.folder, "node.toml"), "utf8");
    const peer = /"([0-9a-f]{64}@127\.0\.0\.1:\d+)"/.exec(toml)?.[1];
    const config = writeFollower({
      folder: folder.path,
      genesis: readFileSync(join(first.folder, "genesis.json"), "utf8"),
      groupPublicKey: output["group_public_key"] as string,
      port: 0,
      peers: [peer as string],
    });
    await using follower = await startKora(["--config", config, "--log-format", "json"]);
    const node: TestNode = { index: 4, folder: folder.path, process: follower };
    await untilAbove([node], (await heightOf(first)) - 1);
    for (const hash of acknowledged) await until(`${hash} on the follower`, () => receipt(node, hash));
    acknowledged.push(await transfer(node, 7));
    await checkSameChain([...network.nodes, node]);
    const [deployed, creation] = await deploy(node);
    contract = deployed;
    await until("the contract on a validator", () => receipt(first, creation));
    const { samples } = await scrape(follower, NAMES_OF.follower);
    expect(samples.get("kora_finalized_height")).toBeGreaterThan(0);
    expect([...samples.keys()].filter((name) => name.startsWith("kora_consensus_votes"))).toEqual([]);
    await checkSameAnswers(processOf(first), follower, { contract, creation });
  },
  MINUTE,
);

test(
  "operators of validators are told what dashboards rely on",
  async () => {
    for (const node of network.nodes) {
      const { samples } = await scrape(processOf(node), NAMES_OF.validator);
      const height = samples.get("kora_finalized_height") ?? 0;
      expect(await heightOf(node)).toBeGreaterThanOrEqual(height);
      expect(height).toBeGreaterThan(0);
      expect(samples.get("kora_p2p_validators")).toBe(network.nodes.length - 1);
      expect(samples.get("kora_notarization_seconds_count")).toBeGreaterThan(0);
      expect(samples.get("kora_finalization_seconds_count")).toBeGreaterThan(0);
      const status = JSON.parse((await operator(processOf(node), "/status")).body);
      const told = await ask<Record<string, unknown>>(processOf(node), "kora_nodeStatus");
      expect(Object.keys(status)).toEqual(expect.arrayContaining(Object.keys(told)));
      expect(told["finalizedHeight"]).toBeGreaterThanOrEqual(status.finalizedHeight);
      // The one that lost its journal is barred from voting for a while, and says so.
      const barred = node === third;
      const { status: code, body } = await operator(processOf(node), "/health");
      expect([node.index, code, body.includes("signing guard")]).toEqual([
        node.index,
        barred ? 503 : 200,
        barred,
      ]);
      expect(samples.get("kora_signing_guard_refusals_total") === 0).toBe(!barred);
    }
  },
  MINUTE,
);

/** Every answer that differs from `value` in one field, whatever that says; and what differs. */
function* forgeriesOf(value: unknown, path: string): Generator<[path: string, forged: unknown]> {
  if (typeof value === "string" && value.length > 40) {
    const middle = value.length >> 1;
    yield [path, `${value.slice(0, middle)}${value[middle] === "0" ? "1" : "0"}${value.slice(middle + 1)}`];
  } else if (typeof value === "string") yield [path, `${value}1`];
  else if (Array.isArray(value)) {
    for (const [at, item] of value.entries())
      for (const [where, forged] of forgeriesOf(item, `${path}.${at}`)) yield [where, value.with(at, forged)];
  } else {
    for (const [name, field] of Object.entries(value as object))
      for (const [where, forged] of forgeriesOf(field, `${path}.${name}`))
        yield [where, { ...(value as object), [name]: forged }];
    yield [`${path}.claim`, { ...(value as object), claim: "0x1" }];
  }
}

interface Anchor {
  readonly number: string;
  readonly hash: string;
  readonly certificate: string | null;
}

test(
  "proofs of state and finality from one node hold with nothing but the group key, and with nothing edited in them or beside them",
  async () => {
    using folder = temporaryFolder();
    const { group_public_key: key } = JSON.parse(readFileSync(join(first.folder, "output.json"), "utf8"));
    const genesis = JSON.parse(
      runKora(["genesis", "hash", join(first.folder, "genesis.json"), "--json"]).out,
    );
    const file = join(folder.path, "proof.json");
    const verify = (answer: unknown) => {
      writeFileSync(file, JSON.stringify(answer));
      const trust = ["--group-public-key", key, "--genesis-hash", genesis.hash];
      return runKora(["proof", "verify", file, ...trust, "--json"]);
    };
    const certified = <T>(anchorOf: (answer: T) => Anchor, method: string, ...params: unknown[]) =>
      until("a head with a certificate of its own", async () => {
        const given = await ask<T>(processOf(first), method, ...params);
        return anchorOf(given).certificate !== null && given;
      });
    const proofOf = (of: string, slots: readonly string[]) =>
      certified<{ anchor: Anchor }>(({ anchor }) => anchor, "kora_getProof", of, slots, "latest");
    const proven = (answer: unknown) => {
      const { code, out, err } = verify(answer);
      expect([code, err]).toEqual([0, ""]);
      return JSON.parse(out);
    };
    const { account } = (await proofOf(`0x${"42".repeat(20)}`, []).then(proven)).proven;
    expect(BigInt(account.balance)).toBe(parseEther(String(acknowledged.length)));
    const slots = [0, 1].map((slot) => `0x${slot.toString(16).padStart(64, "0")}`);
    const ofState = await proofOf(contract, slots);
    const values = proven(ofState).proven.slots.map(({ value }: { value: string }) => value);
    expect(values).toEqual(["0x2a", "0x"]);
    const absent = await proofOf(`0x${"77".repeat(20)}`, []);
    expect(proven(absent).proven.account).toBeNull();
    const ofBlock = await certified<Anchor>((answer) => answer, "kora_getFinalization", "latest");
    expect(proven(ofBlock)).toEqual({
      final: { number: Number(ofBlock.number), hash: ofBlock.hash, stateRoot: expect.any(String) },
      proven: null,
    });
    // What is left out is no claim, and what JSON-RPC puts around an answer is none either.
    proven({ jsonrpc: "2.0", id: 1, result: { ...ofBlock, hash: undefined } });

    const forgeries = [
      ...forgeriesOf(ofState, "state"),
      ...forgeriesOf(ofBlock, "block"),
      // A block that the anchor is too old to know, one before the account was, or none at all.
      ...["0xffffff", "0x0", "latest", -1, null].map((at) => ["number", { ...ofState, blockNumber: at }]),
      ["slots", { ...ofState, slots: 7 }],
      ["account of nobody", { ...absent, account: { nonce: "0x0" } }],
      ["no account", { ...ofState, account: null }],
      ["a list for an account", { ...ofState, account: [] }],
      ["no certificate", { ...ofBlock, certificate: null }],
      ["no anchor", { ...ofState, anchor: null }],
      ["no answer", { jsonrpc: "2.0", id: 1, result: null }],
      ["a claim around an answer", { ...ofBlock, hash: genesis.hash, result: ofBlock }],
    ];
    expect(forgeries.length).toBeGreaterThan(30);
    for (const [what, forged] of forgeries) {
      const { code, err } = verify(forged);
      expect([what, code, err.split("\n")[0]]).toEqual([what, 1, "error: the proof does not hold"]);
    }
  },
  MINUTE,
);

test(
  "nobody has seen anybody sign twice",
  async () => {
    await Promise.all(network.nodes.map((node) => network.stop(node, "SIGTERM")));
    for (const node of network.nodes) expect(evidenceIn(node)).toEqual([]);
  },
  MINUTE,
);
