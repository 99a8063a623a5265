// The compiled binary through ethers and through cast (Foundry): two clients written by other people, whose decoding
// of answers is strict in other places than viem's.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import {
  Contract,
  ContractFactory,
  getCreate2Address,
  HDNodeWallet,
  id,
  JsonRpcProvider,
  keccak256,
  NonceManager,
  parseEther,
  WebSocketProvider,
} from "ethers";
import { contracts } from "../support/contracts.ts";
import { type RunningKora, startKora, temporaryFolder, until } from "../support/kora.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const CAST = resolve(import.meta.dir, "../../node_modules/.bin/cast");
const DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

let kora: RunningKora;
let provider: JsonRpcProvider;

beforeAll(async () => {
  kora = await startKora(["dev", "--port", "0", "--silent"]);
  provider = new JsonRpcProvider(kora.url, undefined, { pollingInterval: 20, cacheTimeout: -1 });
}, 60_000);
afterAll(async () => {
  provider?.destroy();
  await kora?.[Symbol.asyncDispose]();
});

const account = (index: number) => HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${index}`);

async function deploy(name: string, signer: NonceManager, ...args: unknown[]): Promise<Contract> {
  const { abi, bytecode } = contracts[name]!;
  const made = await new ContractFactory(abi, bytecode, signer).deploy(...args);
  await made.waitForDeployment();
  return new Contract(await made.getAddress(), abi, signer);
}

describe("ethers", () => {
  const signerOf = (index: number) => new NonceManager(account(index).connect(provider));

  test("deploys, sends, reads, and understands a revert", async () => {
    const signer = signerOf(2);
    const coin = await deploy("coin", signer);
    const receipt = await (await coin["transfer"]!(account(3).address, 7n)).wait();
    expect(receipt.status).toBe(1);
    expect(receipt.logs[0].args.value).toBe(7n);
    expect(await coin["balanceOf"]!(account(3).address)).toBe(7n);
    const failure = await coin["transferFrom"]!.staticCall(account(4).address, account(3).address, 1n).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: "CALL_EXCEPTION", revert: { name: "ERC20InsufficientAllowance" } });
  }, 30_000);

  test("queries logs by topic, blocks with transactions, and fee data", async () => {
    const signer = signerOf(2);
    const probe = await deploy("probe", signer);
    for (const key of [1n, 2n, 3n]) await (await probe["store"]!(key, key * 10n)).wait();
    const found = await probe.queryFilter(probe.filters["Stored"]!(null, 2n), 0);
    expect(found.map((log) => ("args" in log ? log.args["value"] : undefined))).toEqual([20n]);
    const block = await provider.getBlock("latest", true);
    expect(block?.prefetchedTransactions[0]?.to).toBe(await probe.getAddress());
    const fees = await provider.getFeeData();
    expect(fees.maxFeePerGas).toBeGreaterThan(0n);
    expect((await provider.getNetwork()).chainId).toBe(31_337n);
  }, 30_000);

  test("sends as an unlocked account of the node, and signs with it", async () => {
    const signer = await provider.getSigner(4);
    const sent = await signer.sendTransaction({ to: account(5).address, value: parseEther("1") });
    expect((await sent.wait())?.status).toBe(1);
    const { verifyMessage } = await import("ethers");
    expect(verifyMessage("hello", await signer.signMessage("hello"))).toBe(account(4).address);
  }, 30_000);

  test("hears events over WebSocket", async () => {
    const socket = new WebSocketProvider(kora.wsUrl);
    try {
      const signer = signerOf(6);
      const probe = await deploy("probe", signer);
      const heard: bigint[] = [];
      const listening = new Contract(await probe.getAddress(), contracts["probe"]!.abi, socket);
      await listening.on("Stored", (_by, key) => heard.push(key));
      await until("the subscription delivers", async () => {
        await (await probe["store"]!(0n, 1n)).wait();
        return heard.length > 0;
      });
      await (await probe["store"]!(77n, 1n)).wait();
      await until("the event arrives", () => heard.includes(77n));
    } finally {
      await socket.destroy();
    }
  }, 30_000);
});

describe("cast", () => {
  const cast = (...args: string[]): string => {
    using home = temporaryFolder();
    const env = { ...process.env, HOME: home.path, ETH_RPC_URL: kora.url };
    const run = Bun.spawnSync([CAST, ...args], { cwd: home.path, env });
    // The package's launcher ends with 0 whatever cast says.
    if (/^error/im.test(run.stderr.toString())) throw new Error(`cast ${args.join(" ")}: ${run.stderr}`);
    return run.stdout.toString().trim();
  };
  const KEY = account(7).privateKey;

  test("sends a transaction and prints its receipt", () => {
    const receipt = JSON.parse(
      cast("send", "--json", "--private-key", KEY, account(8).address, "--value", "1ether"),
    );
    expect(receipt).toMatchObject({ status: "0x1", gasUsed: "0x5208", type: "0x2" });
    expect(cast("balance", "--ether", account(8).address)).toStartWith("10001");
    expect(JSON.parse(cast("tx", "--json", receipt.transactionHash)).hash).toBe(receipt.transactionHash);
    expect(JSON.parse(cast("block", "--json", receipt.blockHash)).hash).toBe(receipt.blockHash);
  }, 60_000);

  test("creates a contract through the CREATE2 deployer, calls it, and reads its logs and storage", () => {
    const { bytecode } = contracts["probe"]!;
    const salt = id("a salt");
    cast("send", "--private-key", KEY, DEPLOYER, `${salt}${bytecode.slice(2)}`);
    const probe = getCreate2Address(DEPLOYER, salt, keccak256(bytecode));
    cast("send", "--private-key", KEY, probe, "store(uint256,uint256)", "3", "99");
    expect(cast("call", probe, "stored(uint256)(uint256)", "3")).toBe("99");
    expect(cast("estimate", probe, "store(uint256,uint256)", "3", "98")).toMatch(/^\d+$/);
    const logs = JSON.parse(cast("logs", "--json", "--from-block", "0", "--address", probe));
    expect(logs).toHaveLength(1);
    const slot = cast("index", "uint256", "3", "0").split("\n").at(-1) as string;
    expect(BigInt(cast("storage", probe, slot))).toBe(99n);
    expect(cast("code", probe).length).toBeGreaterThan(1000);
  }, 60_000);

  test("knows the chain and its fees", () => {
    expect(cast("chain-id")).toBe("31337");
    expect(cast("client")).toStartWith("anvil/kora-v");
    expect(Number(cast("gas-price"))).toBeGreaterThan(0);
    expect(Number(cast("base-fee"))).toBeGreaterThan(0);
    expect(Number(cast("block-number"))).toBeGreaterThan(0);
    expect(cast("nonce", account(9).address)).toBe("0");
  }, 60_000);

  test("shows why a call reverts", () => {
    const { bytecode } = contracts["probe"]!;
    const created = JSON.parse(cast("send", "--json", "--private-key", KEY, "--create", bytecode));
    expect(() => cast("call", created.contractAddress, "failWithReason()")).toThrow("for a reason");
  }, 60_000);
});
