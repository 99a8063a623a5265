// Followers of a prepared chain, each a process of the compiled binary: one starts far behind and tells the truth about
// it, one is surrounded by liars, one was given the wrong key.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { generateSeed, identityFromSeed } from "#crypto/identity.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { Transport } from "#net/types.ts";
import { channelSpecs, gossipSpec } from "#node/validators/channels.ts";
import { decodeBackfill, encodeBackfill } from "#types/backfill.ts";
import { encodeBlock } from "#types/block.ts";
import { encodeHeader } from "#types/header.ts";
import { DEFAULT_MAX_BLOCK_BYTES } from "#types/limits.ts";
import { transfer } from "../../support/chain.ts";
import { makeStoredChain, openCommittee, type StoredChain } from "../../support/finality.ts";
import { writeFollower } from "../../support/follower.ts";
import { type RunningKora, startKora, temporaryFolder, until } from "../../support/kora.ts";
import { operator } from "../../support/metrics.ts";
import { ask, freePorts } from "../../support/network.ts";

const MINUTE = 60_000;
const BLOCKS = 800;
const GENESIS = { chain_id: 31_337, timestamp: 1_000, allocations: [] };

const root = temporaryFolder();
let chain: StoredChain;
let server: RunningKora;
const port = freePorts(1);

function followerOf(name: string, peers: readonly string[], key: string, listen = 0): Promise<RunningKora> {
  const config = writeFollower({
    folder: join(root.path, name),
    genesis: JSON.stringify(GENESIS),
    groupPublicKey: key,
    port: listen,
    peers,
  });
  return startKora(["--config", config, "--log-format", "json"]);
}

beforeAll(async () => {
  const directory = join(root.path, "server", "data");
  mkdirSync(directory, { recursive: true });
  chain = await makeStoredChain({ directory, genesis: GENESIS, blocks: BLOCKS, every: 50 });
  server = await followerOf("server", [], chain.groupPublicKey, port);
}, MINUTE);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  root[Symbol.dispose]();
});

const heightOf = async (node: RunningKora): Promise<number> =>
  Number(await ask<string>(node, "eth_blockNumber"));
const hashAt = async (node: RunningKora, height: number): Promise<string | undefined> =>
  (await ask<{ hash: string } | null>(node, "eth_getBlockByNumber", `0x${height.toString(16)}`, false))?.hash;

interface Told {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly finalizedHeight: number;
  readonly currentView: number;
}

const statusOf = async (node: RunningKora): Promise<Told> =>
  JSON.parse((await operator(node, "/status")).body);

