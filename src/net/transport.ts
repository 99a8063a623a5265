// The transport over a wire: who may connect and speak where, a lane and an intake for each peer and channel, blocks
// with an end, and connections that are kept. It knows no network library.
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { networkOf, siteOf } from "#lib/ip.ts";
import type { IdentityKey } from "#types/identity.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createDialer, DIAL_TIMEOUT_MS } from "./dialer.ts";
import { createFigures } from "./figures.ts";
import { createFrameReader } from "./frames.ts";
import { type Account, createAccount, readStream } from "./intake.ts";
import { Lane } from "./lane.ts";
import { createScores, type Offence } from "./score.ts";
import type {
  Channel,
  ChannelSpec,
  FrameHandler,
  GossipSpec,
  MessageJudge,
  PeerAddress,
  PeerEvent,
  PeerInfo,
  SendResult,
  Topic,
  TopicSpec,
  Transport,
  TransportFigures,
  Verdict,
} from "./types.ts";
import type { Direction, Wire, WireEvents, WireFactory, WireStream } from "./wire.ts";

/** Blocks remembered; the oldest are forgotten first. */
const MAX_BLOCKS = 4_096;
/** Accounts remembered beyond a connection, by peer and channel: whoever comes back brings no new credit. */
const MAX_ACCOUNTS = 8_192;
/** Unlisted peers that dialled this node, connected at once, unless the options say otherwise; from one network; and from one site. */
const DEFAULT_MAX_UNLISTED = 64;
const MAX_UNLISTED_OF_NETWORK = 16;
const MAX_UNLISTED_OF_SITE = 32;

/** Something an operator may want to read; `peer` and the rest are for structured logs. */
export type TransportLog = (message: string, details: Readonly<Record<string, unknown>>) => void;

export interface TransportOptions {
  readonly self: IdentityKey;
  readonly wire: WireFactory;
  readonly log?: TransportLog;
  readonly clock?: Clock;
  /** Connection quota of peers that are not on the allow-list; 0 keeps this node from dialling such peers too. */
  readonly maxUnlisted?: number;
  /** Jitter of redials, from 0 to 1. */
  readonly random?: () => number;
  /** Bounds of gossip; must be given where a topic is joined. */
  readonly gossip?: GossipSpec;
  /**
   * Whether members of the allow-list gossip among themselves too. By default they do not: each of them has a channel
   * to every other, on which a message arrives once, and gossip would bring it several times.
   */
  readonly gossipAmongListed?: boolean;
}

/** Nothing is gossiped. */
const NO_GOSSIP: GossipSpec = {
  maxPacketBytes: 0,
  inbound: { bytesPerSecond: 1, messagesPerSecond: 1 },
  outbound: { bytesPerSecond: 1, messagesPerSecond: 1 },
  maxBacklogBytes: 0,
};

interface OpenChannel {
  readonly spec: ChannelSpec;
  readonly handler: FrameHandler;
}

interface JoinedTopic {
  readonly spec: TopicSpec;
  readonly judge: MessageJudge | undefined;
}

interface Peer {
  readonly key: IdentityKey;
  readonly address: string;
  readonly direction: Direction;
  readonly lanes: Map<string, Lane>;
  /** One stream is read for each channel; a newer one replaces it. */
  readonly intakes: Map<string, () => void>;
  receivedBytes: number;
}

/** The host of `address`, a host:port. */
const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));

