// Gossip over real connections: who hears of what, what is passed on, and what a peer that gossips too much or wrongly
// brings about.
import { afterAll, expect, spyOn, test } from "bun:test";
import type { Connection, PeerId, Stream } from "@libp2p/interface";
import { concatBytes } from "#lib/bytes.ts";
import { varint } from "#net/frames.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { GossipSpec, MessageJudge, PeerAddress, Topic, Transport } from "#net/types.ts";
import { identity, until } from "./loopback.ts";
import { stranger } from "./stranger.ts";

const TIMEOUT = 60_000;
const SPEC: GossipSpec = {
  maxPacketBytes: 200_000,
  inbound: { bytesPerSecond: 1e8, messagesPerSecond: 1e5 },
  outbound: { bytesPerSecond: 1e8, messagesPerSecond: 1e5 },
  maxBacklogBytes: 1e6,
};
const MAX_MESSAGE = 100_000;
const open: Transport[] = [];
afterAll(async () => {
  await Promise.all(open.map((transport) => transport.close()));
});

interface Node {
  readonly transport: Transport;
  readonly topic: Topic;
  readonly heard: string[];
}
interface Options {
  readonly judge?: MessageJudge | "deaf";
  readonly members?: readonly number[];
  readonly spec?: Partial<GossipSpec>;
  readonly network?: string;
  readonly maxMessage?: number;
}

async function node(i: number, options: Options = {}): Promise<Node> {
  const { judge, members = [], spec, network = "test", maxMessage = MAX_MESSAGE } = options;
  const heard: string[] = [];
  const transport = createTransport({
    self: identity(i).publicKey,
    wire: libp2pWire({ identity: identity(i), listen: ["127.0.0.1:0"], network }),
    gossip: { ...SPEC, ...spec },
  });
  open.push(transport);
  const quota = { bytesPerSecond: 1e6, messagesPerSecond: 100 };
  const queue = { maxFrames: 1, maxBytes: 10, policy: "refuse-newest" as const };
  transport.open(
    { name: "any", access: "anyone", maxFrameBytes: 10, inbound: quota, outbound: quota, queue },
    () => {},
  );
  const listen: MessageJudge = (from, message) => {
    heard.push(new TextDecoder().decode(message.subarray(0, 40)));
    return typeof judge === "function" ? judge(from, message) : "accept";
  };
  const topic = transport.join(
    { name: "news", maxMessageBytes: maxMessage },
    judge === "deaf" ? undefined : listen,
  );
  transport.allow(members.map((member) => identity(member).publicKey));
  await transport.start();
  return { transport, topic, heard };
}
async function join(a: Node, b: Node): Promise<void> {
  const [host, port] = b.transport.listening()[0]!.split(":");
  const address: PeerAddress = { host: host!, port: Number(port), peer: b.transport.self };
  a.transport.keep(address);
  await until(() => a.transport.isConnected(b.transport.self) && b.transport.isConnected(a.transport.self));
}
const text = (of: string): Uint8Array => new TextEncoder().encode(of);
/** Says it until it was heard: a mesh takes a moment to form, and what is said before is lost. */
async function say(from: Node, what: string, to: Node): Promise<void> {
  let times = 0;
  await until(() => {
    const heard = to.heard.some((each) => each.startsWith(what));
    if (!heard) void from.topic.publish(text(`${what} ${times++}`));
    return heard;
  });
}

test(
  "a message goes from neighbour to neighbour, once to each, and not back",
  async () => {
    const [a, b, c] = [await node(1), await node(2), await node(3)];
    await join(a, b);
    await join(b, c);
    await say(a, "warm", c);
    void a.topic.publish(text("news"));
    await until(() => c.heard.includes("news"));
    void a.topic.publish(text("news"));
    await say(a, "end", c);
    for (const each of [b, c]) expect(each.heard.filter((of) => of === "news")).toHaveLength(1);
    expect(a.heard).toEqual([]);
  },
  TIMEOUT,
);

test(
  "what is ignored or rejected goes no further; what a judge throws is ignored",
  async () => {
    const judge: MessageJudge = (_from, message) => {
      const said = new TextDecoder().decode(message);
      if (said === "throw") throw new RangeError("a judge's own fault");
      return said === "reject" || said === "ignore" ? said : "accept";
    };
    const [a, b, c] = [await node(4), await node(5, { judge }), await node(6)];
    await join(a, b);
    await join(b, c);
    await say(a, "warm", c);
    for (const said of ["ignore", "reject", "throw"]) void a.topic.publish(text(said));
    await say(a, "end", c);
    expect(b.heard).toContain("throw");
    expect(c.heard.filter((of) => !/^(warm|end)/.test(of))).toEqual([]);
    expect(b.transport.isConnected(a.transport.self)).toBeTrue();
  },
  TIMEOUT,
);

test(
  "members of the allow-list do not gossip with one another, but each with a follower; other chains are not heard",
  async () => {
    const members = [7, 8];
    const [a, b] = [await node(7, { members }), await node(8, { members })];
    const follower = await node(9, { members });
    const elsewhere = await node(10, { network: "other" });
    await join(a, b);
    await join(follower, a);
    await join(elsewhere, a);
    await say(a, "to the follower", follower);
    await say(follower, "to a member", a);
    expect(b.heard).toEqual([]);
    expect(elsewhere.heard).toEqual([]);
    expect(b.topic.heard()).toBeFalse();
  },
  TIMEOUT,
);

