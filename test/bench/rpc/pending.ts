// Milliseconds of a call at `latest` and at `pending` of the compiled binary beside anvil, in turns, with nothing and with
// many transactions in the pool; and how long eth_blockNumber takes while pending blocks are built. Usage:
//   bun test/bench/rpc/pending.ts [--transactions 1000] [--rounds 30] [--binary ./kora]
import { parseArgs } from "node:util";
import { koraBinary, rpc, until } from "../../support/kora.ts";
import { ANVIL, type Contestant, startServer } from "../../support/servers.ts";

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
const { values } = parseArgs({
  options: {
    transactions: { type: "string", default: "1000" },
    rounds: { type: "string", default: "30" },
    binary: { type: "string" },
  },
});
const transactions = Number(values.transactions);
const rounds = Number(values.rounds);

const kora = await startServer("kora", [values.binary ?? koraBinary(), "dev", "--port", "0", "--no-mining"]);
const anvil = await startServer("anvil", [ANVIL, "--port", "0", "--no-mining"]);
const contestants = [kora, anvil];
const accountsOf = new Map<Contestant, readonly string[]>();
for (const each of contestants) accountsOf.set(each, (await rpc(each.url, "eth_accounts")).result);

/** Reads the clock and its own balance: what a call costs beside the building of a block. */
const CODE = "0x42475f5260205ff3";
const call = (to: string, tag: string): [string, unknown[]] => [
  "eth_call",
  [{ to }, tag, { [to]: { code: CODE } }],
];

async function send(to: Contestant, index: number): Promise<void> {
  const accounts = accountsOf.get(to) ?? [];
  const from = accounts[index % accounts.length];
  const nonce = `0x${Math.floor(index / accounts.length).toString(16)}`;
  const fields = { nonce, from, to: accounts[0], value: "0x1", gas: "0x5208", gasPrice: "0x77359400" };
  const { error } = await rpc(to.url, "eth_sendTransaction", [fields]);
  if (error !== undefined) throw new Error(`${to.name}: ${JSON.stringify(error)}`);
}

async function timed(to: Contestant, method: string, params: unknown[]): Promise<number> {
  const started = performance.now();
  const { error } = await rpc(to.url, method, params);
  if (error !== undefined) throw new Error(`${to.name} ${method}: ${JSON.stringify(error)}`);
  return performance.now() - started;
}

/** One measurement of one server; what comes before it is not timed. */
type Measure = (to: Contestant) => Promise<number>;

const quantile = (samples: readonly number[], part: number): number =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length * part)] ?? 0;

function print(what: string, who: string, samples: readonly number[]): void {
  const [median, p99] = [0.5, 0.99].map((part) => quantile(samples, part).toFixed(2).padStart(8));
  console.log(`${what.padEnd(52)} ${who.padEnd(6)} median ${median} ms, p99 ${p99} ms`);
}

async function compare(what: string, measure: Measure): Promise<void> {
  const samples = new Map<Contestant, number[]>(contestants.map((each) => [each, []]));
  for (let round = 0; round < rounds; round++) {
    for (const each of contestants) samples.get(each)?.push(await measure(each));
  }
  const of = (each: Contestant): readonly number[] => samples.get(each) ?? [];
  for (const each of contestants) print(what, each.name, of(each));
  const ratio = quantile(of(kora), 0.5) / quantile(of(anvil), 0.5);
  console.log(`${what.padEnd(52)} kora/anvil ${ratio.toFixed(2)}`);
}

const sent = new Map<Contestant, number>(contestants.map((each) => [each, transactions]));
const account = (to: Contestant): string => accountsOf.get(to)?.[1] ?? "";
/** A call at pending after one more transaction, and how long eth_blockNumber takes that is asked beside it. */
const beside: number[] = [];
const rebuilding: Measure = async (to) => {
  const index = sent.get(to) ?? 0;
  sent.set(to, index + 1);
  await send(to, index);
  const asked = timed(to, ...call(account(to), "pending"));
  if (to !== kora) return await asked;
  let done = false;
  const ended = asked.finally(() => {
    done = true;
  });
  while (!done) beside.push(await timed(kora, "eth_blockNumber", []));
  return await ended;
};

for (const each of contestants)
  for (let i = 0; i < 50; i++) await timed(each, ...call(account(each), "latest"));
await compare("eth_call latest, empty pool", (to) => timed(to, ...call(account(to), "latest")));
await compare("eth_call pending, empty pool", (to) => timed(to, ...call(account(to), "pending")));
for (const each of contestants) {
  for (let i = 0; i < transactions; i += 50) {
    await Promise.all(Array.from({ length: Math.min(50, transactions - i) }, (_, j) => send(each, i + j)));
  }
  const held = async () =>
    Number((await rpc(each.url, "txpool_status")).result.pending) === transactions || undefined;
  await until(`${each.name} to hold them all`, held);
}
const pool = `${transactions} in the pool`;
await compare(`eth_call latest, ${pool}`, (to) => timed(to, ...call(account(to), "latest")));
await compare(`eth_call pending, ${pool}, unchanged`, (to) => timed(to, ...call(account(to), "pending")));
await compare(`eth_call pending, ${pool}, one more before each`, rebuilding);
print("eth_blockNumber beside that", kora.name, beside);
process.exit(0);
