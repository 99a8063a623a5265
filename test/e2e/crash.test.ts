// kill −9 in the middle of a stream of transactions, then a start on the same directory: exactly the chain that had
// been acknowledged is there, no answered hash is lost, and the chain goes on.
import { expect, test } from "bun:test";
import { parseGwei, type TransactionReceipt } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { type RunningKora, rpc, startKora, temporaryFolder, until } from "../support/kora.ts";
import { createRng } from "../support/rng.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const TARGET = "0x00000000000000000000000000000000000000dd";
const ROUNDS = 4;
const SENDERS = [0, 1, 2].map((addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));

/** What the node has told a client so far. */
interface Acknowledged {
  /** Hashes answered by eth_sendRawTransaction. */
  readonly hashes: Set<string>;
  /** Receipts by hash. */
  readonly receipts: Map<string, TransactionReceipt>;
}

async function call<T>(kora: RunningKora, method: string, params: unknown[]): Promise<T> {
  const { result, error } = await rpc(kora.url, method, params);
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** Sends transfers one after the other until the node is gone; answers how many were sent. */
async function stream(
  kora: RunningKora,
  sender: (typeof SENDERS)[number],
  told: Acknowledged,
): Promise<void> {
  try {
    let nonce = Number(await call<string>(kora, "eth_getTransactionCount", [sender.address, "pending"]));
    for (; ; nonce++) {
      const raw = await sender.signTransaction({
        type: "eip1559",
        chainId: 31_337,
        nonce,
        to: TARGET,
        value: 1n,
        gas: 21_000n,
        maxFeePerGas: parseGwei("10"),
        maxPriorityFeePerGas: 1n,
      });
      const hash = await call<string>(kora, "eth_sendRawTransaction", [raw]);
      told.hashes.add(hash);
      const receipt = await call<TransactionReceipt | null>(kora, "eth_getTransactionReceipt", [hash]);
      if (receipt !== null) told.receipts.set(hash, receipt);
    }
  } catch (thrown) {
    if (
      kora.pid > 0 &&
      !(thrown instanceof Error && /Unable to connect|socket|closed|ECONN/i.test(thrown.message))
    ) {
      throw thrown;
    }
  }
}

async function check(kora: RunningKora, told: Acknowledged): Promise<void> {
  for (const [hash, receipt] of told.receipts) {
    expect(await call<unknown>(kora, "eth_getTransactionReceipt", [hash])).toEqual(receipt);
    const block = await call<{ hash: string }>(kora, "eth_getBlockByNumber", [receipt.blockNumber, false]);
    expect(block.hash).toBe(receipt.blockHash);
  }
  for (const hash of told.hashes) {
    const receipt = await until(`${hash} is mined`, () =>
      call<TransactionReceipt | null>(kora, "eth_getTransactionReceipt", [hash]).then(
        (found) => found ?? undefined,
      ),
    );
    expect(receipt.status as string).toBe("0x1");
  }
  const balance = BigInt(await call<string>(kora, "eth_getBalance", [TARGET, "latest"]));
  expect(balance).toBeGreaterThanOrEqual(BigInt(told.hashes.size));
  // What was sent and not answered may have been taken: at most one transaction per sender and round.
  expect(balance).toBeLessThanOrEqual(BigInt(told.hashes.size + SENDERS.length * ROUNDS));
}

test.each([
  ["a block per transaction", []],
  ["a block every 20 ms", ["--block-time", "0.02"]],
])(
  "kill −9 under load loses nothing that was acknowledged: %s",
  async (_name, flags) => {
    using data = temporaryFolder();
    const seed = Math.floor(Math.random() * 2 ** 32);
    console.log(`seed ${seed}`);
    const rng = createRng(seed);
    const told: Acknowledged = { hashes: new Set(), receipts: new Map() };
    const args = ["dev", "--port", "0", "--silent", "--datadir", data.path, ...flags];
    for (let round = 0; round < ROUNDS; round++) {
      await using kora = await startKora(args);
      await check(kora, told);
      const before = told.receipts.size;
      const streams = Promise.all(SENDERS.map((sender) => stream(kora, sender, told)));
      const wanted = before + 10 + rng.below(60);
      await until("enough receipts", () => told.receipts.size >= wanted);
      await kora.stop("SIGKILL");
      await streams;
    }
    await using kora = await startKora(args);
    await check(kora, told);
    expect(told.receipts.size).toBeGreaterThan(ROUNDS * 10);
    expect(await kora.stop("SIGTERM")).toBe(0);
  },
  120_000,
);
