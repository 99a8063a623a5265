// kora load to its end, against the compiled binary: every kind is included as the report says, a dry run sends nothing,
// and an account that cannot pay is told so.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type RunningKora, rpc, runKora, startKora, temporaryFolder } from "../support/kora.ts";

const TOTAL = 50;
let chain: RunningKora;
beforeAll(async () => {
  chain = await startKora(["dev", "--port", "0", "--silent"]);
});
afterAll(async () => await chain[Symbol.asyncDispose]());

const load = (...args: string[]) =>
  runKora(["load", "--rpc-url", chain.url, "--total-txs", String(TOTAL), ...args]);

/** What every transaction of the chain came to, in order. */
async function statuses(): Promise<string[]> {
  const head = Number((await rpc(chain.url, "eth_blockNumber")).result);
  const all: string[] = [];
  for (let height = 1; height <= head; height++) {
    const { result } = await rpc(chain.url, "eth_getBlockReceipts", [`0x${height.toString(16)}`]);
    all.push(...result.map(({ status }: { status: string }) => status));
  }
  return all;
}

test("a dry run says what it would send, and sends nothing", async () => {
  const { code, out, err } = load("--kind", "erc20", "--dry-run");
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain(`would send ${TOTAL} transactions of kind erc20`);
  expect(await statuses()).toEqual([]);
  const waiting = await rpc(chain.url, "txpool_status");
  expect(waiting.result).toEqual({ pending: "0x0", queued: "0x0" });
});

test.each(["transfer", "erc20", "swap"])(
  "%s: all are included, the report says so, and so does the chain",
  async (kind) => {
    const before = await statuses();
    const { code, out, err } = load("--kind", kind, "--accounts", "5", "--json");
    expect([code, err]).toEqual([0, ""]);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ kind, submitted: TOTAL, included: TOTAL, failed: 0 });
    expect(report.latency.p50).toBeGreaterThan(0);
    expect(report.latency.max).toBeGreaterThanOrEqual(report.latency.p99);
    const added = (await statuses()).slice(before.length);
    expect(added.length).toBeGreaterThanOrEqual(TOTAL);
    expect(new Set(added)).toEqual(new Set(["0x1"]));
  },
  60_000,
);

test("a funding account without money is told of, with exit code 1, and nothing is sent", async () => {
  using folder = temporaryFolder();
  const key = join(folder.path, "poor.key");
  await Bun.write(key, "7".repeat(64));
  const before = await statuses();
  // Accounts that no load has funded yet.
  const { code, err } = load("--accounts", "7", "--funder-key", key);
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/^error: 0x[0-9a-f]{40} cannot pay for this load$/m),
  ]);
  expect(await statuses()).toEqual(before);
});
