// From sending a transaction to its receipt, one after the other over one keep-alive connection, on the local chain of
// the compiled binary and on anvil, in turns. Medians, and their ratio. Usage:
//   bun test/bench/rpc/receipt.ts [--count 300] [--rounds 5] [--binary ./kora]
import { parseArgs } from "node:util";
import { privateKeyToAccount } from "viem/accounts";
import { koraBinary, rpc } from "../../support/kora.ts";
import { ANVIL, type Contestant, startServer } from "../../support/servers.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "300" },
    rounds: { type: "string", default: "5" },
    binary: { type: "string" },
  },
});
const count = Number(values.count);
const rounds = Number(values.rounds);
const GWEI = 10n ** 9n;
/** Key of the public test mnemonic's first account. */
const account = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

/** Signed transfers with the nonces that follow what the chain has. */
async function signed({ url }: Contestant): Promise<string[]> {
  const first = Number((await rpc(url, "eth_getTransactionCount", [account.address, "latest"])).result);
  const transactions: string[] = [];
  for (let nonce = first; nonce < first + count; nonce++) {
    const fees = { maxFeePerGas: 1_000n * GWEI, maxPriorityFeePerGas: GWEI };
    const to = `0x${nonce.toString(16).padStart(40, "0")}` as const;
    const common = { type: "eip1559", chainId: 31_337, gas: 21_000n, value: 1n } as const;
    transactions.push(await account.signTransaction({ ...common, ...fees, nonce, to }));
  }
  return transactions;
}

/** Milliseconds of each transaction: sent, then asked for until its receipt is there. */
async function measure(contestant: Contestant): Promise<number[]> {
  const transactions = await signed(contestant);
  const took: number[] = [];
  for (const raw of transactions) {
    const started = performance.now();
    const { result: hash } = await rpc(contestant.url, "eth_sendRawTransaction", [raw]);
    while ((await rpc(contestant.url, "eth_getTransactionReceipt", [hash])).result === null) {}
    took.push(performance.now() - started);
  }
  return took;
}

const contestants = [
  await startServer("kora", [values.binary ?? koraBinary(), "dev", "--port", "0", "--silent"]),
  await startServer("anvil", [ANVIL, "--port", "0"]),
];
const medians = new Map(contestants.map(({ name }) => [name, [] as number[]]));
for (const contestant of contestants) await measure(contestant);
for (let round = 0; round < rounds; round++) {
  for (const contestant of contestants) medians.get(contestant.name)?.push(median(await measure(contestant)));
}
const [kora, anvil] = contestants.map(({ name }) => median(medians.get(name) ?? [])) as [number, number];
const shown = (ms: number): string => `${ms.toFixed(2)} ms`;
console.log(
  `send to receipt, median of ${rounds} x ${count}: kora ${shown(kora)}, anvil ${shown(anvil)}, ratio ${(kora / anvil).toFixed(2)}`,
);
process.exit(0);
