// The load generator's arithmetic, its terminal lines, and what it makes of a node's refusals and silence. Whole runs
// against the compiled binary are in test/e2e/load.test.ts.
import { expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { funder, loadSenders } from "#cli/load/accounts.ts";
import { type LoadCounts, noCounts, runLoad } from "#cli/load/engine.ts";
import { firstOffer, openPrices } from "#cli/load/prices.ts";
import { prepare } from "#cli/load/setup.ts";
import { latencies, percentile } from "#cli/load/stats.ts";
import { load } from "#cli/load.ts";
import type { RpcAnswer, RpcClient } from "#cli/rpc-client.ts";
import { bar, createProgress } from "#cli/terminal.ts";
import { keccak256 } from "#crypto/hash.ts";
import { EMPTY_BYTES, fromHex, type Hex, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { ZERO_ADDRESS } from "#types/ids.ts";

test("a percentile is a sample, with at least its share at or below it", () => {
  const samples = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(samples, fc.constantFrom(0.5, 0.9, 0.99, 1), (values, share) => {
      const sorted = [...values].sort((a, b) => a - b);
      const found = percentile(sorted, share);
      expect(sorted).toContain(found);
      expect(sorted.filter((value) => value <= found).length).toBeGreaterThanOrEqual(share * sorted.length);
      expect(sorted.filter((value) => value < found).length).toBeLessThan(share * sorted.length);
    }),
  );
  expect(latencies([])).toEqual({ p50: 0, p90: 0, p99: 0, max: 0 });
});

test("progress is redrawn on a terminal, kept to steps elsewhere, and silent when quiet", () => {
  const shown = (interactive: boolean, quiet: boolean): string => {
    let text = "";
    const write = (part: string): void => {
      text += part;
    };
    const progress = createProgress({ interactive, columns: 10, write }, quiet);
    progress.step("begin");
    progress.update("0123456789abcdef");
    progress.done();
    return text;
  };
  expect(shown(false, false)).toBe("begin\n");
  expect(shown(true, true)).toBe("");
  expect(shown(true, false)).toBe("\r\u001b[2Kbegin\n\r\u001b[2K012345678\r\u001b[2K");
  expect(bar(1, 2)).toBe("[############------------] 50 %");
  expect(bar(0, 0)).toContain("100 %");
});

/** Sends so many transactions of one sender through `client` and answers what was counted. */
async function sendAll(client: RpcClient, total: number, signal: AbortSignal): Promise<LoadCounts> {
  const fees = { chainId: 1n, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n };
  const operation = () => ({ to: ZERO_ADDRESS, value: 0n, data: EMPTY_BYTES, gasLimit: 21_000n });
  const counts = noCounts();
  const senders = loadSenders(1);
  for (const sender of senders) sender.nonce = 0n;
  await runLoad(
    {
      clients: [client],
      senders,
      plan: { prices: { fees, ceiling: 2n, follow: async () => {} }, certain: false, operation },
      total,
      concurrency: 1,
      rate: undefined,
      signal,
    },
    counts,
  );
  return counts;
}
const sendOne = (client: RpcClient): Promise<LoadCounts> => sendAll(client, 1, AbortSignal.timeout(10_000));

test.each([
  ["with every sender's window full", undefined],
  ["with a full pool", "transaction pool is full"],
])("a chain that stands still in the middle of a run ends it, %s", async (_, refusal) => {
  const real = performance.now.bind(performance);
  let moved = 0;
  let sent = 0;
  const clock = spyOn(performance, "now").mockImplementation(() => real() + moved);
  const client: RpcClient = {
    url: "nowhere",
    async call(method) {
      if (method !== "eth_blockNumber") return [];
      if (sent > 0) moved += 61_000;
      return "0x0";
    },
    async batch(calls) {
      sent += calls.length;
      return calls.map(() =>
        refusal === undefined ? { result: "0x" } : { error: { code: -32000, message: refusal } },
      );
    },
  };
  const patience = AbortSignal.timeout(3_000);
  try {
    const { included, failed, problem } = await sendAll(client, 40, patience);
    expect({ included, failed, problem, gaveUp: patience.aborted }).toEqual({
      included: 0,
      failed: 16,
      problem: "the last 16 were not included within 60 s",
      gaveUp: false,
    });
  } finally {
    clock.mockRestore();
  }
});

test("what is reported is the first thing that went wrong, not what ended the run", async () => {
  let asked = 0;
  let sent = 0;
  /** Takes one transaction, refuses the other, and can tell no more blocks. */
  function answer(method: string): object {
    if (method === "eth_sendRawTransaction") {
      return ++sent === 1
        ? { result: "0x1" }
        : { error: { code: -32000, message: "exceeds block gas limit" } };
    }
    if (method === "eth_blockNumber" && ++asked > 1 && sent > 1)
      return { error: { code: -32000, message: "too late" } };
    const known: Record<string, unknown> = { eth_feeHistory: {}, eth_getBalance: "0xffffffffffffffffffffff" };
    return { result: known[method] ?? "0x0" };
  }
  interface Asked {
    readonly id: number;
    readonly method: string;
  }
  await using server = Bun.serve({
    port: 0,
    async fetch(request) {
      const body = (await request.json()) as Asked | Asked[];
      const one = ({ id, method }: Asked) => ({ jsonrpc: "2.0", id, ...answer(method) });
      return Response.json(Array.isArray(body) ? body.map(one) : one(body));
    },
  });
  let out = "";
  const flags = new Map(Object.entries({ "rpc-url": String(server.url), accounts: "2", "total-txs": "3" }));
  const code = await load({
    args: {
      flags: new Map<string, string | true>([...flags, ["concurrency", "1"], ["json", true]]),
      operands: [],
    },
    env: {},
    signal: AbortSignal.timeout(4_000),
    out: (text) => {
      out += text;
    },
    err: () => {},
    terminal: { interactive: false, columns: 80, write: () => {} },
  });
  expect(code).toBe(1);
  expect(JSON.parse(out).problem).toBe("a transaction was refused: exceeds block gas limit");
});

test.each([
  ["exceeds block gas limit", 1],
  ["transaction underpriced", 3],
])("a refusal that passes is tried again, one that stays is not: %s", async (message, tries) => {
  let asked = 0;
  const refused = (): RpcAnswer => ({
    error: { code: -32000, message: asked < 3 ? message : "nonce too low" },
  });
  const client: RpcClient = {
    url: "nowhere",
    call: async () => "0x0",
    async batch(calls) {
      asked++;
      return calls.map(refused);
    },
  };
  const counts = await sendOne(client);
  expect(counts.failed).toBe(1);
  expect(counts.problem).toContain("a transaction was refused: ");
  expect(asked).toBe(tries);
});

test("a node that does not answer in time is asked again, and what it had taken counts as sent", async () => {
  let asked = 0;
  let sent = "";
  const client: RpcClient = {
    url: "nowhere",
    call: async (method) => (method === "eth_blockNumber" ? (sent === "" ? "0x0" : "0x1") : block()),
    async batch([call]) {
      if (++asked === 1) throw new KoraError("no answer", { code: "RPC_UNREACHABLE" });
      sent = String(call?.params[0]);
      return [{ error: { code: -32000, message: "nonce too low: next nonce 1, tx nonce 0" } }];
    },
  };
  const block = () => [
    { transactionHash: sent === "" ? "" : toHex(keccak256(fromHex(sent as Hex))), status: "0x1" },
  ];
  const counts = await sendOne(client);
  expect([counts.submitted, counts.included, counts.failed]).toEqual([1, 1, 0]);
  expect(asked).toBe(2);
});

/** A chain of which only its base fee and its balances are known. */
function chainAt(baseFee: () => bigint, balance: bigint): RpcClient {
  const answers: Record<string, () => unknown> = {
    eth_chainId: () => "0x539",
    eth_feeHistory: () => ({ baseFeePerGas: ["0x1", `0x${baseFee().toString(16)}`] }),
    eth_getBalance: () => `0x${balance.toString(16)}`,
    eth_getTransactionCount: () => "0x0",
  };
  const answer = (method: string): unknown => answers[method]?.();
  return {
    url: "nowhere",
    call: async (method) => answer(method),
    batch: async (calls) => calls.map(({ method }) => ({ result: answer(method) })),
  };
}

test("what is offered follows the base fee both ways, and never beyond what accounts are funded for", async () => {
  let baseFee = 10n ** 9n;
  const client = chainAt(() => baseFee, 0n);
  const prices = openPrices(client, await firstOffer(client));
  const { ceiling } = prices;
  const first = prices.fees.maxFeePerGas;
  expect(first).toBeGreaterThan(7n * baseFee);
  expect(ceiling).toBeGreaterThan(first);
  for (const [factor, expected] of [
    [2n, (offer: bigint) => offer > first && offer > 2n * 7n * 10n ** 9n],
    [1_000n, (offer: bigint) => offer === ceiling],
    [1n, (offer: bigint) => offer === first],
  ] as const) {
    baseFee = factor * 10n ** 9n;
    await prices.follow();
    expect([factor, expected(prices.fees.maxFeePerGas)]).toEqual([factor, true]);
  }
});

test("an account that cannot pay is told what it holds and what it takes, before anything is sent", async () => {
  const client = chainAt(() => 7n, 10n ** 15n);
  const payer = funder(undefined);
  const preparing = prepare(client, "erc20", payer, loadSenders(500), 60_000, AbortSignal.timeout(10_000));
  await expect(preparing).rejects.toMatchObject({
    code: "LOAD_FUNDS",
    message: `${payer.address} cannot pay for this load`,
    why: expect.stringMatching(
      /^it holds 0\.001 ETH on this chain, and the load may cost it \d+(\.\d+)? ETH$/,
    ),
  });
});

test("a payer that can pay what is offered now is enough: it caps what is offered later, on a dear chain", async () => {
  const GWEI = 10n ** 9n;
  const [total, count, gas] = [300_000n, 50n, 220_000n];
  const first = 81n * GWEI;
  const payer = funder(undefined);
  let given = 0n;
  const client = (held: bigint): RpcClient => ({
    url: "nowhere",
    call: async (method, ...params) =>
      params[0] === payer.address
        ? `0x${held.toString(16)}`
        : chainAt(() => 10n * GWEI, 0n).call(method, ...params),
    async batch(calls) {
      // All is known once the gifts are sent: what comes after them is not this test's.
      if (calls[0]?.method === "eth_sendRawTransaction") {
        given += BigInt(calls.length);
        return calls.map(() => ({ error: { code: -32000, message: "far enough" } }));
      }
      return chainAt(() => 10n * GWEI, 0n).batch(calls);
    },
  });
  const signal = AbortSignal.timeout(10_000);
  const prepared = (held: bigint): Promise<unknown> =>
    prepare(client(held), "swap", payer, loadSenders(Number(count)), Number(total), signal);
  await expect(prepared(total * gas * first)).rejects.toMatchObject({ code: "LOAD_FUNDS" });
  expect(given).toBe(0n);
  await expect(prepared(10_000n * 10n ** 18n)).rejects.toMatchObject({ why: "far enough" });
  expect(given).toBe(count);
});

test.each([
  [1n, 1n],
  [2n, 1n],
  [100n, 4n],
])("with %d times what the first offer costs, that offer rises at most %d times", async (wealth, rise) => {
  const senders = loadSenders(10);
  const cost = 100n * 21_000n * 9n * 10n ** 9n;
  const payer = funder(undefined);
  const chain = chainAt(() => 10n ** 9n, 0n);
  let sent: string[] = [];
  const client: RpcClient = {
    url: "nowhere",
    call: async (method, ...params) =>
      params[0] === payer.address ? `0x${(wealth * 2n * cost).toString(16)}` : chain.call(method, ...params),
    batch: async (calls) =>
      calls.map(({ method, params: [raw] }) => {
        if (method === "eth_sendRawTransaction") sent = [...sent, String(raw)];
        return { result: method === "eth_getTransactionReceipt" ? { status: "0x1" } : "0x0" };
      }),
  };
  const { prices } = await prepare(client, "transfer", payer, senders, 100, AbortSignal.timeout(10_000));
  expect(sent).toHaveLength(10);
  const { ceiling, fees } = prices;
  expect(ceiling).toBeGreaterThanOrEqual(rise * fees.maxFeePerGas);
  expect(ceiling).toBeLessThanOrEqual((rise === 1n ? 2n : rise) * fees.maxFeePerGas);
});
