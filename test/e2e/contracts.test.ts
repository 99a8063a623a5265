// Real contracts on the compiled binary through viem: what dapps do all day, and what it leaves in logs and receipts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Account,
  type Address,
  type BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  decodeFunctionResult,
  encodeAbiParameters,
  encodeFunctionData,
  encodePacked,
  type Hex,
  http,
  keccak256,
  maxUint256,
  parseEther,
  parseEventLogs,
  webSocket,
  zeroAddress,
} from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { contracts } from "../support/contracts.ts";
import { type RunningKora, startKora, until } from "../support/kora.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const alice = mnemonicToAccount(MNEMONIC, { addressIndex: 0 });
const bob = mnemonicToAccount(MNEMONIC, { addressIndex: 1 });

let kora: RunningKora;
let reader: ReturnType<typeof createReader>;
const createReader = (url: string) =>
  createPublicClient({ chain: foundry, transport: http(url), pollingInterval: 10, cacheTime: 0 });
const walletOf = (account: Account) =>
  createWalletClient({ account, chain: foundry, transport: http(kora.url), pollingInterval: 10 });
type Wallet = ReturnType<typeof walletOf>;
let wallet: Wallet;

const abiOf = (name: string) => contracts[name]?.abi;

async function mined(hash: Hex) {
  const receipt = await reader.waitForTransactionReceipt({ hash });
  expect(receipt.status).toBe("success");
  return receipt;
}

async function deploy(name: string, args: unknown[] = []): Promise<Address> {
  const { abi, bytecode } = contracts[name]!;
  const receipt = await mined(await wallet.deployContract({ abi, bytecode, args }));
  return receipt.contractAddress!;
}

async function send(
  name: string,
  address: Address,
  functionName: string,
  args: unknown[] = [],
  value = 0n,
  by = wallet,
) {
  return mined(await by.writeContract({ abi: abiOf(name), address, functionName, args, value }));
}

// biome-ignore lint/suspicious/noExplicitAny: every contract answers something else
function view(name: string, address: Address, functionName: string, args: unknown[] = []): Promise<any> {
  return reader.readContract({ abi: abiOf(name), address, functionName, args });
}

beforeAll(async () => {
  kora = await startKora(["dev", "--port", "0", "--silent"]);
  reader = createReader(kora.url);
  wallet = walletOf(alice);
}, 60_000);
afterAll(() => kora?.[Symbol.asyncDispose]());

describe("tokens", () => {
  test("WETH9: deposit, transfer, withdraw", async () => {
    const weth = await deploy("weth");
    await send("weth", weth, "deposit", [], parseEther("3"));
    await send("weth", weth, "transfer", [bob.address, parseEther("1")]);
    await send("weth", weth, "withdraw", [parseEther("1")]);
    expect(await view("weth", weth, "balanceOf", [alice.address])).toBe(parseEther("1"));
    expect(await view("weth", weth, "balanceOf", [bob.address])).toBe(parseEther("1"));
    expect(await reader.getBalance({ address: weth })).toBe(parseEther("2"));
  }, 30_000);

  test("OpenZeppelin ERC-20: approve, transferFrom and a permit signed as typed data", async () => {
    const coin = await deploy("coin");
    await send("coin", coin, "approve", [bob.address, 5n]);
    await send("coin", coin, "transferFrom", [alice.address, bob.address, 5n], 0n, walletOf(bob));
    expect(await view("coin", coin, "balanceOf", [bob.address])).toBe(5n);
    const signature = await alice.signTypedData({
      domain: { name: "Coin", version: "1", chainId: foundry.id, verifyingContract: coin },
      types: {
        Permit: [
          { name: "owner", type: "address" },
          { name: "spender", type: "address" },
          { name: "value", type: "uint256" },
          { name: "nonce", type: "uint256" },
          { name: "deadline", type: "uint256" },
        ],
      },
      primaryType: "Permit",
      message: { owner: alice.address, spender: bob.address, value: 7n, nonce: 0n, deadline: maxUint256 },
    });
    const [r, s, v] = [
      signature.slice(0, 66),
      `0x${signature.slice(66, 130)}`,
      Number(`0x${signature.slice(130)}`),
    ];
    const permit = [alice.address, bob.address, 7n, maxUint256, v, r, s];
    await send("coin", coin, "permit", permit, 0n, walletOf(bob));
    expect(await view("coin", coin, "allowance", [alice.address, bob.address])).toBe(7n);
  }, 30_000);

  test("OpenZeppelin ERC-721: mint, transfer, and a custom error that viem decodes", async () => {
    const art = await deploy("art");
    await send("art", art, "mint", [alice.address]);
    await send("art", art, "transferFrom", [alice.address, bob.address, 1n]);
    expect(await view("art", art, "ownerOf", [1n])).toBe(bob.address);
    const missing = await view("art", art, "ownerOf", [2n]).catch((error: BaseError) =>
      error.walk((cause) => cause instanceof ContractFunctionRevertedError),
    );
    expect(missing.data.errorName).toBe("ERC721NonexistentToken");
    expect(missing.data.args).toEqual([2n]);
  }, 30_000);
});

