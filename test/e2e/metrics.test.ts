// What an operator scrapes from the running binary: names, types and help as dashboards expect them, and figures that
// follow what happens.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rpc, startKora, temporaryFolder, until } from "../support/kora.ts";
import { NAMES_OF, operator, scrape } from "../support/metrics.ts";

test("a local chain is measured where it is told to be; refusals and open connections are counted", async () => {
  await using kora = await startKora(["dev", "--port", "0", "--metrics-port", "0"]);
  const before = await scrape(kora, NAMES_OF.local);
  expect(before.samples.get("kora_rpc_websocket_connections")).toBe(0);
  expect(before.samples.get("kora_finalized_timestamp_seconds")).toBeGreaterThan(0);
  const socket = new WebSocket(kora.wsUrl);
  const { promise: subscribed, resolve } = Promise.withResolvers<void>();
  socket.onopen = () =>
    socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newPendingTransactions"]}');
  socket.onmessage = () => resolve();
  await subscribed;
  const [account] = (await rpc(kora.url, "eth_accounts")).result;
  await rpc(kora.url, "eth_sendTransaction", [{ from: account, to: account, value: "0x1" }]);
  for (let i = 0; i < 3; i++) await rpc(kora.url, "eth_sendRawTransaction", ["0xc0"]);
  const { samples } = await scrape(kora, NAMES_OF.local);
  const figures = {
    kora_rpc_websocket_connections: 1,
    kora_rpc_subscriptions: 1,
    'kora_txpool_rejected_total{reason="malformed"}': 3,
    'kora_rpc_requests_total{method="eth_sendRawTransaction",result="error"}': 3,
    'kora_rpc_requests_total{method="eth_accounts",result="ok"}': 1,
    kora_finalized_height: 1,
    kora_finalized_transactions_total: 1,
    kora_finalized_gas_total: 21_000,
    kora_block_execution_seconds_count: 2,
    kora_commit_seconds_count: 1,
    kora_notarization_seconds_count: 1,
    kora_finalization_seconds_count: 1,
    kora_signing_guard_refusals_total: 0,
    'kora_txpool_transactions{state="pending"}': 0,
    'kora_txpool_transactions{state="queued"}': 0,
  };
  for (const [name, value] of Object.entries(figures))
    expect([name, samples.get(name)]).toEqual([name, value]);
  socket.close();
  await until("the connection is gone", async () => {
    const now = (await scrape(kora, NAMES_OF.local)).samples;
    return now.get("kora_rpc_websocket_connections") === 0 && now.get("kora_rpc_subscriptions") === 0;
  });
}, 30_000);

test("a node alone is measured, its files too, and says where it listens without any RPC", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "genesis.json"), JSON.stringify({ chain_id: 9, allocations: [] }));
  writeFileSync(
    join(folder.path, "node.toml"),
    '[node]\ndata_dir = "data"\n[execution]\nempty_block_interval = 0.05\n[metrics]\naddr = "127.0.0.1:0"\n',
  );
  await using kora = await startKora(["--config", join(folder.path, "node.toml"), "--log-format", "json"]);
  const withoutRpc = Object.entries(NAMES_OF.alone).filter(([name]) => !name.startsWith("kora_rpc_"));
  const { samples } = await until("some blocks", async () => {
    const scraped = await scrape(kora, Object.fromEntries(withoutRpc));
    return (scraped.samples.get("kora_finalized_height") ?? 0) > 3 && scraped;
  });
  expect(samples.get('kora_database_bytes{file="chain.db"}')).toBeGreaterThan(0);
  expect(samples.get("kora_finalized_age_seconds")).toBeLessThan(30);
  expect([...samples.keys()].find((name) => name.startsWith("kora_info{"))).toMatch(
    /^kora_info\{version="\d+\.\d+\.\d+",commit="[0-9a-z]+"\}$/,
  );
  // It is its operator's listener where there is no other.
  const status = JSON.parse((await operator(kora, "/status")).body);
  expect(status).toMatchObject({ isLeader: true, peerCount: 0, ready: true, reasons: [] });
  expect(status.finalizedHeight).toBeGreaterThan(3);
  for (const [path, code] of Object.entries({ "/livez": 200, "/readyz": 200, "/health": 200, "/other": 404 }))
    expect([path, (await operator(kora, path)).status]).toEqual([path, code]);
  expect(await kora.stop("SIGINT")).toBe(0);
}, 30_000);
