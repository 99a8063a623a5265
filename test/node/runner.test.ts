// Nodes run from another program: a builder over a configuration file, and a runner over values. Both on real parts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mnemonicToAccount } from "viem/accounts";
import type { LedgerService } from "#chain/service.ts";
import { loadConfig } from "#config/load.ts";
import type { Settings } from "#config/schema.ts";
import { openBls } from "#crypto/bls.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { KoraError } from "#lib/error.ts";
import { NodeBuilder, runToEnd } from "#node/builder.ts";
import { dealInto } from "#node/ceremony/deal.ts";
import { createLogger } from "#node/log.ts";
import { productionRunner, RunnerError } from "#node/runner.ts";
import { loadThresholdScheme } from "#node/threshold-files.ts";
import type { OpenTransport } from "#node/validators/network.ts";
import { address, type Hash, hash } from "#types/ids.ts";
import { answerToLong, rpc, until } from "../support/kora.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../support/memory-transport.ts";

const folder = mkdtempSync(join(tmpdir(), "kora-runner-"));
afterAll(() => rmSync(folder, { recursive: true }));

const silent = createLogger({ level: "silent", format: "json" });
const account = mnemonicToAccount("test test test test test test test test test test test junk");

function settingsIn(name: string): Settings {
  const file = join(folder, `${name}.toml`);
  writeFileSync(
    file,
    `[node]\ndata_dir = "${name}"\n[execution]\nblock_time = 0.01\n[rpc]\nhttp_addr = "127.0.0.1:0"\n`,
  );
  return loadConfig({ file }).settings;
}

const transfer = async (chainId: number, nonce: number): Promise<Uint8Array> => {
  const raw = await account.signTransaction({
    type: "eip1559",
    chainId,
    nonce,
    to: "0x00000000000000000000000000000000000000aa",
    value: 7n,
    gas: 21_000n,
    maxFeePerGas: 10n ** 10n,
    maxPriorityFeePerGas: 1n,
  });
  return Uint8Array.fromHex(raw.slice(2));
};

const bootstrapOf = (transactions: Uint8Array[] = []) => ({
  allocations: new Map([[address(account.address), 10n ** 20n]]),
  transactions,
});

describe("ProductionRunner", () => {
  test("answers the ledger service of a node at work; what is submitted becomes final", async () => {
    const stop = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<unknown>();
    const runner = productionRunner(undefined, 77, 30_000_000, bootstrapOf([await transfer(77, 0)]));
    const settings = settingsIn("runner");
    const ledger = await runner.run({ settings, logger: silent, signal: stop.signal, onEnd: resolve });
    const included = new Map<string, number>();
    const { promise: final, resolve: done } = Promise.withResolvers<void>();
    ledger.events.snapshotPersisted.add(({ block }) => {
      for (const { hash } of block.transactions) included.set(hash, block.header.number);
      if (included.size === 2) done();
    });
    const submission = await ledger.submitTx(await transfer(77, 1));
    expect(submission.kind).toBe("accepted");
    await final;
    // The bootstrap transaction opens block 1.
    expect([...included.values()][0]).toBe(1);
    expect(submission.kind === "accepted" && included.has(submission.hash)).toBe(true);
    stop.abort();
    expect(await ended).toBeUndefined();
  }, 30_000);

  test("serves RPC where it is told to, with the status it is given, until it is stopped", async () => {
    const stop = new AbortController();
    const status = {
      nodeStatus: () => {
        throw new KoraError("asked", { code: "TEST" });
      },
      syncing: () => ({ startingBlock: 0, currentBlock: 1, highestBlock: 9 }) as never,
    };
    const at = { host: "127.0.0.1", port: 28_545 + (process.pid % 1000) };
    const runner = productionRunner(undefined, 78, 30_000_000, bootstrapOf()).withRpc(status, at);
    const settings = { ...settingsIn("standalone"), log: { level: "error", format: "json" } } as Settings;
    const running = runner.runStandalone(settings, stop.signal);
    let answer: { result?: unknown } | undefined;
    while (answer === undefined) {
      answer = await rpc(`http://127.0.0.1:${at.port}`, "eth_syncing").catch(() => Bun.sleep(5));
    }
    expect(answer.result).toMatchObject({ highestBlock: "0x9" });
    stop.abort();
    await running;
  }, 30_000);

  test("without a section for RPC, and to this machine only, a message may be as long as a request", async () => {
    const stop = new AbortController();
    const at = { host: "127.0.0.1", port: 29_545 + (process.pid % 1000) };
    const runner = productionRunner(undefined, 78, 30_000_000, bootstrapOf()).withRpc(undefined, at);
    const settings = { ...settingsIn("sectionless"), rpc: undefined };
    await runner.run({ settings, logger: silent, signal: stop.signal });
    expect(await answerToLong(`ws://127.0.0.1:${at.port}`)).toMatchObject({ id: 1, result: "0x4e" });
    stop.abort();
  }, 30_000);

  test("what keeps it from starting is a RunnerError with the part's code and exit code", async () => {
    const signal = new AbortController();
    const settings = settingsIn("twice");
    const first = productionRunner(undefined, 79, 30_000_000, bootstrapOf());
    const { promise: ended, resolve } = Promise.withResolvers<unknown>();
    await first.run({ settings, logger: silent, signal: signal.signal, onEnd: resolve });
    const error = await first.run({ settings, logger: silent, signal: signal.signal }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RunnerError);
    expect(error).toMatchObject({ code: "DIRECTORY_LOCKED", exitCode: 3 });
    signal.abort();
    await ended;
  }, 30_000);
});

