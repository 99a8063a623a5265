// The transport port inside one process: every test's stand-in for real connections, with links that can be cut.
// Frames arrive asynchronously and in order; queues are bounded as the specs say, rates are not simulated.
import { createFigures } from "#net/figures.ts";
import { createScores } from "#net/score.ts";
import type {
  Channel,
  ChannelSpec,
  FrameHandler,
  MessageJudge,
  PeerAddress,
  PeerEvent,
  PeerInfo,
  SendResult,
  TopicSpec,
  Transport,
} from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";

interface OpenChannel {
  readonly spec: ChannelSpec;
  readonly handler: FrameHandler;
}

interface JoinedTopic {
  readonly judge: MessageJudge | undefined;
  /** What was heard or said, as text. */
  readonly seen: Set<string>;
}

interface Node {
  readonly key: IdentityKey;
  readonly topics: Map<string, JoinedTopic>;
  readonly channels: Map<string, OpenChannel>;
  readonly listeners: Set<(event: PeerEvent) => void>;
  readonly blocked: Set<IdentityKey>;
  listed: ReadonlySet<IdentityKey>;
  up: boolean;
}

/** A queue of frames from one node to another on one channel. */
interface Lane {
  readonly frames: Uint8Array[];
  bytes: number;
  running: boolean;
  readonly idle: Set<() => void>;
}

export interface MemoryNetwork {
  /** A transport for `key`; everyone started is connected to everyone started, links that were cut excepted. */
  join(key: IdentityKey): Transport;
  /** Cuts the link between two nodes; what was queued on it is lost. */
  cut(a: IdentityKey, b: IdentityKey): void;
  /** Mends it. */
  heal(a: IdentityKey, b: IdentityKey): void;
}

