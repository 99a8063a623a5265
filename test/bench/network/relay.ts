// What relaying a transaction costs a committee in CPU, without judging it: batches on direct channels, the same by
// gossip among all members, and direct channels beside gossip with one follower. Nodes share this process and speak
// over loopback; rounds alternate, medians and ratios are printed. Usage:
//   bun test/bench/network/relay.ts [--nodes 4] [--rate 2000] [--batch-ms 10] [--seconds 4] [--rounds 5]
import { parseArgs } from "node:util";
import { identityFromSeed } from "#crypto/identity.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { Transport } from "#net/types.ts";
import { channelSpecs, gossipSpec, TRANSACTION_TOPIC } from "#node/validators/channels.ts";
import { decodeTransactions, encodeTransactions } from "#types/batch.ts";

const TRANSACTION_BYTES = 112;
const BLOCK_BYTES = 2 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "4" },
    rate: { type: "string", default: "2000" },
    "batch-ms": { type: "string", default: "10" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
  },
});
const NODES = Number(values.nodes);
const BATCH_MS = Number(values["batch-ms"]);
const BATCHES = Math.round((Number(values.seconds) * 1000) / BATCH_MS);
const BATCH = Math.max(1, Math.round((Number(values.rate) * BATCH_MS) / 1000 / NODES));

type Mode = "direct" | "gossip" | "direct, gossip to a follower";
const MODES: readonly Mode[] = ["direct", "gossip", "direct, gossip to a follower"];

interface Member {
  readonly transport: Transport;
  /** Sends one batch the way of the mode. */
  readonly send: (frame: Uint8Array) => void;
}

const identity = (i: number) => identityFromSeed(new Uint8Array(32).fill(i + 1));
const committee = Array.from({ length: NODES }, (_, i) => identity(i).publicKey);
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] as number;

function member(i: number, mode: Mode, arrived: (from: number, frame: Uint8Array) => void): Member {
  const transport = createTransport({
    self: identity(i).publicKey,
    wire: libp2pWire({ identity: identity(i), listen: ["127.0.0.1:0"], network: "bench" }),
    gossip: gossipSpec(BLOCK_BYTES),
    gossipAmongListed: mode === "gossip",
  });
  const channel = transport.open(channelSpecs(BLOCK_BYTES).transactions, (_from, frame) => {
    arrived(i, frame);
    if (mode !== "gossip" && topic.heard()) void topic.publish(frame);
  });
  const topic = transport.join(TRANSACTION_TOPIC, (_from, frame) => {
    arrived(i, frame);
    return "accept";
  });
  transport.allow(committee);
  return {
    transport,
    send(frame) {
      if (mode === "gossip") void topic.publish(frame);
      else {
        for (const to of committee) if (to !== transport.self) channel.send(to, frame);
        if (topic.heard()) void topic.publish(frame);
      }
    },
  };
}

const untilTrue = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await Bun.sleep(1);
};

/** Microseconds of CPU for each transaction, all nodes together. */
async function round(mode: Mode): Promise<{ micros: number; copies: number }> {
  const followers = mode === "direct, gossip to a follower" ? 1 : 0;
  const expected = NODES + followers;
  let fresh = 0;
  let copies = 0;
  const seen = Array.from({ length: expected }, () => new Set<number>());
  const nodes = Array.from({ length: expected }, (_, i) =>
    member(i, mode, (at, frame) => {
      const [first] = decodeTransactions(frame);
      const number = new DataView((first as Uint8Array).buffer, (first as Uint8Array).byteOffset).getUint32(
        0,
      );
      copies++;
      if (!(seen[at] as Set<number>).has(number)) fresh++;
      (seen[at] as Set<number>).add(number);
    }),
  );
  for (const { transport } of nodes) await transport.start();
  for (const { transport } of nodes) {
    for (const other of nodes) {
      const [host, port] = (other.transport.listening()[0] as string).split(":") as [string, string];
      if (other.transport.self < transport.self)
        transport.keep({ host, port: Number(port), peer: other.transport.self });
    }
  }
  await untilTrue(() => nodes.every(({ transport }) => transport.peers().length === expected - 1));
  // Two heartbeats: meshes have formed.
  await Bun.sleep(2_500);
  const before = process.cpuUsage();
  const started = performance.now();
  for (let batch = 0; batch < BATCHES; batch++) {
    for (const [i, { send }] of nodes.slice(0, NODES).entries()) {
      const raw = crypto.getRandomValues(new Uint8Array(TRANSACTION_BYTES));
      new DataView(raw.buffer).setUint32(0, batch * NODES + i);
      send(encodeTransactions(Array.from({ length: BATCH }, () => raw)));
    }
    await Bun.sleep(Math.max(0, started + (batch + 1) * BATCH_MS - performance.now()));
  }
  const wanted = BATCHES * NODES * (expected - 1);
  const deadline = performance.now() + 3_000;
  await untilTrue(() => fresh >= wanted || performance.now() > deadline);
  const { user, system } = process.cpuUsage(before);
  await Promise.all(nodes.map(({ transport }) => transport.close()));
  if (fresh < wanted) console.log(`${mode}: ${wanted - fresh} of ${wanted} batches were lost`);
  return { micros: (user + system) / (BATCHES * NODES * BATCH), copies: copies / wanted };
}

const results = new Map<Mode, { micros: number[]; copies: number[] }>(
  MODES.map((mode) => [mode, { micros: [], copies: [] }]),
);
for (let at = 0; at < Number(values.rounds); at++) {
  for (const mode of MODES) {
    const { micros, copies } = await round(mode);
    results.get(mode)?.micros.push(micros);
    results.get(mode)?.copies.push(copies);
  }
}
const base = median(results.get("direct")?.micros ?? []);
console.log(`${NODES} nodes, ${values.rate} tx/s, ${BATCH} in a batch every ${BATCH_MS} ms, medians`);
for (const [mode, { micros, copies }] of results) {
  const cost = median(micros);
  console.log(
    `${mode.padEnd(30)} ${cost.toFixed(0).padStart(5)} µs/tx in all  ×${(cost / base).toFixed(2)}  ${median(copies).toFixed(2)} copies`,
  );
}
process.exit(0);
