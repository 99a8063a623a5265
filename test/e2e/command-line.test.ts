// Starting, stopping and refusing to start, as an operator meets them with the compiled binary in an empty folder.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rpc, runKora, startKora, temporaryFolder, until } from "../support/kora.ts";

/** Three lines, a code, and no stack trace. */
function expectRefusal(run: { code: number; err: string }, code: number, ...words: string[]): void {
  const lines = run.err.trim().split("\n");
  expect(lines.map((line) => line.slice(0, 7))).toEqual(["error: ", "  why: ", "  try: "]);
  for (const word of words) expect(run.err).toContain(word);
  expect(run.err).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(run.code).toBe(code);
}

const GENESIS = {
  config: {
    chainId: 4242,
    homesteadBlock: 0,
    eip150Block: 0,
    eip155Block: 0,
    eip158Block: 0,
    byzantiumBlock: 0,
    constantinopleBlock: 0,
    petersburgBlock: 0,
    istanbulBlock: 0,
    berlinBlock: 0,
    londonBlock: 0,
    terminalTotalDifficulty: 0,
    shanghaiTime: 0,
    cancunTime: 0,
    pragueTime: 0,
  },
  difficulty: "0x0",
  gasLimit: "0x1c9c380",
  timestamp: "0x65000000",
  alloc: { "00000000000000000000000000000000000000ee": { balance: "0x1234" } },
};

describe("kora dev", () => {
  test("lists its accounts and keys, warns that they are public, and says where it listens", async () => {
    await using kora = await startKora(["dev", "--port", "0", "--accounts", "3"]);
    const shown = kora.out() + kora.err();
    expect(shown).toContain("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    expect(shown).toContain("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    expect(shown).toMatch(/public|known to everyone/i);
    expect(kora.port).toBeGreaterThan(0);
    expect((await rpc(kora.url, "eth_accounts")).result).toHaveLength(3);
  }, 30_000);

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it cleanly",
    async (signal) => {
      using data = temporaryFolder();
      await using kora = await startKora(["dev", "--port", "0", "--silent", "--datadir", data.path]);
      const started = performance.now();
      expect(await kora.stop(signal)).toBe(0);
      expect(performance.now() - started).toBeLessThan(10_000);
      expect(readdirSync(data.path)).toContain("chain.db");
    },
    30_000,
  );

  test("without --datadir nothing is left behind", async () => {
    using folder = temporaryFolder();
    await using kora = await startKora(["dev", "--port", "0", "--silent"], { cwd: folder.path });
    await kora.stop();
    expect(readdirSync(folder.path)).toEqual([]);
  }, 30_000);

  test("flags reach the chain: accounts, balance, chain id, gas limit, base fee, timestamp", async () => {
    const flags =
      "--accounts 2 --balance 7 --chain-id 99 --gas-limit 12345678 --base-fee 5 --timestamp 1700000000";
    await using kora = await startKora(["dev", "--port", "0", "--silent", ...flags.split(" ")]);
    const ask = async (method: string, ...params: unknown[]) => (await rpc(kora.url, method, params)).result;
    expect(Number(await ask("eth_chainId"))).toBe(99);
    const [account] = await ask("eth_accounts");
    expect(BigInt(await ask("eth_getBalance", account, "latest"))).toBe(7n * 10n ** 18n);
    const genesis = await ask("eth_getBlockByNumber", "0x0", false);
    expect(Number(genesis.gasLimit)).toBe(12_345_678);
    expect(Number(genesis.baseFeePerGas)).toBe(5);
    expect(Number(genesis.timestamp)).toBe(1_700_000_000);
  }, 30_000);

  test("a second process on the directory is refused", async () => {
    using data = temporaryFolder();
    await using _kora = await startKora(["dev", "--port", "0", "--silent", "--datadir", data.path]);
    expectRefusal(runKora(["dev", "--port", "0", "--datadir", data.path]), 3, data.path, "another process");
  }, 30_000);

  test("a port in use is refused, and the directory stays free", async () => {
    using data = temporaryFolder();
    await using kora = await startKora(["dev", "--port", "0", "--silent"]);
    const port = String(kora.port);
    expectRefusal(
      runKora(["dev", "--port", port, "--datadir", data.path]),
      1,
      port,
      "another process listens",
    );
    await using _again = await startKora(["dev", "--port", "0", "--silent", "--datadir", data.path]);
  }, 30_000);

  test("a directory that cannot be made is refused", () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "file"), "");
    expectRefusal(
      runKora(["dev", "--port", "0", "--datadir", join(folder.path, "file/data")]),
      1,
      "data directory",
    );
  }, 30_000);

  test("an unwritable directory is refused", () => {
    // Where nobody may make anything, not even root.
    expectRefusal(runKora(["dev", "--port", "0", "--datadir", "/proc/kora"]), 1, "data directory");
  }, 30_000);

  test("a directory of another chain is refused", async () => {
    using data = temporaryFolder();
    const args = ["dev", "--port", "0", "--silent", "--datadir", data.path];
    {
      await using kora = await startKora([...args, "--timestamp", "1700000000"]);
      await kora.stop();
    }
    expectRefusal(runKora([...args, "--chain-id", "5"]), 3, "another chain");
  }, 30_000);

  test("a damaged database is refused", async () => {
    using data = temporaryFolder();
    writeFileSync(join(data.path, "chain.db"), "this is not a database, whatever its name says".repeat(100));
    expectRefusal(runKora(["dev", "--port", "0", "--datadir", data.path]), 3, "chain.db");
  }, 30_000);

  test.each([
    [["--port", "70000"], "--port cannot be"],
    [["--accounts", "x"], "--accounts cannot be"],
    [["--mnemonic", "not a mnemonic"], "mnemonic"],
    [["--hardfork", "prag"], "prague"],
    [["--init", "/nowhere.json"], "/nowhere.json"],
    [["--blocktime", "1"], "did you mean --block-time?"],
    [["surprise"], "unexpected argument"],
  ])(
    "%p is a wrong use",
    (flags, words) => {
      expectRefusal(runKora(["dev", ...flags]), 2, words);
    },
    30_000,
  );
});

