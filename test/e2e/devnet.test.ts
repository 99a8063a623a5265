// kora devnet killed outright: its validators end with it, and the next start goes on with what was final.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type RunningKora, rpc, runKora, startKora, temporaryFolder, until } from "../support/kora.ts";

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

async function startDevnet(folder: string): Promise<RunningKora> {
  const ports = ["--rpc-port", "0", "--p2p-port", "0", "--metrics-port", "0"];
  const args = ["devnet", "--dir", folder, "--trusted-dealer", "--block-time", "0.2", ...ports];
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
  await using first = await startDevnet(dir);
  await until("the first block", async () => (await blockAt(first.url, "0x1")) !== null);
  send(first, 20);
  const final = await blockAt(first.url, "latest");
  const children = childrenOf(first.pid);
  expect(children).toHaveLength(VALIDATORS);
  await first.stop("SIGKILL");
  await until("all validators have ended", () => children.every((pid) => processAt(pid) === undefined));

  await using second = await startDevnet(dir);
  const kept = await until("the same height", () =>
    blockAt(second.url, final?.number as string).then((block) => block ?? false),
  );
  expect(kept.hash).toBe(final?.hash as string);
  send(second, 20);
  expect(await second.stop("SIGTERM")).toBe(0);
}, 120_000);