/** An empty network. */
export function createMemoryNetwork(): MemoryNetwork {
  const nodes = new Map<IdentityKey, Node>();
  const cuts = new Set<string>();
  const lanes = new Map<string, Lane>();
  const link = (a: IdentityKey, b: IdentityKey): string => (a < b ? `${a}|${b}` : `${b}|${a}`);

  function linked(a: Node, b: Node): boolean {
    const barred = cuts.has(link(a.key, b.key)) || a.blocked.has(b.key) || b.blocked.has(a.key);
    return a !== b && a.up && b.up && !barred;
  }
  function mayUse(owner: Node, spec: ChannelSpec, other: IdentityKey): boolean {
    return spec.access === "anyone" || owner.listed.has(other);
  }
  function neighbours(of: Node): Node[] {
    return [...nodes.values()].filter((other) => linked(of, other));
  }
  function change(act: () => void): void {
    const before = new Map([...nodes.values()].map((node) => [node, new Set(neighbours(node))]));
    act();
    for (const [node, was] of before) {
      const now = new Set(neighbours(node));
      const tell = (kind: PeerEvent["kind"], peer: Node): void => {
        for (const listener of [...node.listeners]) listener({ kind, peer: peer.key });
      };
      for (const peer of was) if (!now.has(peer)) tell("disconnected", peer);
      for (const peer of now) if (!was.has(peer)) tell("connected", peer);
    }
  }
  function laneOf(from: Node, to: Node, channel: string): Lane {
    const name = `${from.key}>${to.key}#${channel}`;
    const lane = lanes.get(name) ?? { frames: [], bytes: 0, running: false, idle: new Set() };
    lanes.set(name, lane);
    return lane;
  }
  async function run(lane: Lane, from: Node, to: Node, channel: string): Promise<void> {
    lane.running = true;
    while (lane.frames.length > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const frame = lane.frames.shift();
      if (frame === undefined) break;
      lane.bytes -= frame.length;
      const open = to.channels.get(channel);
      if (!linked(from, to) || open === undefined || !mayUse(to, open.spec, from.key)) continue;
      await open.handler(from.key, frame);
    }
    lane.running = false;
    for (const done of [...lane.idle]) done();
  }
  function sendTo(from: Node, spec: ChannelSpec, key: IdentityKey, frame: Uint8Array): SendResult {
    const to = nodes.get(key);
    if (to === undefined || !linked(from, to) || !mayUse(from, spec, key)) return "absent";
    if (frame.length > spec.maxFrameBytes) return "full";
    const lane = laneOf(from, to, spec.name);
    const fits = (): boolean =>
      lane.frames.length < spec.queue.maxFrames && lane.bytes + frame.length <= spec.queue.maxBytes;
    while (!fits()) {
      const oldest = spec.queue.policy === "drop-oldest" ? lane.frames.shift() : undefined;
      if (oldest === undefined) return "full";
      lane.bytes -= oldest.length;
    }
    lane.frames.push(frame);
    lane.bytes += frame.length;
    if (!lane.running) void run(lane, from, to, spec.name);
    return "queued";
  }
  function channelOf(from: Node, spec: ChannelSpec): Channel {
    return {
      spec,
      send: (to, frame) => sendTo(from, spec, to, frame),
      broadcast: (frame) =>
        neighbours(from).filter((to) => sendTo(from, spec, to.key, frame) === "queued").length,
      drained(key, signal) {
        const to = nodes.get(key);
        if (to === undefined || !linked(from, to)) return Promise.resolve(false);
        const lane = laneOf(from, to, spec.name);
        if (!lane.running) return Promise.resolve(true);
        return new Promise((resolve) => {
          const finish = (drained: boolean) => (): void => {
            lane.idle.delete(onIdle);
            signal?.removeEventListener("abort", onAbort);
            resolve(drained && linked(from, to));
          };
          const onIdle = finish(true);
          const onAbort = finish(false);
          lane.idle.add(onIdle);
          signal?.addEventListener("abort", onAbort);
        });
      },
    };
  }
  /** Gossip goes to all neighbours, except between members of the allow-list, and is passed on when accepted. */
  function gossip(from: Node, name: string, message: Uint8Array, except?: Node): number {
    const bothListed = (to: Node): boolean => from.listed.has(from.key) && from.listed.has(to.key);
    let reached = 0;
    for (const to of neighbours(from)) {
      const topic = to.topics.get(name);
      const judge = topic?.judge;
      if (topic === undefined || judge === undefined || to === except || bothListed(to)) continue;
      const id = message.toHex();
      reached++;
      if (topic.seen.has(id)) continue;
      topic.seen.add(id);
      setImmediate(async () => {
        if (linked(from, to) && (await judge(from.key, message)) === "accept")
          gossip(to, name, message, from);
      });
    }
    return reached;
  }
  function topicOf(node: Node, spec: TopicSpec, judge: MessageJudge | undefined) {
    const own: JoinedTopic = { judge, seen: new Set() };
    node.topics.set(spec.name, own);
    return {
      spec,
      heard: () =>
        neighbours(node).some(
          ({ key, topics }) =>
            topics.get(spec.name)?.judge !== undefined &&
            !(node.listed.has(node.key) && node.listed.has(key)),
        ),
      publish(message: Uint8Array) {
        own.seen.add(message.toHex());
        return Promise.resolve(gossip(node, spec.name, message));
      },
    };
  }
  function transportOf(node: Node): Transport {
    const scores = createScores(() => performance.now());
    const block = (peer: IdentityKey): void => change(() => node.blocked.add(peer));
    return {
      self: node.key,
      open(spec, handler) {
        node.channels.set(spec.name, { spec, handler });
        return channelOf(node, spec);
      },
      start: async () => change(() => (node.up = true)),
      listening: () => (node.up ? [`memory:${node.key}`] : []),
      keep: (_address: PeerAddress) => {},
      dial: (_address: PeerAddress) => Promise.resolve(false),
      allow: (peers) => {
        node.listed = new Set(peers);
      },
      join: (spec, judge) => topicOf(node, spec, judge),
      report(peer, offence) {
        if (scores.add(peer, offence, node.listed.has(peer)) !== undefined) block(peer);
      },
      block,
      figures: () => createFigures().read([]),
      peers: () =>
        neighbours(node).map(
          (peer): PeerInfo => ({
            peer: peer.key,
            address: `memory:${peer.key}`,
            direction: node.key < peer.key ? "outbound" : "inbound",
            listed: node.listed.has(peer.key),
            score: scores.of(peer.key),
            sentBytes: 0,
            receivedBytes: 0,
            dropped: 0,
          }),
        ),
      isConnected: (key) => {
        const peer = nodes.get(key);
        return peer !== undefined && linked(node, peer);
      },
      onPeer(listener) {
        node.listeners.add(listener);
        return () => node.listeners.delete(listener);
      },
      close: async () => change(() => (node.up = false)),
    };
  }
  return {
    join(key) {
      const node: Node = {
        key,
        topics: new Map(),
        channels: new Map(),
        listeners: new Set(),
        blocked: new Set(),
        listed: new Set(),
        up: false,
      };
      // What was queued for or by an earlier process with this key ended with it.
      for (const name of lanes.keys())
        if (name.startsWith(`${key}>`) || name.includes(`>${key}#`)) lanes.delete(name);
      nodes.set(key, node);
      return transportOf(node);
    },
    cut: (a, b) => change(() => cuts.add(link(a, b))),
    heal: (a, b) => change(() => cuts.delete(link(a, b))),
  };
}
