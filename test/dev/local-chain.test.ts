// The local chain: when blocks come, what a sender can believe when its call returns, and its methods.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JournalFile } from "#chain/pool-journal.ts";
import { DEV_POOL_OPTIONS } from "#chain/pool-types.ts";
import { keccak256 } from "#crypto/hash.ts";
import { TEST_MNEMONIC } from "#crypto/mnemonic.ts";
import { publicKeyToAddress, recoverPublicKey } from "#crypto/secp256k1.ts";
import { createDevAccounts, personalDigest } from "#dev/accounts.ts";
import { devGenesis } from "#dev/genesis.ts";
import { createLocalChain, type LocalChain } from "#dev/local-chain.ts";
import { createDevMethods, type DevMethods, instanceIdOf } from "#dev/methods.ts";
import type { MiningMode } from "#dev/miner.ts";
import { bytesToBigint, EMPTY_BYTES, fromHex, toHex, utf8 } from "#lib/bytes.ts";
import { address, type Hash, height } from "#types/ids.ts";
import { encodeTransaction } from "#types/transaction.ts";
import {
  GWEI,
  openTestChain,
  type TestChain,
  testAddress,
  testGenesis,
  testMakeBlock,
  transfer,
} from "../support/chain.ts";

const AUTOMINE: MiningMode = { automine: true, interval: undefined };
const MANUAL: MiningMode = { automine: false, interval: undefined };
const accounts = createDevAccounts(TEST_MNEMONIC, 10);

/** Timers that fire when told. */
function handTimers() {
  const waiting = new Set<{ readonly milliseconds: number; readonly call: () => void }>();
  return {
    waiting,
    after(milliseconds: number, call: () => void) {
      const entry = { milliseconds, call };
      waiting.add(entry);
      return () => void waiting.delete(entry);
    },
    fire() {
      const due = [...waiting];
      waiting.clear();
      for (const { call } of due) call();
    },
  };
}