describe("exchanges", () => {
  test("Uniswap V2: create a pair, add liquidity, swap, read the logs back", async () => {
    const weth = await deploy("weth");
    const coin = await deploy("coin");
    const factory = await deploy("uniswapV2Factory", [alice.address]);
    const router = await deploy("uniswapV2Router", [factory, weth]);
    await send("coin", coin, "approve", [router, maxUint256]);
    const [tokens, ether] = [parseEther("1000"), parseEther("10")];
    const liquidity = [coin, tokens, 0n, 0n, alice.address, maxUint256];
    await send("uniswapV2Router", router, "addLiquidityETH", liquidity, ether);
    const pair = await view("uniswapV2Factory", factory, "getPair", [weth, coin]);
    const swap = [1n, [weth, coin], bob.address, maxUint256];
    const receipt = await send("uniswapV2Router", router, "swapExactETHForTokens", swap, parseEther("1"));
    const input = parseEther("1") * 997n;
    const expected = (input * tokens) / (ether * 1000n + input);
    expect(await view("coin", coin, "balanceOf", [bob.address])).toBe(expected);
    const logs = await reader.getLogs({ address: pair, fromBlock: 0n });
    const events = parseEventLogs({ abi: abiOf("uniswapV2Pair"), logs }) as unknown as {
      eventName: string;
    }[];
    expect(events.map((event) => event.eventName)).toEqual([
      "Transfer",
      "Transfer",
      "Sync",
      "Mint",
      "Sync",
      "Swap",
    ]);
    expect(logs.at(-1)).toMatchObject({
      blockHash: receipt.blockHash,
      transactionHash: receipt.transactionHash,
    });
    expect(receipt.logs.at(-1)).toMatchObject({
      address: pair.toLowerCase(),
      logIndex: receipt.logs.length - 1,
    });
  }, 30_000);

  test("Uniswap V3 core: a pool at the address that CREATE2 gives it, initialized at a price", async () => {
    const [one, other] = [await deploy("coin"), await deploy("coin")].sort((a, b) =>
      a.toLowerCase() < b.toLowerCase() ? -1 : 1,
    );
    const factory = await deploy("uniswapV3Factory");
    const receipt = await send("uniswapV3Factory", factory, "createPool", [one, other, 3000]);
    const pool = await view("uniswapV3Factory", factory, "getPool", [one, other, 3000]);
    const words = encodeAbiParameters(
      [{ type: "address" }, { type: "address" }, { type: "uint24" }],
      [one as Address, other as Address, 3000],
    );
    const codeHash = keccak256(contracts["uniswapV3Pool"]!.bytecode);
    const place = encodePacked(
      ["bytes1", "address", "bytes32", "bytes32"],
      ["0xff", factory, keccak256(words), codeHash],
    );
    expect(pool.toLowerCase()).toBe(`0x${keccak256(place).slice(26)}`);
    expect(receipt.gasUsed).toBeGreaterThan(4_000_000n);
    await send("uniswapV3Pool", pool, "initialize", [2n ** 96n]);
    expect((await view("uniswapV3Pool", pool, "slot0"))[0]).toBe(2n ** 96n);
  }, 30_000);
});

