// A peer that floods: connects to one node and sends on every channel and topic as fast as the stream takes it, with
// quotas of its own that are none. Started as a process of its own by the flood test and bench. Usage:
//   bun test/support/flooder.ts --seed HEX --network NAME --target KEY@HOST:PORT --kind well-formed|garbage
import { parseArgs } from "node:util";
import { identityFromSeed } from "#crypto/identity.ts";
import { parsePeerAddress } from "#net/address.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { ChannelSpec } from "#net/types.ts";
import { channelSpecs, finalityTopic, gossipSpec, TRANSACTION_TOPIC } from "#node/validators/channels.ts";
import { encodeBackfill } from "#types/backfill.ts";
import { encodeTransactions } from "#types/batch.ts";
import { hash } from "#types/ids.ts";
import { encodeMessage } from "#types/message.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "" },
    network: { type: "string", default: "" },
    target: { type: "string", default: "" },
    kind: { type: "string", default: "well-formed" },
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
const garbage = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
/** What each channel takes without blaming its sender, as far as there is such a thing. */
const wellFormed: Readonly<Record<string, (i: number) => Uint8Array>> = {
  votes: () => encodeMessage({ type: "hello", view: 1 }),
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
const channels = specs.map((spec) => transport.open(spec, () => {}));
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
      const make = values.kind === "garbage" ? () => garbage(200) : wellFormed[channel.spec.name];
      for (let i = 0; i < BURST && make !== undefined; i++) {
        if (channel.send(victim, make(sent)) === "full") break;
        sent++;
      }
    }
    // Members judge no announcements: of these nobody is blamed.
    for (const topic of values.kind === "garbage" ? topics : topics.slice(1)) {
      void topic.publish(garbage(MESSAGE_BYTES));
      sent++;
    }
  }
  await Bun.sleep(0);
}