describe("a committee of runners over a transport that they are given", () => {
  const home = join(folder, "committee");
  const nodes = [0, 1, 2, 3].map((index) => join(home, `node${index}`));
  const schemes: ThresholdScheme[] = [];
  beforeAll(async () => {
    dealInto(home, await openBls(), { kind: "made", count: 4 });
    for (const path of nodes) schemes.push(await loadThresholdScheme(path));
    // From here on the schemes are values.
    for (const path of nodes) for (const name of ["share.key", "output.json"]) rmSync(join(path, name));
  });

  function settingsOf(path: string): Settings {
    const file = join(path, "node.toml");
    writeFileSync(
      file,
      `[node]\ndata_dir = "data"\n[consensus]\nvalidator_key = "validator.key"\n[execution]\nblock_time = 0.05\n`,
    );
    return loadConfig({ file }).settings;
  }

  /** A follower built from a file, over the same transport: its parts are those of a node at work, while it works. */
  async function followWithBuilder(network: MemoryNetwork, wanted: Hash): Promise<void> {
    const file = join(home, "follower.toml");
    const allocations = [{ address: account.address, balance: String(10n ** 20n) }];
    writeFileSync(join(home, "genesis.json"), JSON.stringify({ chain_id: 80, allocations }));
    writeFileSync(
      file,
      `[node]\ndata_dir = "follower"\n[consensus]\ngroup_public_key = "${schemes[0]?.groupPublicKey.toHex()}"\n` +
        '[rpc]\nhttp_addr = "127.0.0.1:0"\n',
    );
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    const node = NodeBuilder.fromToml(file)
      .withTransport(({ identity }) => network.join(identity.publicKey))
      .withHooks({ logger: silent, onReady: () => resolve() })
      .build();
    const parts = () => [node.consensus, node.application, node.network, node.rpc];
    expect(parts()).toEqual([undefined, undefined, undefined, undefined]);
    const running = node.run();
    await Promise.race([ready, running]);
    expect(node.network?.transport.peers()).toHaveLength(4);
    const url = `http://127.0.0.1:${node.rpc?.addresses[0]?.port}`;
    const block = await until("the final block", async () => {
      const { result } = await rpc(url, "eth_getBlockByHash", [wanted, false]);
      return result ?? undefined;
    });
    expect(node.consensus?.status.nodeStatus()).toMatchObject({ isLeader: false, peerCount: 4 });
    const { finalizedHeight = 0 } = node.consensus?.status.nodeStatus() ?? {};
    expect(finalizedHeight).toBeGreaterThanOrEqual(Number(block.number));
    expect(await node.application?.exclusive(() => "its turn")).toBe("its turn");
    node.shutdown();
    await running;
    expect(parts()).toEqual([undefined, undefined, undefined, undefined]);
  }

  test("agrees with the schemes that it is given, and its members end when they are told to", async () => {
    const network = createMemoryNetwork();
    const stop = new AbortController();
    const ends: Promise<unknown>[] = [];
    const ledgers: LedgerService[] = [];
    for (const [index, path] of nodes.entries()) {
      const runner = productionRunner(schemes[index], 80, 30_000_000, bootstrapOf());
      const { promise, resolve } = Promise.withResolvers<unknown>();
      ends.push(promise);
      ledgers.push(
        await runner.run({
          settings: settingsOf(path),
          logger: silent,
          signal: stop.signal,
          openTransport: ({ identity }) => network.join(identity.publicKey),
          onEnd: resolve,
        }),
      );
    }
    const final = ledgers.map((ledger) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      ledger.events.snapshotPersisted.add(({ block }) => {
        if (block.transactions.length > 0) resolve(block.hash);
      });
      return promise;
    });
    expect((await ledgers[0]?.submitTx(await transfer(80, 0)))?.kind).toBe("accepted");
    const hashes = new Set(await Promise.all(final));
    expect(hashes.size).toBe(1);
    await followWithBuilder(network, hash([...hashes][0] as string));
    stop.abort();
    expect(await Promise.all(ends)).toEqual([undefined, undefined, undefined, undefined]);
  }, 30_000);

  test("refuses to sign with a key that signs already, whatever the data directory", async () => {
    const stop = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<unknown>();
    const runner = productionRunner(schemes[0], 80, 30_000_000, bootstrapOf());
    const openTransport: OpenTransport = ({ identity }) => createMemoryNetwork().join(identity.publicKey);
    const settings = settingsOf(nodes[0] as string);
    const context = { settings, logger: silent, signal: stop.signal, openTransport };
    await runner.run({ ...context, onEnd: resolve });
    const elsewhere = { ...settings, node: { ...settings.node, dataDir: join(home, "elsewhere") } };
    await expect(runner.run({ ...context, settings: elsewhere })).rejects.toMatchObject({
      code: "KEY_IN_USE",
      exitCode: 3,
    });
    stop.abort();
    expect(await ended).toBeUndefined();
  }, 30_000);
});