test(
  "one that is far behind says so until it has caught up, and holds the same chain",
  async () => {
    await using late = await followerOf("late", [`127.0.0.1:${port}`], chain.groupPublicKey);
    const seen: { currentBlock: string; highestBlock: string }[] = [];
    let unready = 0;
    const behind = new Set<string>();
    await until("the tip", async () => {
      const [syncing, ready] = await Promise.all([
        ask<false | { currentBlock: string; highestBlock: string }>(late, "eth_syncing"),
        operator(late, "/readyz"),
      ]);
      const height = await heightOf(late);
      if (syncing !== false) seen.push(syncing);
      // Asked before the height was: whoever is not at the end had said so.
      else expect(height).toBe(BLOCKS);
      const { ready: claimed, reasons, finalizedHeight, currentView } = await statusOf(late);
      if (ready.status === 503) unready++;
      // What it said of itself may be older than what it says now, never newer.
      const told = await ask<{ finalizedHeight: number; currentView: number }>(late, "kora_nodeStatus");
      expect(told.finalizedHeight).toBeGreaterThanOrEqual(finalizedHeight);
      expect(told.currentView).toBeGreaterThanOrEqual(currentView);
      if (claimed) expect(told.finalizedHeight).toBe(BLOCKS);
      for (const reason of reasons) behind.add(reason.replace(/\d+/g, "N"));
      return syncing === false && ready.status === 200;
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(unready).toBeGreaterThan(0);
    expect([...behind]).toEqual(expect.arrayContaining(["syncing: at N of N"]));
    expect((await operator(late, "/health")).status).toBe(200);
    for (const { currentBlock, highestBlock } of seen)
      expect(Number(highestBlock)).toBeGreaterThanOrEqual(Number(currentBlock));
    for (const height of [1, 777, BLOCKS]) {
      expect(await hashAt(late, height)).toBe(chain.blocks[height - 1]!.hash);
      expect(await hashAt(server, height)).toBe(chain.blocks[height - 1]!.hash);
    }
  },
  MINUTE,
);

type Lie = (from: number) => Uint8Array | undefined;

interface Liar {
  readonly address: string;
  readonly transport: Transport;
  readonly asked: () => number;
}

/** A peer that answers every request for blocks with a lie; undefined: with nothing. */
async function startLiar(lie: Lie, listen: number): Promise<Liar> {
  const identity = identityFromSeed(generateSeed());
  const transport = createTransport({
    self: identity.publicKey,
    wire: libp2pWire({
      identity,
      listen: [`127.0.0.1:${listen}`],
      network: chain.genesisHash.slice(2, 18),
    }),
    gossip: gossipSpec(DEFAULT_MAX_BLOCK_BYTES),
  });
  let asked = 0;
  const spec = channelSpecs(DEFAULT_MAX_BLOCK_BYTES).backfill;
  const channel = transport.open(spec, (from, frame) => {
    const message = decodeBackfill(frame, spec.maxFrameBytes);
    if (message.type !== "request") return;
    asked++;
    const answer = lie(message.request.from);
    if (answer === undefined) return;
    // The request's number follows the tag.
    answer.set(frame.subarray(1, 5), 1);
    channel.send(from, answer);
  });
  await transport.start();
  return { address: `127.0.0.1:${listen}`, transport, asked: () => asked };
}

test(
  "one whose peers lie believes none of them, cuts them off, and arrives by the one that does not",
  async () => {
    const foreign = await openCommittee(chain.genesisHash);
    const stuffing = transfer({ from: 0, nonce: 0 }).raw;
    const blockAt = (height: number) => chain.blocks[Math.min(height, BLOCKS) - 1]!;
    const run = (height: number, transactions: readonly Uint8Array[] = []) =>
      encodeBlock({ header: blockAt(height).header, transactions });
    const encode = (blocks: readonly Uint8Array[], headers: readonly Uint8Array[], end: number, by = chain) =>
      encodeBackfill({
        type: "run",
        run: { id: 0, blocks, headers, certificate: by.certify(blockAt(end)) },
      });
    const lies: Lie[] = [
      // Other transactions under a final header.
      (from) => encode([run(from, [stuffing])], [], from),
      // A finalization of another group.
      (from) => encode([run(from)], [], from, { ...chain, certify: foreign.certify }),
      // A block that is not the next one.
      (from) => encode([run(from + 2)], [], from + 2),
      // A proof of another block.
      (from) => encode([run(from)], [encodeHeader(blockAt(from + 2).header)], from + 2),
      // Not even a run.
      () => Uint8Array.of(1, 0, 0, 0, 0, 255, 255, 255, 255),
      // Nothing, ever.
      () => undefined,
    ];
    const ports = freePorts(lies.length);
    const liars = await Promise.all(lies.map((lie, index) => startLiar(lie, ports + index)));
    try {
      const addresses = [...liars.map(({ address }) => address), `127.0.0.1:${port}`];
      await using victim = await followerOf("victim", addresses, chain.groupPublicKey);
      await until("the tip", async () => (await heightOf(victim)) === BLOCKS);
      expect(await hashAt(victim, BLOCKS)).toBe(chain.blocks[BLOCKS - 1]!.hash);
      // It asks everybody whether there is more; whoever answers with a lie is cut off.
      for (const [index, { transport, asked }] of liars.slice(0, -1).entries()) {
        await until(`the end of liar ${index}`, () => asked() > 0 && transport.peers().length === 0);
      }
      expect(await heightOf(victim)).toBe(BLOCKS);
      expect(Number(await ask<string>(victim, "net_peerCount"))).toBeGreaterThan(0);
    } finally {
      await Promise.all(liars.map(({ transport }) => transport.close()));
    }
  },
  MINUTE,
);

test(
  "one that was given another group's key takes nothing, and says what is wrong",
  async () => {
    const { groupPublicKey } = await openCommittee(chain.genesisHash);
    await using stranger = await followerOf("stranger", [`127.0.0.1:${port}`], groupPublicKey);
    const ready = await until("the reason", async () => {
      const answer = await operator(stranger, "/readyz");
      return answer.body.includes("group's public key") && answer;
    });
    expect(ready.status).toBe(503);
    // What it says goes another way, and may be later.
    await until("the advice", () => stranger.err().includes("compare consensus.group_public_key"));
    expect(await heightOf(stranger)).toBe(0);
  },
  MINUTE,
);

test("a chain that another group made final is refused at the start", async () => {
  const { groupPublicKey } = await openCommittee(chain.genesisHash);
  await using taken = await followerOf("late", [`127.0.0.1:${port}`], chain.groupPublicKey);
  await taken.stop("SIGTERM");
  await expect(followerOf("late", [], groupPublicKey)).rejects.toThrow(
    /ended with 3: [\s\S]*made final by another group/,
  );
}, 60_000);
