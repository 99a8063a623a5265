// kora devnet through its life: killed outright, its validators end with it, and the next start goes on with what was
// final; after a ceremony of its own it takes transfers at every node, stops, goes on, and begins anew; and a start
// that fails in part fails.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunningKora, rpc, runKora, startKora, temporaryFolder, until } from "../support/kora.ts";
import { freePorts } from "../support/network.ts";
import { signedTransfer } from "../support/wallet.ts";

const VALIDATORS = 4;
/** Blocks come for the first block and for transactions alone. */
const env = { KORA_EXECUTION_EMPTY_BLOCK_INTERVAL: "3600" };

/** Parent and state of a process; undefined once it has ended, reaped or not. */
function processAt(pid: number): { readonly parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : { parent: Number(parent) };
  } catch {
    return undefined;
  }
}

const childrenOf = (parent: number): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && processAt(pid)?.parent === parent);

const addresses = (devnet: RunningKora): string[] =>
  [...devnet.out().matchAll(/^Listening on (\S+)$/gm)].map(([, address]) => address as string);

/** Of the first node; the others follow. 0: free ones. */
interface Ports {
  readonly rpc: number;
  readonly p2p: number;
  readonly metrics: number;
}

async function startDevnet(folder: string, { rpc, p2p, metrics }: Ports, ...flags: string[]) {
  const ports = ["--rpc-port", rpc, "--p2p-port", p2p, "--metrics-port", metrics].map(String);
  const args = ["devnet", "--dir", folder, "--block-time", "0.2", ...ports, ...flags];
  const devnet = await startKora(args, { env });
  await until("all validators listen", () => addresses(devnet).length === VALIDATORS);
  return devnet;
}

const blockAt = async (url: string, height: string): Promise<{ number: string; hash: string } | null> =>
  (await rpc(url, "eth_getBlockByNumber", [height, false])).result;

function send(devnet: RunningKora, count: number): void {
  const url = addresses(devnet).join(",");
  const sent = runKora(["load", "--rpc-url", url, "--accounts", "2", "--total-txs", String(count)]);
  expect([sent.code, sent.err]).toEqual([0, sent.err]);
}

test("killed in the middle of its work, devnet leaves nothing running, and goes on when it is started again", async () => {
  using folder = temporaryFolder();
  const dir = `${folder.path}/net`;
  const ports = { rpc: 0, p2p: 0, metrics: 0 };
  await using first = await startDevnet(dir, ports, "--trusted-dealer");
  await until("the first block", async () => (await blockAt(first.url, "0x1")) !== null);
  send(first, 20);
  const final = await blockAt(first.url, "latest");
  const children = childrenOf(first.pid);
  expect(children).toHaveLength(VALIDATORS);
  await first.stop("SIGKILL");
  await until("all validators have ended", () => children.every((pid) => processAt(pid) === undefined));

  await using second = await startDevnet(dir, ports);
  const kept = await until("the same height", () =>
    blockAt(second.url, final?.number as string).then((block) => block ?? false),
  );
  expect(kept.hash).toBe(final?.hash as string);
  send(second, 20);
  // What a node refuses for safety, devnet refuses: its folders belong to those that run.
  const third = runKora([
    "devnet",
    "--dir",
    dir,
    "--rpc-port",
    "0",
    "--p2p-port",
    "0",
    "--metrics-port",
    "0",
  ]);
  expect([third.code, third.err]).toEqual([3, expect.stringContaining("did not start\n")]);
  expect(await second.stop("SIGTERM")).toBe(0);
}, 120_000);

/** Signs a transfer, sends it to the node at `url`; answers its hash. */
async function transfer(url: string, account: number, nonce: number): Promise<string> {
  const raw = await signedTransfer({ account, nonce, value: 7n });
  const { result } = await rpc(url, "eth_sendRawTransaction", [raw]);
  return result;
}

/** The block that holds `hash`, once each of `urls` has it and all say the same. */
async function finalOnAll(urls: readonly string[], hash: string): Promise<{ number: string; hash: string }> {
  const receipts = urls.map((url) =>
    until(`${hash} at ${url}`, async () => {
      const { result } = await rpc(url, "eth_getTransactionReceipt", [hash]);
      return result === null ? undefined : { number: result.blockNumber, hash: result.blockHash };
    }),
  );
  const blocks = await Promise.all(receipts);
  const [block] = blocks as [(typeof blocks)[number]];
  for (const other of blocks) expect(other).toEqual(block);
  return block;
}