interface Setup {
  readonly chain: TestChain;
  readonly local: LocalChain;
  readonly timers: ReturnType<typeof handTimers>;
  readonly methods: DevMethods;
  readonly wall: { now: number };
  /** What a request with the data 0xstuck waits for before it is filled. */
  readonly stuck: PromiseWithResolvers<void>;
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function setUp(mode: MiningMode, directory?: string, journal?: JournalFile): Setup {
  const addresses = [...accounts.addresses, ...Array.from({ length: 5 }, (_, i) => testAddress(i))];
  const genesis = devGenesis({ addresses, timestamp: 1_000 });
  const chain = openTestChain({
    genesis,
    pool: DEV_POOL_OPTIONS,
    ...(directory !== undefined && { directory }),
    ...(journal !== undefined && { journal }),
  });
  const timers = handTimers();
  const wall = { now: 2_000 };
  const fail = (error: unknown): never => {
    throw error;
  };
  const local = createLocalChain({
    chain,
    state: chain.state,
    makeBlock: testMakeBlock(chain),
    mode,
    wall: () => wall.now,
    timers,
    fail,
  });
  const instanceId = instanceIdOf(chain.state.notes, () => crypto.getRandomValues(new Uint8Array(32)));
  const identity = { clientVersion: "anvil/kora-v0.0.0", version: "0.0.0", commit: "0000000", instanceId };
  const stuck = Promise.withResolvers<void>();
  const fill = async (request: Readonly<Record<string, unknown>>): Promise<Uint8Array> => {
    if (request["data"] === "0xstuck") await stuck.promise;
    const from = address(String(request["from"]));
    return encodeTransaction({
      type: 2,
      chainId: 31337n,
      nonce: chain.pool.nextNonce(from),
      maxFeePerGas: 10n * GWEI,
      maxPriorityFeePerGas: GWEI,
      gasLimit: 21_000n,
      to: address(String(request["to"])),
      value: BigInt(String(request["value"] ?? 0)),
      data: EMPTY_BYTES,
      accessList: [],
      signature: { yParity: 0, r: 0n, s: 0n },
    });
  };
  const methods = createDevMethods({ chain, local, accounts, identity, fill });
  cleanUps.push(
    () => chain.close(),
    () => local[Symbol.asyncDispose](),
  );
  return { chain, local, timers, methods, wall, stuck };
}

const headOf = ({ chain }: Setup): number => chain.state.head().height;
const call = (setup: Setup, name: string, ...parameters: unknown[]): unknown =>
  setup.methods[name]?.(parameters);

test("automine: the receipt is there when the send answers", async () => {
  const setup = setUp(AUTOMINE);
  for (let nonce = 0; nonce < 3; nonce++) {
    const signed = transfer({ from: 0, nonce });
    expect(await setup.local.submit(signed.raw)).toMatchObject({ kind: "accepted", hash: signed.hash });
    const place = setup.chain.history.transaction(signed.hash);
    expect(place).toEqual({ height: height(nonce + 1), index: 0 });
    expect(setup.chain.history.receipt(place!.height, 0)?.status).toBe(true);
  }
});

test("a block that cannot be made durable stops the node, whoever asked for it", async () => {
  const chain = openTestChain({ genesis: devGenesis({ addresses: [testAddress(0)], timestamp: 1_000 }) });
  const failures: unknown[] = [];
  const full = new Error("disk I/O error");
  await using local = createLocalChain({
    chain,
    state: chain.state,
    makeBlock: () => {
      throw full;
    },
    mode: AUTOMINE,
    wall: () => 2_000,
    timers: handTimers(),
    fail: (error) => failures.push(error),
  });
  await expect(local.submit(transfer({ from: 0, nonce: 0 }).raw)).rejects.toBe(full);
  await expect(local.miner.mine(1)).rejects.toBe(full);
  expect(failures).toEqual([full, full]);
  cleanUps.push(() => chain.close());
});

test("automine: concurrent sends all have receipts, in fewer blocks than sends", async () => {
  const setup = setUp(AUTOMINE);
  const all = Array.from({ length: 40 }, (_, i) => transfer({ from: i % 4, nonce: Math.floor(i / 4) }));
  await Promise.all(all.map(({ raw }) => setup.local.submit(raw)));
  for (const { hash } of all) expect(setup.chain.history.transaction(hash)).toBeDefined();
  expect(headOf(setup)).toBeLessThan(40);
  expect(setup.chain.pool.status()).toMatchObject({ pending: 0, queued: 0 });
});

test("automine: a transaction behind a gap waits, and is mined with the one that closes it", async () => {
  const setup = setUp(AUTOMINE);
  const late = transfer({ from: 0, nonce: 1 });
  await setup.local.submit(late.raw);
  expect(headOf(setup)).toBe(0);
  expect(setup.chain.pool.status()).toMatchObject({ pending: 0, queued: 1 });
  await setup.local.submit(transfer({ from: 0, nonce: 0 }).raw);
  expect(setup.chain.history.transaction(late.hash)).toEqual({ height: height(1), index: 1 });
});

test("automine: what the block gas limit keeps out of one block goes into the next", async () => {
  const setup = setUp(AUTOMINE);
  const gas = 29_990_000n;
  const all = [0, 1, 2].map((from) => transfer({ from, nonce: 0, gas }));
  await Promise.all(all.map(({ raw }) => setup.local.submit(raw)));
  const heights = all.map(({ hash }) => Number(setup.chain.history.transaction(hash)?.height));
  expect(heights.sort()).toEqual([1, 2, 3]);
});

test("manual: nothing happens until a block is asked for", async () => {
  const setup = setUp(MANUAL);
  const signed = transfer({ from: 0, nonce: 0 });
  await setup.local.submit(signed.raw);
  expect(headOf(setup)).toBe(0);
  expect(await call(setup, "evm_mine")).toBe("0x0");
  expect(setup.chain.history.transaction(signed.hash)).toBeDefined();
  expect(await call(setup, "anvil_mine", "0x3", "0xa")).toBeNull();
  expect(headOf(setup)).toBe(4);
  const times = [1, 2, 3, 4].map((n) => setup.chain.history.block(height(n))!.header.timestamp);
  expect(times).toEqual([2_000, 2_010, 2_020, 2_030]);
});

test("timestamps rise strictly, also when the clock stands still", async () => {
  const setup = setUp(MANUAL);
  await call(setup, "anvil_mine", 3);
  const times = [1, 2, 3].map((n) => setup.chain.history.block(height(n))!.header.timestamp);
  expect(times).toEqual([2_000, 2_001, 2_002]);
});

test("evm_mine takes a timestamp, refuses the past, and time goes on from it", async () => {
  const setup = setUp(MANUAL);
  await call(setup, "evm_mine", 5_000);
  expect(setup.chain.ledger.tip().header.timestamp).toBe(5_000);
  await expect(call(setup, "evm_mine", 4_000)).rejects.toMatchObject({ code: "INVALID_PARAMS" });
  setup.wall.now += 7;
  await call(setup, "evm_mine", { blocks: 1 });
  expect(setup.chain.ledger.tip().header.timestamp).toBe(5_007);
});

test("interval: blocks come with the timer, empty ones too, until it is switched off", async () => {
  const setup = setUp({ automine: false, interval: 1_000 });
  for (let expected = 1; expected <= 3; expected++) {
    expect([...setup.timers.waiting].map(({ milliseconds }) => milliseconds)).toEqual([1_000]);
    setup.timers.fire();
    while (setup.timers.waiting.size === 0) await Bun.sleep(1);
    expect(headOf(setup)).toBe(expected);
  }
  expect(call(setup, "evm_setIntervalMining", 0)).toBe(true);
  expect(setup.timers.waiting.size).toBe(0);
  expect(call(setup, "anvil_getIntervalMining")).toBeNull();
  expect(call(setup, "evm_setIntervalMining", "0x5")).toBe(true);
  // A timer beyond 2^31 - 1 ms goes off at once, for ever.
  expect(() => call(setup, "evm_setIntervalMining", 3_000_000)).toThrow("too long");
  expect(call(setup, "anvil_getIntervalMining")).toBe(5);
  expect([...setup.timers.waiting].map(({ milliseconds }) => milliseconds)).toEqual([5_000]);
});

test("switching automine on mines what waits", async () => {
  const setup = setUp(MANUAL);
  const signed = transfer({ from: 0, nonce: 0 });
  await setup.local.submit(signed.raw);
  expect(call(setup, "evm_setAutomine", true)).toBe(true);
  await setup.local.miner.settle();
  expect(setup.chain.history.transaction(signed.hash)).toBeDefined();
  expect(call(setup, "hardhat_getAutomine")).toBe(true);
});

test("mixed: at once and at intervals", async () => {
  const setup = setUp({ automine: true, interval: 500 });
  await setup.local.submit(transfer({ from: 0, nonce: 0 }).raw);
  expect(headOf(setup)).toBe(1);
  setup.timers.fire();
  while (setup.timers.waiting.size === 0) await Bun.sleep(1);
  expect(headOf(setup)).toBe(2);
});

test("unlocked accounts: concurrent sends get nonces of their own, strangers are refused", async () => {
  const setup = setUp(AUTOMINE);
  const from = accounts.addresses[0]!;
  expect(call(setup, "eth_accounts")).toEqual(accounts.addresses);
  const request = { from, to: testAddress(70), value: "0x1" };
  const hashes = await Promise.all([1, 2, 3, 4].map(() => call(setup, "eth_sendTransaction", request)));
  expect(new Set(hashes).size).toBe(4);
  expect(setup.chain.state.latest().account(testAddress(70))?.balance).toBe(4n);
  await expect(
    call(setup, "eth_sendTransaction", { ...request, from: testAddress(0) }),
  ).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: "unknown account",
  });
});

