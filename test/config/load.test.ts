// node.toml: what is accepted, what each mistake is told, and which source wins.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, NodeConfig } from "#config/load.ts";
import { printConfig } from "#config/print.ts";
import { allKeys } from "#config/schema.ts";
import { KoraError } from "#lib/error.ts";

const folder = mkdtempSync(join(tmpdir(), "kora-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function toml(text: string): string {
  const path = join(folder, `${files++}.toml`);
  writeFileSync(path, text);
  return path;
}

function refusal(text: string): KoraError {
  try {
    loadConfig({ file: toml(text) });
  } catch (thrown) {
    if (thrown instanceof KoraError) return thrown;
    throw thrown;
  }
  return expect.unreachable();
}

const keys = ["aa", "bb", "cc", "dd"].map((byte) => byte.repeat(32));

const SPECIFIED = `
[node]
chain_id = 1
data_dir = "/var/lib/kora"
[consensus]
validator_key = "path/to/key"
threshold = 3
participants = ${JSON.stringify(keys)}
[network]
listen_addr = "0.0.0.0:30303"
bootstrap_peers = ["peer1:30303", "pk@peer2:30303", "/ip4/1.2.3.4/tcp/5"]
[execution]
gas_limit = 30000000
block_time = 2
[rpc]
http_addr = "0.0.0.0:8545"
ws_addr = "0.0.0.0:8546"
`;

test("the specification's example loads, paths relative to the file", () => {
  const settings = NodeConfig.load(toml(SPECIFIED));
  expect(settings.node).toMatchObject({ chainId: 1, dataDir: "/var/lib/kora" });
  expect(settings.node.genesis).toBe(join(folder, "genesis.json"));
  expect(settings.consensus.validatorKey).toBe(join(folder, "path/to/key"));
  expect(settings.rpc?.httpAddr).toEqual({ host: "0.0.0.0", port: 8545 });
  expect(settings.network.bootstrapPeers).toHaveLength(3);
});

test("a section that may be left out switches its part off, an empty one on", () => {
  const without = NodeConfig.load(toml(""));
  expect([without.rpc, without.metrics]).toEqual([undefined, undefined]);
  const { rpc, metrics } = NodeConfig.load(toml("[rpc]\n[metrics]"));
  expect(rpc?.httpAddr).toEqual({ host: "127.0.0.1", port: 8545 });
  expect(metrics?.addr.port).toBe(9000);
});

test("a flag wins over the environment, the environment over the file, the file over the default", () => {
  const file = toml('[log]\nlevel = "warn"\n[execution]\nblock_time = 1');
  const env = { KORA_LOG_LEVEL: "debug", KORA_RPC_HTTP_ADDR: "[::1]:9", KORA_VECTORS: "x", PATH: "y" };
  const level = (options: object) => loadConfig({ file, ...options }).settings.log.level;
  expect(level({})).toBe("warn");
  expect(level({ env })).toBe("debug");
  expect(level({ env, flags: new Map([["log-level", "error"]]) })).toBe("error");
  const loaded = loadConfig({ file, env, flags: new Map([["execution-block-time", "0.25"]]) });
  expect(loaded.settings.execution.blockTime).toBe(0.25);
  expect(loaded.settings.rpc?.httpAddr).toEqual({ host: "::1", port: 9 });
  expect(loaded.origins.get("execution.block_time")).toBe("flag");
  expect(loaded.origins.get("execution.gas_limit")).toBe("default");
});

describe("mistakes", () => {
  test.each([
    ["[node]\nchain_idd = 1", "node.chain_idd is not a known key", "did you mean node.chain_id?"],
    ["[consenus]\nthreshold = 1", "consenus is not a known key", "did you mean consensus?"],
    ["[admin]\nsocket = 1", "admin is not a known key", "known are node, consensus, network"],
    ["[rpc]\nexplorer = true", "rpc.explorer is not a known key", "known are rpc.http_addr"],
    ["chain_id = 1", "chain_id is not a known key", "node.chain_id"],
    ["[rpc]\nblock_time = 1", "rpc.block_time is not a known key", "execution.block_time"],
    ["node = 3", "node must be a section", "write [node]"],
    ['[node]\nchain_id = "x"', 'node.chain_id cannot be "x"', "chain_id = 1"],
    ["[node]\nchain_id = -1", "node.chain_id cannot be -1", "for example"],
    [
      "[node]\nchain_id = 99999999999999999999",
      "node.chain_id cannot be 99999999999999999999",
      "for example",
    ],
    ['[rpc]\nhttp_addr = "8545"', 'rpc.http_addr cannot be "8545"', 'http_addr = "127.0.0.1:8545"'],
    ['[rpc]\nhttp_addr = "a:70000"', "rpc.http_addr cannot be", "127.0.0.1:8545"],
    ["[execution]\nblock_time = nan", "execution.block_time cannot be", "for example"],
    ["[execution]\nblock_time = 1979-05-27", "execution.block_time cannot be", "for example"],
    ['[execution]\nfee_recipient = "0x12"', "execution.fee_recipient cannot be", "0x00"],
    ['[log]\nlevel = "loud"', "log.level cannot be", "trace"],
    ['[storage]\nhistory = "some"', "storage.history cannot be", "archive"],
    [
      `[consensus]\nparticipants = ${JSON.stringify(keys)}\nthreshold = 2`,
      "consensus.threshold cannot be 2",
      "leave",
    ],
    [
      `[consensus]\nparticipants = ["${keys[0]}", "0x${keys[0]}"]`,
      "names a validator twice",
      "leave one out",
    ],
    ["[consensus]\nleader_timeout_ms = 5000", "must be above leader_timeout_ms", "raise"],
    ['[rpc]\nhttp_addr = "h:1"\nws_addr = "h:1"', "rpc.ws_addr cannot be h:1", "port of its own"],
    [
      '[network]\ndialable_addr = "peer1:30303"',
      "network.dialable_addr cannot be peer1:30303",
      "203.0.113.7",
    ],
    ['[network]\ndialable_addr = "0.0.0.0:30303"', "network.dialable_addr cannot be", "203.0.113.7"],
    ['[network]\ndialable_addr = "[::1]:0"', "network.dialable_addr cannot be [::1]:0", "203.0.113.7"],
  ])("%p", (text, message, hint) => {
    const error = refusal(text);
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(error.why).toBeString();
  });

  test("a key pasted where its file should stand is refused without being shown", () => {
    const error = refusal(`[consensus]\nvalidator_key = "${keys[0]}"`);
    expect(error.message).toBe("consensus.validator_key holds a key");
    expect(JSON.stringify([error.message, error.why, error.hint])).not.toContain(keys[0] as string);
  });

  test("broken TOML names the line", () => {
    expect(refusal("[node]\nchain_id = = 1").why).toContain("line 2");
  });

  test("a variable of a known section that names no key is a mistake", () => {
    const env = { KORA_RPC_HTP_ADDR: "h:1" };
    expect(() => loadConfig({ env })).toThrow("KORA_RPC_HTP_ADDR is not a known key");
  });
});

describe("printing", () => {
  test("what is printed loads to the same settings", () => {
    const loaded = loadConfig({ file: toml(`${SPECIFIED}[metrics]\n[log]\nlevel = "warn"`) });
    const again = loadConfig({ file: toml(printConfig(loaded)) });
    expect(again.settings).toEqual(loaded.settings);
  });

  test("every key is printed or stands as a comment", () => {
    const printed = printConfig(loadConfig({ file: toml("[rpc]\n[metrics]") }));
    for (const { path } of allKeys) expect(printed).toContain(path.split(".")[1] as string);
  });
});