/** Heights that the nodes of a devnet said they start at. */
const startHeights = (devnet: RunningKora): number[] =>
  [...devnet.out().matchAll(/node ready .*\bheight=(\d+)/g)].map(([, height]) => Number(height));

/** Stops it as a supervisor would, and expects every node to end well, in the time that supervisors give. */
async function stopWell(devnet: RunningKora): Promise<void> {
  const started = performance.now();
  expect(await devnet.stop("SIGTERM")).toBe(0);
  expect(performance.now() - started).toBeLessThan(10_000);
  const endings = [...devnet.out().matchAll(/ended with code (\d+)/g)].map(([, code]) => Number(code));
  expect(endings).toEqual(Array(VALIDATORS).fill(0));
}

test("with a key of its own ceremony it takes transfers at every node, stops, goes on, and begins anew", async () => {
  using folder = temporaryFolder();
  const dir = `${folder.path}/net`;
  const free = freePorts(3 * VALIDATORS);
  const ports = { rpc: free, p2p: free + VALIDATORS, metrics: free + 2 * VALIDATORS };
  const urls = Array.from({ length: VALIDATORS }, (_, node) => `http://127.0.0.1:${ports.rpc + node}`);
  const keyOf = (node: number): string =>
    JSON.parse(readFileSync(join(dir, `node${node}`, "output.json"), "utf8")).group_public_key;
  const genesisOf = (url: string) => blockAt(url, "0x0").then((block) => block?.hash as string);

  await using first = await startDevnet(dir, ports);
  expect(
    addresses(first)
      .map((address) => `http://${address}`)
      .sort(),
  ).toEqual(urls);
  expect(first.out()).toContain("key ceremony of 4 validators");
  const key = keyOf(0);
  for (const node of [1, 2, 3]) expect(keyOf(node)).toBe(key);
  for (const node of urls.keys())
    expect((await fetch(`http://127.0.0.1:${ports.metrics + node}/livez`)).status).toBe(200);
  const genesis = await genesisOf(urls[0] as string);
  const held = [];
  for (const [node, url] of urls.entries()) held.push(await transfer(url, node, 0));
  const finals = await Promise.all(held.map((hash) => finalOnAll(urls, hash)));
  await stopWell(first);

  await using second = await startDevnet(dir, ports);
  expect(second.out()).not.toContain("key ceremony");
  expect(keyOf(0)).toBe(key);
  const kept = Math.max(...finals.map(({ number }) => Number(number)));
  await until("all have said where they start", () => startHeights(second).length === VALIDATORS);
  expect(Math.min(...startHeights(second))).toBeGreaterThanOrEqual(kept);
  for (const url of urls) {
    expect(await genesisOf(url)).toBe(genesis);
    for (const { number, hash } of finals) expect((await blockAt(url, number))?.hash).toBe(hash);
  }
  const more = await finalOnAll(urls, await transfer(urls[3] as string, 0, 1));
  expect(Number(more.number)).toBeGreaterThan(kept);
  await stopWell(second);

  await using third = await startDevnet(dir, ports, "--fresh", "--trusted-dealer");
  await until("all have said where they start", () => startHeights(third).length === VALIDATORS);
  expect(startHeights(third)).toEqual(Array(VALIDATORS).fill(0));
  expect(keyOf(0)).not.toBe(key);
  const [again] = held as [string];
  for (const url of urls) expect((await rpc(url, "eth_getTransactionReceipt", [again])).result).toBeNull();
  expect(await transfer(urls[1] as string, 0, 0)).toBe(again);
  await finalOnAll(urls, again);
  await stopWell(third);
}, 120_000);

test("where one node finds its port taken, all end, and the error says which and why", async () => {
  using folder = temporaryFolder();
  await using taken = await startKora(["dev", "--port", "0", "--silent"]);
  const port = String(taken.port);
  const ports = ["--rpc-port", port, "--p2p-port", "0", "--metrics-port", "0"];
  const run = runKora(["devnet", "--dir", `${folder.path}/net`, "--trusted-dealer", ...ports]);
  expect(run.code).toBe(1);
  expect(run.err).toContain("error: node0 did not start\n");
  expect(run.err).toContain(`  why: cannot listen on 127.0.0.1:${port}: another process listens there\n`);
  expect(run.err).toContain("--rpc-port");
}, 60_000);
