// A peer that floods: connects to one node and sends on every channel and topic as fast as the stream takes it, with
// quotas of its own that are none. Started as a process of its own by the flood test and bench. Usage:
//   bun test/support/flooder.ts --seed HEX --network NAME --target KEY@HOST:PORT --rpc URL
//     --kind well-formed|garbage|bodies
import { parseArgs } from "node:util";
import { encodePosition } from "#chain/header-rules.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import { parsePeerAddress } from "#net/address.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { ChannelSpec } from "#net/types.ts";
import { channelSpecs, finalityTopic, gossipSpec, TRANSACTION_TOPIC } from "#node/validators/channels.ts";
import { encodeBackfill } from "#types/backfill.ts";
import { encodeTransactions } from "#types/batch.ts";
import { encodeBlock } from "#types/block.ts";
import { hash, height } from "#types/ids.ts";
import { encodeMessage } from "#types/message.ts";
import { encodeTransaction } from "#types/transaction.ts";
import { openTestChain, transfer } from "./chain.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "" },
    network: { type: "string", default: "" },
    target: { type: "string", default: "" },
    kind: { type: "string", default: "well-formed" },
    /** Of any node: the flood keeps up with the chain's views. */
    rpc: { type: "string", default: "" },
  },
});
const BLOCK_BYTES = 2 * 1024 * 1024;
const ENDLESS = { bytesPerSecond: 1e12, messagesPerSecond: 1e9 };
/** Frames offered to each channel before the network gets its turn. */
const BURST = 64;

const identity = identityFromSeed(Uint8Array.fromHex(values.seed));
const target = parsePeerAddress(values.target);
if (target.peer === undefined) throw new Error("the target's key is part of its address");
const victim = target.peer;
const transport = createTransport({
  self: identity.publicKey,
  wire: libp2pWire({ identity, listen: [], network: values.network }),
  gossip: { ...gossipSpec(BLOCK_BYTES), inbound: ENDLESS, outbound: ENDLESS, maxBacklogBytes: 64e6 },
  gossipAmongListed: true,
});
let view = 1;
const following = setInterval(async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "kora_nodeStatus", params: [] });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(values.rpc, { method: "POST", headers, body }).catch(() => undefined);
  const status = (await answer?.json()) as { result?: { currentView: number } } | undefined;
  view = status?.result?.currentView ?? view;
}, 200);
following.unref();
/** The newest frame of certificates that the target has sent. */
let certificates: Uint8Array | undefined;
/** Bodies whose senders all have to be found: more than any node remembers, under headers of the next views. */
const BODIES = 8;
const BODY_TRANSACTIONS = 1_500;
function makeBodies(): (i: number) => Uint8Array {
  const { tx } = transfer({ from: 1, nonce: 0 });
  using chain = { of: openTestChain(), [Symbol.dispose]: () => chain.of.close() };
  const blank = chain.of.ledger.tip().header;
  const blocks = Array.from({ length: BODIES }, (_block, at) => {
    // Any message under the same signature has a sender.
    const transactions = Array.from({ length: BODY_TRANSACTIONS }, (_transaction, i) =>
      encodeTransaction({ ...tx, nonce: BigInt(at * BODY_TRANSACTIONS + i) }),
    );
    return { transactions, transactionsRoot: orderedTrieRoot(transactions) };
  });
  return (i) => {
    const { transactions, transactionsRoot } = blocks[i % BODIES] as (typeof blocks)[number];
    const extraData = encodePosition({ epoch: 0, view: view + (i % 4), parentView: view - 1 });
    const header = { ...blank, number: height(1), transactionsRoot, timestamp: i, extraData };
    return encodeMessage({ type: "body", body: encodeBlock({ header, transactions }) });
  };
}
const garbage = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
/** What each channel takes without blaming its sender, as far as there is such a thing. */
const wellFormed: Readonly<Record<string, (i: number) => Uint8Array | undefined>> = {
  votes: () => encodeMessage({ type: "hello", view: 1 }),
  certificates: () => certificates,
  resolver: (i) =>
    i % 2 === 0
      ? encodeMessage({
          type: "request",
          wants: Array.from({ length: 64 }, (_, at) => ({ view: 1 + at, kind: "notarize" as const })),
        })
      : encodeMessage({ type: "bodyRequest", digest: hash(garbage(32)) }),
  backfill: (i) => encodeBackfill({ type: "request", request: { id: i, from: 1 } }),
  transactions: () => encodeTransactions([]),
};
/** Bytes of each gossiped message. */
const MESSAGE_BYTES = 60_000;

const specs = Object.values(channelSpecs(BLOCK_BYTES)).map(
  (spec): ChannelSpec => ({ ...spec, access: "anyone", inbound: ENDLESS, outbound: ENDLESS }),
);
const channels = specs.map((spec) =>
  transport.open(spec, (_from, frame) => {
    if (spec.name === "certificates") certificates = frame;
  }),
);
const KINDS: Readonly<Record<string, Readonly<Record<string, (i: number) => Uint8Array | undefined>>>> = {
  "well-formed": wellFormed,
  garbage: Object.fromEntries(specs.map(({ name }) => [name, () => garbage(200)])),
  bodies: values.kind === "bodies" ? { blocks: makeBodies() } : {},
};
const kind = KINDS[values.kind];
if (kind === undefined) throw new Error(`no such kind: ${values.kind}`);
const topics = [TRANSACTION_TOPIC, finalityTopic(BLOCK_BYTES)].map((spec) =>
  transport.join(spec, () => "ignore"),
);
await transport.start();
transport.keep(target);
let sent = 0;
let connections = 0;
transport.onPeer(({ kind }) => {
  if (kind === "connected") connections++;
});
process.on("SIGTERM", () => {
  console.log(JSON.stringify({ sent, connections }));
  process.exit(0);
});
console.log("flooding");
for (;;) {
  if (transport.isConnected(victim)) {
    for (const channel of channels) {
      for (let i = 0; i < BURST; i++) {
        const frame = kind[channel.spec.name]?.(sent);
        if (frame === undefined || channel.send(victim, frame) === "full") break;
        sent++;
      }
    }
    // Nothing can be gossiped again and again that nobody is blamed for.
    for (const topic of values.kind === "garbage" ? topics : []) {
      void topic.publish(garbage(MESSAGE_BYTES));
      sent++;
    }
  }
  await Bun.sleep(0);
}