describe("kora --config", () => {
  function writeConfig(folder: string, extra = ""): string {
    writeFileSync(join(folder, "genesis.json"), JSON.stringify(GENESIS));
    const file = join(folder, "node.toml");
    const text = `[node]\nchain_id = 4242\ndata_dir = "data"\n[execution]\nblock_time = 0.05\n[rpc]\nhttp_addr = "127.0.0.1:0"\n`;
    writeFileSync(file, text + extra);
    return file;
  }

  test("runs a single node from a configuration and a genesis file, and resumes", async () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path, '[metrics]\naddr = "127.0.0.1:0"\n');
    let genesisHash = "";
    for (const _start of ["first", "second"]) {
      await using kora = await startKora(["--config", file, "--log-format", "json"]);
      const ask = async (method: string, ...params: unknown[]) =>
        (await rpc(kora.url, method, params)).result;
      expect(Number(await ask("eth_chainId"))).toBe(4242);
      expect(await ask("web3_clientVersion")).toStartWith("kora/v");
      expect(BigInt(await ask("eth_getBalance", `0x${"00".repeat(19)}ee`, "latest"))).toBe(0x1234n);
      const { hash } = await ask("eth_getBlockByNumber", "0x0", false);
      if (genesisHash !== "") expect(hash).toBe(genesisHash);
      genesisHash = hash;
      expect((await rpc(kora.url, "anvil_nodeInfo")).error.code).toBe(-32_601);
      for (const line of kora.err().trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
      expect(await kora.stop()).toBe(0);
    }
    expect(existsSync(join(folder.path, "data/chain.db"))).toBe(true);
    const printed = runKora(["genesis", "hash", join(folder.path, "genesis.json")]);
    expect(printed.out).toContain(genesisHash);
  }, 60_000);

  test("keeps the window of history that it is told to, and listens twice if it is told to", async () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path, "[storage]\nhistory = 8\n");
    const flags = ["--execution-block-time", "0.01", "--execution-empty-block-interval", "0.01"];
    await using kora = await startKora(["--config", file, ...flags, "--rpc-ws-addr", "127.0.0.1:0"]);
    const [, second] = await until("two listeners", () => {
      const ports = [...kora.out().matchAll(/^Listening on 127\.0\.0\.1:(\d+)$/gm)].map((match) => match[1]);
      return ports.length === 2 && ports;
    });
    const refused = await until("old state is let go", async () => {
      const { error } = await rpc(`http://127.0.0.1:${second}`, "eth_getBalance", [
        `0x${"00".repeat(20)}`,
        "0x1",
      ]);
      return error !== undefined && error.code === 4444 && error;
    });
    const oldest = Number(/\d+/.exec(refused.message)?.[0]);
    const { result: head } = await rpc(kora.url, "eth_blockNumber");
    expect(Number(head) - oldest).toBeGreaterThanOrEqual(0);
    expect((await rpc(kora.url, "eth_getBalance", [`0x${"00".repeat(20)}`, "latest"])).result).toBe("0x0");
  }, 60_000);

  test("another genesis on the same data is refused", async () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path);
    {
      await using kora = await startKora(["--config", file]);
      await kora.stop();
    }
    writeFileSync(join(folder.path, "genesis.json"), JSON.stringify({ ...GENESIS, timestamp: "0x65000001" }));
    expectRefusal(runKora(["--config", file]), 3, "another chain");
  }, 60_000);

  test("a chain id that is not the genesis file's is refused", () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path);
    expectRefusal(runKora(["--config", file, "--chain-id", "1"]), 2, "4242");
  }, 60_000);

  test("a missing genesis file is refused", () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path);
    expectRefusal(runKora(["--config", file, "--node-genesis", "/nowhere.json"]), 2, "/nowhere.json");
  }, 60_000);

  test("paths in the file are relative to it, not to where it is started", () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "sub"));
    const file = writeConfig(folder.path);
    const { code, out } = runKora(["config", "print", "--config", file], { cwd: join(folder.path, "sub") });
    expect(code).toBe(0);
    expect(out).toContain(`data_dir = "${join(folder.path, "data")}"`);
  }, 60_000);

  test("the environment stands between file and flag", () => {
    using folder = temporaryFolder();
    const file = writeConfig(folder.path);
    const env = { KORA_EXECUTION_BLOCK_TIME: "7", KORA_LOG_LEVEL: "warn" };
    const { out } = runKora(["config", "print", "--config", file, "--log-level", "error"], { env });
    expect(out).toMatch(/block_time = 7 .*environment/);
    expect(out).toMatch(/level = "error" .*flag/);
  }, 60_000);
});
