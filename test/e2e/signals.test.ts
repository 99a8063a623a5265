// Ctrl-C and SIGTERM at any moment of every command that runs for long: while it starts, while it waits for others or
// for a passphrase that nobody gives, while it works, and once more by somebody impatient.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { koraBinary, type RunningKora, runKora, startKora, temporaryFolder, until } from "../support/kora.ts";
import { freePorts } from "../support/network.ts";

const root = temporaryFolder();
const net = join(root.path, "net");
const config = (node: number): string => join(net, `node${node}`, "node.toml");
let chain: RunningKora;

beforeAll(async () => {
  const ports = ["--p2p-port", String(freePorts(4)), "--rpc-port", String(freePorts(4))];
  const made = runKora(["testnet", "--out", net, "--validators", "4", ...ports]);
  expect([made.code, made.err]).toEqual([0, ""]);
  await Bun.write(join(root.path, "pw"), "eight letters\n");
  const key = join(net, "node3", "validator.key");
  expect(runKora(["keys", "encrypt", key, "--passphrase-file", join(root.path, "pw")]).code).toBe(0);
  expect(Bun.spawnSync(["mkfifo", join(root.path, "pipe")]).success).toBe(true);
  chain = await startKora(["dev", "--port", "0", "--silent"]);
}, 60_000);
afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  root[Symbol.dispose]();
});

interface Stopped {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Milliseconds from the first signal to the end. */
  readonly took: number;
}

/** Runs a command until `when` holds (or for so many milliseconds), then sends it the signals. */
async function stopping(
  args: readonly string[],
  when: number | ((said: string) => boolean),
  ...signals: ("SIGINT" | "SIGTERM")[]
): Promise<Stopped> {
  const child = Bun.spawn([koraBinary(), ...args], {
    cwd: root.path,
    env: { TMPDIR: root.path },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = { out: "", err: "" };
  const read = async (name: keyof typeof said): Promise<void> => {
    for await (const chunk of child[name === "out" ? "stdout" : "stderr"])
      said[name] += new TextDecoder().decode(chunk);
  };
  const reading = [read("out"), read("err")];
  try {
    if (typeof when === "number") await Bun.sleep(when);
    else await until(args.join(" "), () => when(said.out + said.err), 20_000);
    const started = performance.now();
    for (const [index, signal] of signals.entries()) {
      // A second one at once is the same one, from a terminal and from a parent.
      if (index > 0) await Bun.sleep(700);
      child.kill(signal);
    }
    const code = await child.exited;
    const took = performance.now() - started;
    await Promise.all(reading);
    return { code, ...said, took };
  } finally {
    child.kill("SIGKILL");
  }
}

function expectClean({ code, err, took }: Stopped, codes: readonly number[]): void {
  expect([codes.includes(code) ? codes : code, err]).toEqual([codes, err]);
  expect(took).toBeLessThan(10_000);
  expect(err).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(err).not.toContain("unexpected failure");
}

describe("told to stop", () => {
  // 130 and 143: before it could say that it wants to hear of signals.
  test.each([0, 30, 60, 90, 120, 200])(
    "%p ms after its start, kora dev ends, and its folder is fine",
    async (ms) => {
      const args = ["dev", "--port", "0", "--datadir", `dev${ms}`, "--silent"];
      expectClean(await stopping(args, ms, "SIGINT"), [0, 130]);
      expectClean(await stopping(args, (said) => said.includes("Listening"), "SIGTERM"), [0]);
    },
    30_000,
  );

  test("while a key ceremony waits for the others, it ends with the way to go on", async () => {
    const waiting = (said: string) => said.includes("key ceremony");
    const first = await stopping(["dkg", "--config", config(0)], waiting, "SIGINT");
    expectClean(first, [1]);
    expect(first.err).toContain("run the same command again");
    const again = await stopping(
      ["dkg", "--config", config(0), "--json"],
      (said) => said.includes("begun"),
      "SIGTERM",
    );
    expectClean(again, [1]);
    expect(again.out).toContain('"resumed":true');
    expect(existsSync(join(net, "node0", "share.key"))).toBe(false);
  }, 30_000);

  test.each(["SIGINT", "SIGTERM"] as const)(
    "while a passphrase never comes through its pipe: %s",
    async (signal) => {
      const args = ["dkg", "--config", config(3), "--passphrase-file", join(root.path, "pipe")];
      // It says nothing while it waits.
      const stopped = await stopping(args, 500, signal);
      expectClean(stopped, [2]);
      expect(stopped.err).toContain("the command was stopped");
    },
    30_000,
  );

  test("in the middle of a load, it ends and says that it was interrupted", async () => {
    const args = ["load", "--rpc-url", chain.url, "--total-txs", "1000000", "--rate", "50"];
    const stopped = await stopping(args, (said) => said.includes("sending 1000000"), "SIGINT");
    expectClean(stopped, [1]);
    expect(stopped.out).toMatch(/^included +\d/m);
    expect(stopped.out).toContain("problem    it was interrupted");
  }, 30_000);

  test("while nobody answers, a load and a status end too", async () => {
    const silent = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Promise<Response>(() => {}),
    });
    try {
      const url = `127.0.0.1:${silent.port}`;
      expectClean(await stopping(["load", "--rpc-url", url], 500, "SIGTERM"), [1]);
      expectClean(await stopping(["status", "--once", "--rpc-url", url], 500, "SIGINT"), [0, 1]);
    } finally {
      await silent.stop(true);
    }
  }, 60_000);

  test("during the ceremony of a local network, all of it ends, and the next start goes on", async () => {
    const ports = ["--rpc-port", "0", "--p2p-port", String(freePorts(4)), "--metrics-port", "0"];
    const args = ["devnet", "--dir", "devnet", ...ports];
    expectClean(await stopping(args, (said) => said.includes("begins"), "SIGINT"), [0]);
    const running = (said: string) => said.match(/^Listening on /gm)?.length === 4;
    expectClean(await stopping(args, running, "SIGTERM"), [0]);
  }, 60_000);

  test("twice, it ends at once", async () => {
    const args = ["dkg", "--config", config(1)];
    const { code, took } = await stopping(args, (said) => said.includes("key ceremony"), "SIGINT", "SIGINT");
    expect([1, 130]).toContain(code);
    expect(took).toBeLessThan(3_000);
  }, 30_000);
});