test(
  "whoever only speaks is heard, and is told nothing",
  async () => {
    const [speaker, listener] = [await node(11, { judge: "deaf" }), await node(12)];
    await join(listener, speaker);
    await say(speaker, "warm", listener);
    expect(listener.topic.heard()).toBeFalse();
    expect(speaker.topic.heard()).toBeTrue();
  },
  TIMEOUT,
);

test(
  "a peer that gossips beyond its rate is read at it, and another is heard meanwhile",
  async () => {
    const slow = { inbound: { bytesPerSecond: 100_000, messagesPerSecond: 20 } };
    const listener = await node(13, { spec: slow });
    const [flooder, honest] = [await node(14, { judge: "deaf" }), await node(15, { judge: "deaf" })];
    await join(flooder, listener);
    await join(honest, listener);
    await say(flooder, "warm", listener);
    const started = performance.now();
    for (let i = 0; i < 500; i++) void flooder.topic.publish(text(`flood ${i} ${"x".repeat(1_000)}`));
    await say(honest, "honest", listener);
    const flooded = listener.heard.filter((of) => of.startsWith("flood")).length;
    const seconds = (performance.now() - started) / 1000;
    expect(flooded).toBeLessThan(20 * (seconds + 2));
  },
  TIMEOUT,
);

test(
  "a message, or a packet, above its bound blocks the sender; one as large as allowed arrives",
  async () => {
    for (const [i, length] of [
      [18, MAX_MESSAGE + 1],
      [20, 500_000],
    ] as const) {
      const listener = await node(i);
      const sender = await node(i + 1, {
        judge: "deaf",
        maxMessage: 1e6,
        spec: { maxPacketBytes: 1e7, maxBacklogBytes: 1e8 },
      });
      await join(sender, listener);
      await say(sender, "warm", listener);
      void sender.topic.publish(new Uint8Array(MAX_MESSAGE).fill(97));
      await until(() => listener.heard.includes("a".repeat(40)));
      void sender.topic.publish(new Uint8Array(length).fill(98));
      await until(() => listener.transport.figures().offences.get("oversized") === 1);
      await until(() => !listener.transport.isConnected(sender.transport.self));
      expect(listener.heard).not.toContain("b".repeat(40));
    }
  },
  TIMEOUT,
);

/** A packet of the library's dialect with one message (gossipsub's RPC: publish is field 2, data and topic 2 and 4). */
function packet(topic: string, data: string): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of((number << 3) | 2), varint(bytes.length), bytes);
  const message = field(2, concatBytes(field(2, text(data)), field(4, text(topic))));
  return concatBytes(varint(message.length), message);
}
const PROTOCOL = "/kora/test/gossip/1";

test(
  "whoever opens new streams, or comes again, waits for the judge like on the first",
  async () => {
    const gate = Promise.withResolvers<void>();
    const listener = await node(22, { judge: () => gate.promise.then(() => "ignore") });
    const port = Number(listener.transport.listening()[0]?.split(":")[1]);
    await using guest = await stranger(port);
    for (let i = 0; i < 5; i++) {
      const stream = await guest.choose(PROTOCOL);
      stream.send(packet("news", `message ${i}`));
      await until(() => listener.heard.length > 0);
      stream.end();
    }
    // As long as an honest one takes to be heard.
    const honest = await node(23, { judge: "deaf" });
    await join(honest, listener);
    await say(honest, "honest", listener);
    expect(listener.heard.filter((of) => of.startsWith("message"))).toEqual(["message 0"]);
    gate.resolve();
    const last = await guest.choose(PROTOCOL);
    last.send(packet("news", "the last"));
    await until(() => listener.heard.includes("the last"));
  },
  TIMEOUT,
);

test(
  "strangers that never answer keep nobody else from hearing",
  async () => {
    // No silence is ever long enough: whoever waited for the end of one would be heard by nobody.
    using _patience = spyOn(AbortSignal, "timeout").mockImplementation(() => new AbortController().signal);
    const speaker = await node(24);
    const port = Number(speaker.transport.listening()[0]?.split(":")[1]);
    await using guests = new AsyncDisposableStack();
    for (const name of ["one", "two"]) {
      const guest = guests.use(await stranger(port));
      // It speaks, so that the library wants to answer.
      (await guest.choose(PROTOCOL)).send(packet("news", name));
      await until(() => speaker.heard.includes(name));
    }
    const listener = await node(25);
    await join(listener, speaker);
    await say(speaker, "heard", listener);
  },
  TIMEOUT,
);

test(
  "a stream that the library does not take is ended, and another is opened in its place",
  async () => {
    const inner = new URL("./gossipsub.js", import.meta.resolve("@libp2p/gossipsub"));
    const { GossipSub } = await import(inner.href);
    const given: Stream[] = [];
    using _refusing = spyOn(GossipSub.prototype, "onPeerConnected").mockImplementation(((
      _peer: PeerId,
      { newStream }: Connection,
    ) => {
      void newStream([]).then((stream) => given.push(stream));
      throw new RangeError("the library's own fault");
    }) as () => never);
    const [a, b] = [await node(26), await node(27)];
    await join(a, b);
    // Two of each node's.
    await until(() => given.length >= 4);
    await until(() => given.slice(0, 2).every(({ status }) => status !== "open"));
  },
  TIMEOUT,
);