test("a transaction that takes long to fill holds up its own account alone", async () => {
  const setup = setUp(AUTOMINE);
  const [slow, other] = accounts.addresses;
  const to = testAddress(71);
  const first = call(setup, "eth_sendTransaction", { from: slow, to, data: "0xstuck" }) as Promise<string>;
  const second = call(setup, "eth_sendTransaction", { from: slow, to }) as Promise<string>;
  const answered = await call(setup, "eth_sendTransaction", { from: other, to });
  expect(setup.chain.history.transaction(answered as Hash)).toEqual({ height: height(1), index: 0 });
  setup.stuck.resolve();
  const nonces = [await first, await second].map((each) => {
    const at = setup.chain.history.transaction(each as Hash);
    return setup.chain.history.block(at!.height)?.transactions[at!.index]?.tx.nonce;
  });
  expect(nonces).toEqual([0n, 1n]);
});

test("what is signed recovers to the account, v as 27 or 28", () => {
  const setup = setUp(MANUAL);
  const from = accounts.addresses[3]!;
  const recovered = (signature: unknown, digest: Uint8Array) => {
    const bytes = fromHex(String(signature));
    const [r, s] = [bytesToBigint(bytes.subarray(0, 32)), bytesToBigint(bytes.subarray(32, 64))];
    return publicKeyToAddress(recoverPublicKey(digest, { r, s, yParity: bytes[64]! - 27 })!);
  };
  const message = "hello";
  const digest = keccak256(utf8(`\x19Ethereum Signed Message:\n5${message}`));
  expect(personalDigest(utf8(message))).toEqual(digest);
  expect(recovered(call(setup, "personal_sign", toHex(utf8(message)), from), digest)).toBe(from);
  expect(recovered(call(setup, "eth_sign", from, message), digest)).toBe(from);
});