describe("infrastructure", () => {
  test("Multicall3 answers many reads in one call", async () => {
    const at = await deploy("multicall");
    const coin = await deploy("coin");
    const call = (functionName: string, args: unknown[]) => ({
      abi: abiOf("coin"),
      address: coin,
      functionName,
      args,
    });
    const answers = await reader.multicall({
      multicallAddress: at,
      contracts: [
        call("balanceOf", [alice.address]),
        call("symbol", []),
        call("transfer", [zeroAddress, 1n]),
      ],
    });
    expect(answers.map((answer) => answer.status)).toEqual(["success", "success", "failure"]);
    expect(answers.slice(0, 2).map((answer) => answer.result)).toEqual([10n ** 24n, "COIN"]);
  }, 30_000);

  test("a Safe of one owner executes what its owner signed", async () => {
    const singleton = await deploy("safe");
    const factory = await deploy("safeFactory");
    const setup = encodeFunctionData({
      abi: abiOf("safe"),
      functionName: "setup",
      args: [[alice.address], 1n, zeroAddress, "0x", zeroAddress, zeroAddress, 0n, zeroAddress],
    });
    const receipt = await send("safeFactory", factory, "createProxyWithNonce", [singleton, setup, 1n]);
    const [created] = parseEventLogs({
      abi: abiOf("safeFactory"),
      logs: receipt.logs,
      eventName: "ProxyCreation",
    }) as unknown as { args: { proxy: Address } }[];
    const safe = created!.args.proxy;
    await mined(await wallet.sendTransaction({ to: safe, value: parseEther("2") }));
    const [to, value] = ["0x00000000000000000000000000000000000000aa" as Address, parseEther("1")];
    const body = [to, value, "0x", 0, 0n, 0n, 0n, zeroAddress, zeroAddress];
    const digest = await view("safe", safe, "getTransactionHash", [...body, 0n]);
    const signature = await alice.sign({ hash: digest });
    await send("safe", safe, "execTransaction", [...body, signature]);
    expect(await reader.getBalance({ address: to })).toBe(value);
  }, 30_000);

  test("CREATE2 through the deployer that everybody knows", async () => {
    const deployer = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
    const salt = `0x${"07".repeat(32)}` as Hex;
    const { bytecode } = contracts["probe"]!;
    await mined(await wallet.sendTransaction({ to: deployer, data: `${salt}${bytecode.slice(2)}` }));
    const place = encodePacked(
      ["bytes1", "address", "bytes32", "bytes32"],
      ["0xff", deployer, salt, keccak256(bytecode)],
    );
    const code = await reader.getCode({ address: `0x${keccak256(place).slice(26)}` });
    expect(code?.length).toBeGreaterThan(1000);
  }, 30_000);
});

