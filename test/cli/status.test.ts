// kora status against two real HTTP servers, one of them silent about what only Kora serves.
import { afterAll, expect, test } from "bun:test";
import { parseArgs } from "#cli/args.ts";
import { status } from "#cli/status.ts";
import { commands } from "#cli/table.ts";

const RESULTS: Record<string, unknown> = {
  web3_clientVersion: "kora/v1",
  eth_chainId: "0x539",
  eth_getBlockByNumber: { number: "0x10", hash: `0x${"ab".repeat(32)}` },
  net_peerCount: "0x3",
  txpool_status: { pending: "0x2", queued: "0x1" },
  eth_syncing: false,
};

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const calls = (await request.json()) as { id: number; method: string }[];
    return Response.json(
      calls.map(({ id, method }) =>
        method in RESULTS
          ? { jsonrpc: "2.0", id, result: RESULTS[method] }
          : { jsonrpc: "2.0", id, error: { code: -32601, message: "unknown" } },
      ),
    );
  },
});
afterAll(() => server.stop(true));

async function run(...argv: string[]): Promise<{ code: number; out: string }> {
  const command = commands.find(({ name }) => name === "status");
  if (command === undefined) throw new Error("no status command");
  const out: string[] = [];
  const code = await status({
    args: parseArgs(command, argv),
    env: {},
    signal: new AbortController().signal,
    out: (text) => out.push(text),
    err: () => {},
    terminal: { interactive: false, columns: 80, write: () => {} },
  });
  return { code, out: out.join("\n") };
}

test("a node that serves only part of it is shown with gaps, as text and as JSON", async () => {
  const url = `http://127.0.0.1:${server.port}`;
  const { code, out } = await run("--rpc-url", url, "--once", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual([
    expect.objectContaining({
      url,
      error: null,
      height: 16,
      chainId: 1337,
      peers: 3,
      pending: 2,
      view: null,
    }),
  ]);
  const table = await run("--rpc-url", `127.0.0.1:${server.port}`);
  expect(table.out.split("\n")).toHaveLength(2);
  expect(table.out).toContain("2+1");
});

test("a node that does not answer is a line of its own and exit code 1", async () => {
  const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = gone.port;
  await gone.stop(true);
  const { code, out } = await run("--rpc-url", `127.0.0.1:${server.port},127.0.0.1:${port}`, "--once");
  expect(code).toBe(1);
  expect(out).toContain("no answer");
  expect(out).toContain("ok");
});