class WiredTransport implements Transport {
  readonly self: IdentityKey;
  readonly #options: TransportOptions;
  readonly #clock: Clock;
  readonly #log: TransportLog;
  readonly #channels = new Map<string, OpenChannel>();
  readonly #topics = new Map<string, JoinedTopic>();
  readonly #scores: ReturnType<typeof createScores>;
  readonly #figures = createFigures();
  readonly #accounts = createLru<string, Account>(MAX_ACCOUNTS);
  readonly #peers = new Map<IdentityKey, Peer>();
  readonly #listeners = new Set<(event: PeerEvent) => void>();
  /** Until when, on the clock. */
  readonly #blocked = createLru<IdentityKey, number>(MAX_BLOCKS);
  readonly #early: PeerAddress[] = [];
  readonly #dialer: ReturnType<typeof createDialer>;
  #listed: ReadonlySet<IdentityKey> = new Set();
  #wire: Wire | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: TransportOptions) {
    this.self = options.self;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#scores = createScores(() => this.#clock.now());
    this.#log = options.log ?? (() => {});
    this.#dialer = createDialer({
      clock: this.#clock,
      dial: (address, signal) => this.#started().dial(address, signal),
      isConnected: (peer) => this.#peers.has(peer),
      mayConnect: (peer) => this.#mayConnect(peer, "", "outbound"),
      isListed: (peer) => this.#listed.has(peer),
      random: options.random ?? Math.random,
      onFailure: ({ host, port }, reason) =>
        this.#log("cannot reach a peer", { address: `${host}:${port}`, reason: String(reason) }),
    });
  }

  #started(): Wire {
    assert(this.#wire !== undefined, "the transport was started");
    return this.#wire;
  }

  open(spec: ChannelSpec, handler: FrameHandler): Channel {
    assert(this.#wire === undefined, "channels are opened before the transport starts");
    assert(!this.#channels.has(spec.name), `channel ${spec.name} is opened once`);
    assert(/^[a-z0-9-]+$/.test(spec.name), "a channel's name has lowercase letters, digits and dashes");
    this.#channels.set(spec.name, { spec, handler });
    return {
      spec,
      send: (to, frame) => this.#send(spec, to, frame),
      broadcast: (frame) =>
        [...this.#peers.keys()].filter((to) => this.#send(spec, to, frame) === "queued").length,
      drained: (to, signal) => this.#laneOf(spec, to)?.drained(signal) ?? Promise.resolve(false),
    };
  }

  join(spec: TopicSpec, judge: MessageJudge | undefined): Topic {
    assert(this.#wire === undefined, "topics are joined before the transport starts");
    assert(!this.#topics.has(spec.name), `topic ${spec.name} is joined once`);
    assert(spec.maxMessageBytes < (this.#options.gossip?.maxPacketBytes ?? 0), "a packet holds a message");
    this.#topics.set(spec.name, { spec, judge });
    return {
      spec,
      heard: () => this.#wire?.heard(spec.name) ?? false,
      publish: (message) => {
        assert(message.length <= spec.maxMessageBytes, `a message of ${spec.name} is within its bound`);
        return this.#wire?.publish(spec.name, message) ?? Promise.resolve(0);
      },
    };
  }

  async start(): Promise<void> {
    assert(this.#wire === undefined && this.#closing === undefined, "a transport starts once");
    const events: WireEvents = {
      mayConnect: (peer, address, direction) => this.#mayConnect(peer, address, direction),
      connected: (peer, address, direction) => this.#connected(peer, address, direction),
      disconnected: (peer) => this.#disconnected(peer),
      stream: (peer, channel, stream) => this.#stream(peer, channel, stream),
      mayGossip: (peer) => this.#mayGossip(peer),
      gossiped: (peer, topic, message) => this.#gossiped(peer, topic, message),
      score: (peer) => this.#scores.of(peer),
      offended: (peer, offence) => this.report(peer, offence),
    };
    const topics = [...this.#topics].map(([name, { judge }]) => ({ name, listen: judge !== undefined }));
    const gossip = this.#options.gossip ?? NO_GOSSIP;
    this.#wire = await this.#options.wire({ channels: [...this.#channels.keys()], topics, gossip }, events);
    await this.#wire.start();
    for (const address of this.#early.splice(0)) this.#dialer.keep(address);
  }

  listening(): readonly string[] {
    return this.#wire?.listening() ?? [];
  }

  keep(address: PeerAddress): void {
    if (address.peer === this.self) return;
    if (this.#wire === undefined) this.#early.push(address);
    else this.#dialer.keep(address);
  }

  async dial(address: PeerAddress): Promise<boolean> {
    const { peer } = address;
    if (this.#closing !== undefined || (peer !== undefined && !this.#mayConnect(peer, "", "outbound")))
      return false;
    try {
      await this.#started().dial(address, AbortSignal.timeout(DIAL_TIMEOUT_MS));
      return true;
    } catch (error) {
      this.#log("cannot reach a peer", {
        address: `${address.host}:${address.port}`,
        reason: String(error),
      });
      return false;
    }
  }

  allow(peers: readonly IdentityKey[]): void {
    this.#listed = new Set(peers);
    for (const peer of [...this.#peers.keys()]) {
      for (const [name, { spec }] of this.#channels) {
        if (!this.#maySpeak(spec, peer)) this.#dropChannel(peer, name);
      }
      if (!this.#maySpeakAnywhere(peer)) this.#started().disconnect(peer);
    }
  }

  report(peer: IdentityKey, offence: Offence): void {
    this.#figures.offence(offence);
    const seconds = this.#scores.add(peer, offence, this.#listed.has(peer));
    this.#log("an offence of a peer", { peer, offence, score: this.#scores.of(peer) });
    if (seconds !== undefined) this.block(peer, seconds, offence);
  }

  block(peer: IdentityKey, seconds: number, reason: string): void {
    this.#figures.block();
    // A lesser fault that shows meanwhile does not shorten it.
    const until = Math.max(this.#blocked.get(peer) ?? 0, this.#clock.now() + seconds * 1000);
    this.#blocked.set(peer, until);
    this.#log("peer blocked", { peer, seconds, reason });
    this.#wire?.disconnect(peer);
  }

  peers(): readonly PeerInfo[] {
    return [...this.#peers.values()].map((peer) => {
      const lanes = [...peer.lanes.values()];
      return {
        peer: peer.key,
        address: peer.address,
        direction: peer.direction,
        listed: this.#listed.has(peer.key),
        score: this.#scores.of(peer.key),
        sentBytes: lanes.reduce((sum, lane) => sum + lane.sentBytes, 0),
        receivedBytes: peer.receivedBytes,
        dropped: lanes.reduce((sum, lane) => sum + lane.dropped, 0),
      };
    });
  }

  figures(): TransportFigures {
    return this.#figures.read([...this.#peers.values()].flatMap(({ lanes }) => [...lanes]));
  }

  isConnected(peer: IdentityKey): boolean {
    return this.#peers.has(peer);
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#dialer.close();
      for (const peer of this.#peers.values()) this.#forget(peer);
      await this.#wire?.close();
    })();
    return this.#closing;
  }

  #isBlocked(peer: IdentityKey): boolean {
    const until = this.#blocked.get(peer);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#blocked.delete(peer);
    return false;
  }

  #maySpeak(spec: ChannelSpec, peer: IdentityKey): boolean {
    return spec.access === "anyone" || this.#listed.has(peer);
  }

  #maySpeakAnywhere(peer: IdentityKey): boolean {
    return [...this.#channels.values()].some(({ spec }) => this.#maySpeak(spec, peer));
  }

  /** Whom this node dials it has chosen: the quotas are for those who come, and members of the list need none. */
  #mayConnect(peer: IdentityKey, address: string, direction: Direction): boolean {
    if (peer === this.self || this.#closing !== undefined || this.#isBlocked(peer)) return false;
    if (this.#listed.has(peer) || this.#peers.has(peer)) return true;
    const places = this.#options.maxUnlisted ?? DEFAULT_MAX_UNLISTED;
    if (places === 0 || !this.#maySpeakAnywhere(peer)) return false;
    if (direction === "outbound") return true;
    const strangers = [...this.#peers.values()].filter(
      (each) => each.direction === "inbound" && !this.#listed.has(each.key),
    );
    const host = hostOf(address);
    const sharing = (of: (host: string) => string): number =>
      strangers.filter((each) => of(hostOf(each.address)) === of(host)).length;
    return (
      strangers.length < places &&
      sharing(networkOf) < MAX_UNLISTED_OF_NETWORK &&
      sharing(siteOf) < MAX_UNLISTED_OF_SITE
    );
  }

  #tell(event: PeerEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #connected(key: IdentityKey, address: string, direction: Direction): void {
    if (this.#peers.has(key)) return;
    this.#peers.set(key, {
      key,
      address,
      direction,
      lanes: new Map(),
      intakes: new Map(),
      receivedBytes: 0,
    });
    this.#log("peer connected", { peer: key, address, direction });
    this.#tell({ kind: "connected", peer: key });
  }

  #closeLane(channel: string, lane: Lane): void {
    lane.close();
    this.#figures.closed(channel, lane);
  }

  #forget(peer: Peer): void {
    for (const [name, lane] of peer.lanes) this.#closeLane(name, lane);
    for (const stop of peer.intakes.values()) stop();
    peer.lanes.clear();
    peer.intakes.clear();
  }

  #disconnected(key: IdentityKey): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.#peers.delete(key);
    this.#forget(peer);
    this.#log("peer disconnected", { peer: key, address: peer.address });
    this.#tell({ kind: "disconnected", peer: key });
    this.#dialer.lost(key);
  }

  #dropChannel(key: IdentityKey, name: string): void {
    const peer = this.#peers.get(key);
    const lane = peer?.lanes.get(name);
    if (lane !== undefined) this.#closeLane(name, lane);
    peer?.lanes.delete(name);
    peer?.intakes.get(name)?.();
    peer?.intakes.delete(name);
  }

  #stream(key: IdentityKey, name: string, stream: WireStream): void {
    const peer = this.#peers.get(key);
    const channel = this.#channels.get(name);
    if (peer === undefined || channel === undefined || !this.#maySpeak(channel.spec, key)) {
      stream.abort("not allowed on this channel");
      return;
    }
    const { spec, handler } = channel;
    peer.intakes.get(name)?.();
    const holder = `${key}/${name}`;
    const account = this.#accounts.get(holder) ?? createAccount(spec.inbound);
    this.#accounts.set(holder, account);
    const stop = readStream({
      reader: createFrameReader(spec.maxFrameBytes),
      clock: this.#clock,
      account,
      stream,
      deliver: (frame) => {
        this.#figures.frame(name);
        return this.#deliver(handler, key, name, frame);
      },
      onBytes: (count) => {
        peer.receivedBytes += count;
        this.#figures.received(name, count);
      },
      onOffence: (offence) => this.report(key, offence),
    });
    peer.intakes.set(name, stop);
  }

  /** A handler that fails is its owner's fault and not the peer's: it is logged, and reading goes on. */
  #deliver(
    handler: FrameHandler,
    from: IdentityKey,
    channel: string,
    frame: Uint8Array,
  ): Promise<void> | undefined {
    const failed = (error: unknown): void =>
      this.#log("a frame's handler failed", { channel, peer: from, reason: String(error) });
    try {
      const pending = handler(from, frame);
      return pending instanceof Promise ? pending.catch(failed) : undefined;
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  #mayGossip(peer: IdentityKey): boolean {
    const bothListed = this.#listed.has(peer) && this.#listed.has(this.self);
    return this.#peers.has(peer) && (!bothListed || this.#options.gossipAmongListed === true);
  }

  /** A judge that fails is its owner's fault: the message goes no further, and nobody is blamed. */
  async #gossiped(from: IdentityKey, name: string, message: Uint8Array): Promise<Verdict> {
    const topic = this.#topics.get(name);
    if (topic === undefined || !this.#peers.has(from)) return "ignore";
    if (topic.judge === undefined) {
      this.report(from, "unwantedTopic");
      return "ignore";
    }
    if (message.length > topic.spec.maxMessageBytes) {
      this.report(from, "oversized");
      return "reject";
    }
    try {
      const verdict = await topic.judge(from, message);
      this.#figures.judged(name, verdict);
      return verdict;
    } catch (error) {
      this.#log("a topic's judge failed", { topic: name, peer: from, reason: String(error) });
      return "ignore";
    }
  }

  #laneOf(spec: ChannelSpec, to: IdentityKey): Lane | undefined {
    const peer = this.#peers.get(to);
    if (peer === undefined || !this.#maySpeak(spec, to)) return undefined;
    const lane =
      peer.lanes.get(spec.name) ?? new Lane(spec, this.#clock, () => this.#started().open(to, spec.name));
    peer.lanes.set(spec.name, lane);
    return lane;
  }

  #send(spec: ChannelSpec, to: IdentityKey, frame: Uint8Array): SendResult {
    return this.#laneOf(spec, to)?.send(frame) ?? "absent";
  }
}

/** A transport over a wire; it does nothing before `start`. */
export function createTransport(options: TransportOptions): Transport {
  return new WiredTransport(options);
}