describe("transactions", () => {
  test("EIP-7702: an account runs a contract's code as its own", async () => {
    const probe = await deploy("probe");
    const carol = privateKeyToAccount(`0x${"0c".repeat(32)}`);
    const authorization = await walletOf(carol).signAuthorization({ contractAddress: probe });
    const data = encodeFunctionData({ abi: abiOf("probe"), functionName: "store", args: [1n, 42n] });
    const receipt = await mined(
      await wallet.sendTransaction({ to: carol.address, data, authorizationList: [authorization] }),
    );
    expect(receipt.type).toBe("eip7702");
    expect(await reader.getCode({ address: carol.address })).toBe(
      `0xef0100${probe.slice(2).toLowerCase()}` as Hex,
    );
    expect(await view("probe", carol.address, "stored", [1n])).toBe(42n);
    expect(await view("probe", probe, "stored", [1n])).toBe(0n);
  }, 30_000);

  test("an access list is made, used, and costs what it should", async () => {
    const probe = await deploy("probe");
    const data = encodeFunctionData({ abi: abiOf("probe"), functionName: "store", args: [2n, 3n] });
    const made = await reader.createAccessList({ account: alice, to: probe, data });
    expect(made.accessList[0]?.address.toLowerCase()).toBe(probe.toLowerCase());
    expect(made.accessList[0]?.storageKeys).toHaveLength(1);
    const receipt = await mined(
      await wallet.sendTransaction({ to: probe, data, accessList: made.accessList, type: "eip2930" }),
    );
    expect(receipt.type).toBe("eip2930");
    expect(receipt.gasUsed).toBe(made.gasUsed);
  }, 30_000);

  test("a plain transfer is estimated at 21000 and leaves a right receipt", async () => {
    const to = "0x00000000000000000000000000000000000000bb";
    expect(await reader.estimateGas({ account: alice, to, value: 1n })).toBe(21_000n);
    const receipt = await mined(await wallet.sendTransaction({ to, value: 5n }));
    expect(receipt).toMatchObject({ gasUsed: 21_000n, type: "eip1559", to, logs: [], transactionIndex: 0 });
    const block = await reader.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
    expect(block.transactions.map((transaction) => transaction.hash)).toEqual([receipt.transactionHash]);
    expect(block.gasUsed).toBe(21_000n);
  }, 30_000);

  test("reverts carry their reason, custom error or panic", async () => {
    const probe = await deploy("probe");
    const reverted = (functionName: string, args: unknown[]) =>
      view("probe", probe, functionName, args).then(
        () => expect.unreachable(),
        (error: BaseError) =>
          error.walk(
            (cause) => cause instanceof ContractFunctionRevertedError,
          ) as ContractFunctionRevertedError,
      );
    expect((await reverted("failWithReason", [])).reason).toBe("for a reason");
    expect((await reverted("failWithError", [3n])).data).toMatchObject({
      errorName: "TooLow",
      args: [3n, 10n],
    });
    expect((await reverted("failWithPanic", [0n])).data?.errorName).toBe("Panic");
    const hash = await wallet.writeContract({
      abi: abiOf("probe"),
      address: probe,
      functionName: "failWithError",
      args: [1n],
      gas: 100_000n,
    });
    expect((await reader.waitForTransactionReceipt({ hash })).status).toBe("reverted");
  }, 30_000);

  test("state overrides let a call see code that is nowhere", async () => {
    const { bytecode } = contracts["probe"]!;
    const at = "0x00000000000000000000000000000000000000cc";
    const runtime = await reader.call({ data: bytecode });
    const data = encodeFunctionData({ abi: abiOf("probe"), functionName: "stored", args: [9n] });
    const slot = keccak256(encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }], [9n, 0n]));
    const answer = await reader.call({
      to: at,
      data,
      stateOverride: [
        { address: at, code: runtime.data!, stateDiff: [{ slot, value: `0x${"00".repeat(31)}2a` }] },
      ],
    });
    expect(decodeFunctionResult({ abi: abiOf("probe"), functionName: "stored", data: answer.data! })).toBe(
      42n,
    );
    expect(await reader.getCode({ address: at })).toBeUndefined();
  }, 30_000);

  test("old state stays readable at every block", async () => {
    const probe = await deploy("probe");
    const blocks: bigint[] = [];
    for (const value of [1n, 2n, 3n]) {
      blocks.push((await send("probe", probe, "store", [5n, value])).blockNumber);
    }
    const read = (blockNumber: bigint) =>
      reader.readContract({
        abi: abiOf("probe"),
        address: probe,
        functionName: "stored",
        args: [5n],
        blockNumber,
      });
    expect(await Promise.all(blocks.map(read))).toEqual([1n, 2n, 3n]);
    expect(await read((blocks[0] as bigint) - 1n)).toBe(0n);
  }, 30_000);
});

test("events and blocks arrive over WebSocket as they happen", async () => {
  const transport = webSocket(kora.wsUrl, { reconnect: false, keepAlive: false });
  const socket = createPublicClient({ chain: foundry, transport });
  const probe = await deploy("probe");
  const values: bigint[] = [];
  const heads: bigint[] = [];
  const stopEvents = socket.watchContractEvent({
    abi: abiOf("probe"),
    address: probe,
    eventName: "Stored",
    onLogs: (logs) => {
      for (const log of logs as unknown as { args: { value: bigint } }[]) values.push(log.args.value);
    },
  });
  const stopBlocks = socket.watchBlocks({ onBlock: (block) => heads.push(block.number) });
  // The subscriptions are there once the first write comes back through both of them.
  await until("both subscriptions deliver", async () => {
    await send("probe", probe, "store", [0n, 0n]);
    return values.length > 0 && heads.length > 0;
  });
  const [seenValues, seenHeads] = [values.length, heads.length];
  for (const value of [1n, 2n, 3n]) await send("probe", probe, "store", [value, value]);
  await until("three events", () => values.length === seenValues + 3);
  await until("three blocks", () => heads.length >= seenHeads + 3);
  expect(values.slice(seenValues)).toEqual([1n, 2n, 3n]);
  expect(heads).toEqual(heads.map((_, index) => (heads[0] as bigint) + BigInt(index)));
  stopEvents();
  stopBlocks();
}, 60_000);
