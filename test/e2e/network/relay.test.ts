// A transaction that one node has accepted is in every pool within a second: four validators and a follower, each its
// own process, transfers sent to all of them, and each node's word on when it took one.
import { afterAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEther } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { type RunningKora, startKora, temporaryFolder, until } from "../../support/kora.ts";
import { ask, heightOf, makeNetwork, processOf, type TestNode, untilAbove } from "../../support/network.ts";

const MINUTE = 60_000;
const MNEMONIC = "test test test test test test test test test test test junk";
const ACCOUNTS = 5;
const TRANSFERS = 20;
/** What is asked for, milliseconds. */
const WITHIN = 1_000;

// No block but the first while this runs: a transaction is heard of in pools, not in blocks.
const network = makeNetwork({ validators: 4, blockTime: 600 });
const folder = temporaryFolder();
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A follower that knows the group's key and one validator. */
async function startFollower(first: TestNode): Promise<RunningKora> {
  const output = JSON.parse(readFileSync(join(first.folder, "output.json"), "utf8"));
  const peer = /"([0-9a-f]{64}@127\.0\.0\.1:\d+)"/.exec(
    readFileSync(join(first.folder, "node.toml"), "utf8"),
  );
  writeFileSync(join(folder.path, "genesis.json"), readFileSync(join(first.folder, "genesis.json")));
  writeFileSync(
    join(folder.path, "node.toml"),
    [
      '[node]\ndata_dir = "data"\ngenesis = "genesis.json"',
      `[consensus]\ngroup_public_key = "${output.group_public_key}"`,
      `[network]\nlisten_addr = "127.0.0.1:0"\nbootstrap_peers = ["${peer?.[1]}"]`,
      '[rpc]\nhttp_addr = "127.0.0.1:0"\n',
    ].join("\n"),
  );
  return await startKora(["--config", join(folder.path, "node.toml")]);
}

/** When a node took which transaction, by hash, on this process's clock. */
async function watchPool({ wsUrl }: RunningKora): Promise<ReadonlyMap<string, number>> {
  const taken = new Map<string, number>();
  const socket = new WebSocket(wsUrl);
  let subscribed = false;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data));
    if (message.id === 1) subscribed = true;
    else taken.set(message.params.result, performance.now());
  };
  socket.onopen = () =>
    socket.send(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newPendingTransactions"] }),
    );
  await until("the subscription", () => subscribed);
  return taken;
}

test(
  "a transaction that one node accepted is in every pool within a second",
  async () => {
    await Promise.all(network.nodes.map((node) => network.start(node)));
    await untilAbove(network.nodes, 0);
    const [first] = network.nodes as [TestNode];
    await using follower = await startFollower(first);
    const followed: TestNode = { index: 4, folder: folder.path, process: follower };
    await untilAbove([followed], (await heightOf(first)) - 1);
    const nodes = [...network.nodes, followed];
    const pools = await Promise.all(nodes.map((node) => watchPool(processOf(node))));

    const accepted = new Map<string, number>();
    for (let nonce = 0; nonce < TRANSFERS; nonce++) {
      await Promise.all(
        Array.from({ length: ACCOUNTS }, async (_, index) => {
          const raw = await mnemonicToAccount(MNEMONIC, { addressIndex: index }).signTransaction({
            ...{ chainId: 1337, nonce, to: `0x${"42".repeat(20)}`, value: parseEther("0.001"), gas: 21_000n },
            ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n },
          });
          // Each account sends to a node of its own, one after the other.
          const hash = await ask<string>(processOf(nodes[index] as TestNode), "eth_sendRawTransaction", raw);
          accepted.set(hash, performance.now());
        }),
      );
    }
    const wanted = ACCOUNTS * TRANSFERS;
    for (const [i, pool] of pools.entries())
      await until(`all of them in the pool of node${i}`, () =>
        [...accepted.keys()].every((hash) => pool.has(hash)),
      );
    const took = [...accepted].flatMap(([hash, at]) => pools.map((pool) => (pool.get(hash) as number) - at));
    const sorted = took.toSorted((a, b) => a - b);
    const [median, worst] = [sorted[sorted.length >> 1] as number, sorted.at(-1) as number];
    console.log(
      `accepted by one, in every pool: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
    );
    expect(accepted.size).toBe(wanted);
    expect(worst).toBeLessThan(WITHIN);
  },
  2 * MINUTE,
);
