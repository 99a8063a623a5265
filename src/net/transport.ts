// The transport over a wire: who may connect and speak where, a lane and an intake for each peer and channel, blocks
// with an end, and connections that are kept. It knows no network library.
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import type { IdentityKey } from "#types/identity.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createDialer } from "./dialer.ts";
import { inboundRate, readStream } from "./intake.ts";
import { Lane } from "./lane.ts";
import type { Rate } from "./rate.ts";
import type {
  Channel,
  ChannelSpec,
  FrameHandler,
  PeerAddress,
  PeerEvent,
  PeerInfo,
  SendResult,
  Transport,
} from "./types.ts";
import type { Direction, Wire, WireEvents, WireFactory, WireStream } from "./wire.ts";

/** Blocks remembered; the oldest are forgotten first. */
const MAX_BLOCKS = 4_096;
/** How long a peer is refused that announced a frame above its channel's bound. */
const OVERSIZED_BLOCK_SECONDS = 60;
/** Unlisted peers connected at once, unless the options say otherwise. */
const DEFAULT_MAX_UNLISTED = 64;

/** Something an operator may want to read; `peer` and the rest are for structured logs. */
export type TransportLog = (message: string, details: Readonly<Record<string, unknown>>) => void;

export interface TransportOptions {
  readonly self: IdentityKey;
  readonly wire: WireFactory;
  readonly log?: TransportLog;
  readonly clock?: Clock;
  /** Connection quota of peers that are not on the allow-list. */
  readonly maxUnlisted?: number;
  /** Jitter of redials, from 0 to 1. */
  readonly random?: () => number;
}

interface OpenChannel {
  readonly spec: ChannelSpec;
  readonly handler: FrameHandler;
}

interface Peer {
  readonly key: IdentityKey;
  readonly address: string;
  readonly direction: Direction;
  readonly lanes: Map<string, Lane>;
  /** One stream is read for each channel; a newer one replaces it. */
  readonly intakes: Map<string, () => void>;
  readonly rates: Map<string, Rate>;
  receivedBytes: number;
}

class WiredTransport implements Transport {
  readonly self: IdentityKey;
  readonly #options: TransportOptions;
  readonly #clock: Clock;
  readonly #log: TransportLog;
  readonly #channels = new Map<string, OpenChannel>();
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
    this.#log = options.log ?? (() => {});
    this.#dialer = createDialer({
      clock: this.#clock,
      dial: (address, signal) => this.#started().dial(address, signal),
      isConnected: (peer) => this.#peers.has(peer),
      mayConnect: (peer) => this.#mayConnect(peer),
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

  async start(): Promise<void> {
    assert(this.#wire === undefined && this.#closing === undefined, "a transport starts once");
    const events: WireEvents = {
      mayConnect: (peer) => this.#mayConnect(peer),
      connected: (peer, address, direction) => this.#connected(peer, address, direction),
      disconnected: (peer) => this.#disconnected(peer),
      stream: (peer, channel, stream) => this.#stream(peer, channel, stream),
    };
    this.#wire = await this.#options.wire([...this.#channels.keys()], events);
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

  allow(peers: readonly IdentityKey[]): void {
    this.#listed = new Set(peers);
    for (const peer of [...this.#peers.keys()]) {
      for (const [name, { spec }] of this.#channels) {
        if (!this.#maySpeak(spec, peer)) this.#dropChannel(peer, name);
      }
      if (!this.#maySpeakAnywhere(peer)) this.#started().disconnect(peer);
    }
  }

  block(peer: IdentityKey, seconds: number, reason: string): void {
    this.#blocked.set(peer, this.#clock.now() + seconds * 1000);
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
        sentBytes: lanes.reduce((sum, lane) => sum + lane.sentBytes, 0),
        receivedBytes: peer.receivedBytes,
        dropped: lanes.reduce((sum, lane) => sum + lane.dropped, 0),
      };
    });
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

  #mayConnect(peer: IdentityKey): boolean {
    if (peer === this.self || this.#closing !== undefined || this.#isBlocked(peer)) return false;
    if (this.#listed.has(peer) || this.#peers.has(peer)) return true;
    const unlisted = [...this.#peers.keys()].filter((key) => !this.#listed.has(key)).length;
    return this.#maySpeakAnywhere(peer) && unlisted < (this.#options.maxUnlisted ?? DEFAULT_MAX_UNLISTED);
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
      rates: new Map(),
      receivedBytes: 0,
    });
    this.#log("peer connected", { peer: key, address, direction });
    this.#tell({ kind: "connected", peer: key });
  }

  #forget(peer: Peer): void {
    for (const lane of peer.lanes.values()) lane.close();
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
    peer?.lanes.get(name)?.close();
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
    const rate = peer.rates.get(name) ?? inboundRate(spec);
    peer.rates.set(name, rate);
    const stop = readStream({
      spec,
      clock: this.#clock,
      rate,
      stream,
      deliver: (frame) => this.#deliver(handler, key, name, frame),
      onBytes: (count) => {
        peer.receivedBytes += count;
      },
      onOversized: () => this.block(key, OVERSIZED_BLOCK_SECONDS, `oversized frame on ${name}`),
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