test("what is mined at once is not journalled, what waits is before its hash is answered", async () => {
  const written: Uint8Array[] = [];
  const journal: JournalFile = {
    read: () => new Uint8Array(0),
    append: async (bytes) => void written.push(bytes),
    replace: async () => undefined,
  };
  const setup = setUp(AUTOMINE, undefined, journal);
  await setup.local.submit(transfer({ from: 0, nonce: 0 }).raw);
  expect(written.length).toBe(0);
  await setup.local.submit(transfer({ from: 0, nonce: 2 }).raw);
  expect(written.length).toBe(1);
  call(setup, "evm_setAutomine", false);
  await setup.local.submit(transfer({ from: 1, nonce: 0 }).raw);
  expect(written.length).toBe(2);
});

test("README names exactly the methods that a local chain has beside others", () => {
  const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
  const table = readme.slice(readme.indexOf("| local chain |")).split("\n\n", 1)[0] ?? "";
  const named = [...table.matchAll(/`([a-zA-Z]+_\w+)`/g)].map(([, name]) => name);
  expect(named.sort()).toEqual(Object.keys(setUp(MANUAL).methods).sort());
});

test("it says that it is an anvil, with an instance id that outlives a restart", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kora-dev-"));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  const first = setUp(AUTOMINE, directory);
  await first.local.submit(transfer({ from: 0, nonce: 0 }).raw);
  const before = call(first, "hardhat_metadata") as Record<string, unknown>;
  await first.local[Symbol.asyncDispose]();
  first.chain.close();
  cleanUps.splice(1);
  const second = setUp(AUTOMINE, directory);
  expect(call(second, "anvil_metadata")).toEqual(before);
  expect(call(second, "anvil_nodeInfo")).toMatchObject({
    currentBlockNumber: "0x1",
    hardFork: "osaka",
    transactionOrder: "fees",
    environment: { chainId: 31337 },
  });
  expect(testGenesis().dev).toBe(true);
});
