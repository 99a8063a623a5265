// The transport port: authenticated peers, and bounded frames on named channels between them. What the frames mean
// is their owners' affair; nothing here knows of votes, blocks or libp2p.
import type { IdentityKey } from "#types/identity.ts";
import type { Offence } from "./score.ts";

/** A rate per peer; bursts of one second are let through. */
export interface Quota {
  readonly bytesPerSecond: number;
  readonly messagesPerSecond: number;
}

/** What happens to a frame that finds its queue full: the oldest one waiting goes, or the new one is not taken. */
export type DropPolicy = "drop-oldest" | "refuse-newest";

/** Who may speak on a channel: those on the allow-list, or everyone who may connect. */
export type ChannelAccess = "listed" | "anyone";

/** One kind of traffic. Both ends must name it alike; a peer's frame above `maxFrameBytes` ends the connection. */
export interface ChannelSpec {
  /** Lowercase letters, digits and dashes; part of the wire protocol's name. */
  readonly name: string;
  readonly access: ChannelAccess;
  /** Checked on the length prefix, before anything is read or kept. */
  readonly maxFrameBytes: number;
  /** What one peer may send; above it the peer is read more slowly, not cut off. */
  readonly inbound: Quota;
  /** What is sent to one peer; above it frames wait in the queue. */
  readonly outbound: Quota;
  /** Bounds of the queue towards one peer, and what happens beyond them. */
  readonly queue: {
    readonly maxFrames: number;
    readonly maxBytes: number;
    readonly policy: DropPolicy;
  };
}

/**
 * Called with one frame from one peer, in the order it was sent. While a returned promise is pending, nothing of that
 * peer's is read on this channel, whatever streams it opens: slow handlers slow their senders, and one that never ends
 * makes this node deaf to them. What it throws is logged and forgotten.
 */
export type FrameHandler = (from: IdentityKey, frame: Uint8Array) => void | Promise<void>;

/** "queued": will be sent unless the connection ends or the policy drops it. "full" and "absent": was not taken. */
export type SendResult = "queued" | "full" | "absent";

/** An opened channel. */
export interface Channel {
  readonly spec: ChannelSpec;
  /** Never waits. The frame must not be changed afterwards. */
  send(to: IdentityKey, frame: Uint8Array): SendResult;
  /** Sends to every connected peer that may speak on this channel; answers how many took it. */
  broadcast(frame: Uint8Array): number;
  /** Resolves once `to`'s queue is empty; false if the peer is absent, goes, or `signal` aborts first. */
  drained(to: IdentityKey, signal?: AbortSignal): Promise<boolean>;
}

/** Messages that nodes pass on to one another: whoever listens hears of one, from whichever neighbour has it first. */
export interface TopicSpec {
  /** Lowercase letters, digits and dashes; the same on all nodes. */
  readonly name: string;
  readonly maxMessageBytes: number;
}

/**
 * What becomes of a gossiped message: it is news and is passed on; it goes no further, and nobody is to blame; it is
 * wrong in a way that whoever passed it on must have seen.
 */
export type Verdict = "accept" | "ignore" | "reject";

/**
 * Judges a message before it is passed on; repeats are not asked about. While a returned promise is pending, nothing
 * else that this peer gossips is read. What it throws is logged, and the message ignored.
 */
export type MessageJudge = (from: IdentityKey, message: Uint8Array) => Verdict | Promise<Verdict>;

/** A topic that this node listens to, or only speaks on. */
export interface Topic {
  readonly spec: TopicSpec;
  /** Whether any connected peer listens. */
  heard(): boolean;
  /**
   * Hands a message to some of those who listen; resolves with to how many. None for a while after peers connect: they
   * may listen already where this node cannot speak to them yet.
   */
  publish(message: Uint8Array): Promise<number>;
}

/** What is gossiped: the topics share one stream to each peer, and its bounds. */
export interface GossipSpec {
  /** Largest packet: messages and what the protocol says beside them. */
  readonly maxPacketBytes: number;
  /** Packets and their bytes that one peer may send; above it the peer is read more slowly. */
  readonly inbound: Quota;
  /** What is sent to one peer; above it messages are left out, and asked for again by whoever missed them. */
  readonly outbound: Quota;
  /** Bytes that may wait for a peer that is slow to read; further messages to it are left out. */
  readonly maxBacklogBytes: number;
}

/** Where to reach a peer. Without `peer`, whoever answers is accepted if the allow-list lets them connect. */
export interface PeerAddress {
  /** Host name, IPv4, or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly peer: IdentityKey | undefined;
}

export type PeerEvent =
  | { readonly kind: "connected"; readonly peer: IdentityKey }
  | { readonly kind: "disconnected"; readonly peer: IdentityKey };

/** One connected peer, for status, metrics and logs. */
export interface PeerInfo {
  readonly peer: IdentityKey;
  /** As host:port. */
  readonly address: string;
  readonly direction: "inbound" | "outbound";
  readonly listed: boolean;
  /** What is held against it; 0 for a peer without fault, `BLOCK_SCORE` and it is blocked. */
  readonly score: number;
  /** Frames and bytes since the connection began, and frames the queues dropped. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly dropped: number;
}

/** What one channel has carried since the start, all peers together. */
export interface ChannelFigures {
  readonly sentBytes: number;
  readonly sentFrames: number;
  readonly receivedBytes: number;
  readonly receivedFrames: number;
  /** Frames that queues refused or gave up, or that broke with their stream. */
  readonly dropped: number;
}

/** What a transport has counted since the start. */
export interface TransportFigures {
  readonly channels: ReadonlyMap<string, ChannelFigures>;
  /** Judged messages, by topic and verdict together. */
  readonly gossip: ReadonlyMap<
    string,
    { readonly topic: string; readonly verdict: Verdict; readonly count: number }
  >;
  readonly offences: ReadonlyMap<Offence, number>;
  readonly blocks: number;
}

/** Connections between authenticated, encrypted peers. A peer is its ed25519 key; the handshake proves it. */
export interface Transport {
  readonly self: IdentityKey;
  /** Registers a channel; each name once, before `start`. */
  open(spec: ChannelSpec, handler: FrameHandler): Channel;
  /** Registers a topic; each name once, before `start`. Without a judge this node only speaks. */
  join(spec: TopicSpec, judge: MessageJudge | undefined): Topic;
  /** Listens and begins to dial. Throws KoraError when the address cannot be bound. */
  start(): Promise<void>;
  /** Addresses listened on as host:port, with the real port when 0 was asked for; empty before `start`. */
  listening(): readonly string[];
  /** Keeps a connection to this address, redialling with growing pauses, until closed. Repeats do nothing. */
  keep(address: PeerAddress): void;
  /** Dials once; whether the connection stands. */
  dial(address: PeerAddress): Promise<boolean>;
  /** Replaces the allow-list; connected peers that lose their place and have no open channel left are cut off. */
  allow(peers: readonly IdentityKey[]): void;
  /** Adds to what is held against a peer; enough of it blocks the peer for a while. */
  report(peer: IdentityKey, offence: Offence): void;
  /** Cuts a peer off and refuses it for `seconds`. */
  block(peer: IdentityKey, seconds: number, reason: string): void;
  peers(): readonly PeerInfo[];
  figures(): TransportFigures;
  isConnected(peer: IdentityKey): boolean;
  /** Calls `listener` from now on; the answer stops it. */
  onPeer(listener: (event: PeerEvent) => void): () => void;
  /** Stops listening, dialling and sending; idempotent, resolves when all is down. */
  close(): Promise<void>;
}