describe("a node that is told to stop", () => {
  const failed = new Promise<never>(() => {});
  const stop = AbortSignal.abort();

  test("does not wait for ever for a part that does not close", async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "warn", format: "json", write: (line) => lines.push(line) });
    const stuck = { failed, [Symbol.asyncDispose]: () => new Promise<void>(() => {}) };
    await runToEnd(stuck, stop, logger, { patienceMs: 20 });
    expect(lines.join()).toContain("not everything closed in time");
  });

  test("tells what failed, once everything is closed", async () => {
    let closed = false;
    const broken = {
      failed: Promise.reject(new KoraError("the disk is full", { code: "TEST" })),
      async [Symbol.asyncDispose]() {
        closed = true;
      },
    };
    const never = new AbortController().signal;
    await expect(runToEnd(broken, never, silent)).rejects.toThrow("the disk is full");
    expect(closed).toBeTrue();
  });

  test("tells what failed first, when closing fails too", async () => {
    const failure = new KoraError("the disk is full", { code: "TEST" });
    const broken = {
      failed: Promise.reject(failure),
      [Symbol.asyncDispose]: () => Promise.reject(new Error("still full")),
    };
    const never = new AbortController().signal;
    await expect(runToEnd(broken, never, silent)).rejects.toMatchObject({ suppressed: failure });
  });
});

test("NodeBuilder: a node from a file, with another chain id and folder, runs and shuts down", async () => {
  const file = join(folder, "builder.toml");
  writeFileSync(file, '[node]\nchain_id = 5\ngenesis = "g.json"\n[rpc]\nhttp_addr = "127.0.0.1:0"\n');
  writeFileSync(join(folder, "g.json"), JSON.stringify({ chain_id: 6, allocations: [] }));
  const { promise: ready, resolve } = Promise.withResolvers<number>();
  const node = NodeBuilder.fromToml(file)
    .withChainId(6)
    .withDataDir(join(folder, "built"))
    .withHooks({ logger: silent, onReady: ({ rpc: server }) => resolve(server?.addresses[0]?.port ?? 0) })
    .build();
  const running = node.run();
  const answer = await rpc(`http://127.0.0.1:${await ready}`, "eth_chainId");
  expect(answer.result).toBe("0x6");
  node.shutdown();
  await running;
}, 30_000);

test("loadThresholdScheme reads a dealt committee from a folder or its output.json", async () => {
  const { runCli } = await import("#cli/run.ts");
  const out = join(folder, "dealt");
  const lines: string[] = [];
  const io = {
    env: {},
    signal: new AbortController().signal,
    out: (text: string) => void lines.push(text),
    err: (text: string) => void lines.push(text),
    terminal: { interactive: false, columns: 80, write: (text: string) => void lines.push(text) },
  };
  const code = await runCli(["dkg", "deal", "--out", out, "--validators", "4"], io);
  expect([code, lines.join("\n")]).toEqual([0, expect.any(String)]);
  const [member] = [...new Bun.Glob("*/share.key").scanSync(out)];
  const home = join(out, (member as string).split("/")[0] as string);
  for (const path of [home, join(home, "output.json")]) {
    const scheme = await loadThresholdScheme(path);
    expect(scheme.participants()).toHaveLength(4);
    expect(scheme.threshold).toBe(3);
    expect(scheme.index).toBeNumber();
  }
}, 30_000);
