// What the transport needs from a network library: connections to authenticated peers, and raw streams with
// back-pressure on them. One file implements it with libp2p; tests with pipes in memory.
import type { IdentityKey } from "#types/identity.ts";
import type { Offence } from "./score.ts";
import type { GossipSpec, PeerAddress, Verdict } from "./types.ts";

/** One stream in one direction: whoever opened it writes, the other end reads. */
export interface WireStream {
  /** False: the stream is full, `onDrain` says when it no longer is; the bytes were taken all the same. */
  write(bytes: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  /** Called with every chunk, in order. */
  onData(listener: (chunk: Uint8Array) => void): void;
  /** Called once, however the stream ends. */
  onClose(listener: () => void): void;
  /** Stops reading; what the other end may still send is bounded by the stream's window. */
  pause(): void;
  resume(): void;
  abort(reason: string): void;
}

export type Direction = "inbound" | "outbound";

/** What the wire tells. */
export interface WireEvents {
  /** Asked before a connection is used; the handshake has proved the key. `address` as host:port. */
  mayConnect(peer: IdentityKey, address: string, direction: Direction): boolean;
  /** The first connection with a peer. */
  connected(peer: IdentityKey, address: string, direction: Direction): void;
  /** The last one ended. */
  disconnected(peer: IdentityKey): void;
  /** A peer opened a stream towards this node. */
  stream(peer: IdentityKey, channel: string, stream: WireStream): void;
  /** Whether messages are gossiped with this peer. */
  mayGossip(peer: IdentityKey): boolean;
  /** A message that is new to this node; it is passed on once it is accepted. */
  gossiped(peer: IdentityKey, topic: string, message: Uint8Array): Promise<Verdict>;
  /** What is held against a peer: gossip keeps away from those with much. */
  score(peer: IdentityKey): number;
  offended(peer: IdentityKey, offence: Offence): void;
}

export interface WireTopic {
  readonly name: string;
  /** Others are asked to send what they hear. */
  readonly listen: boolean;
}

/** What a wire serves. */
export interface WirePlan {
  readonly channels: readonly string[];
  /** None: nothing is gossiped. */
  readonly topics: readonly WireTopic[];
  readonly gossip: GossipSpec;
}

export interface Wire {
  /** Throws KoraError when an address cannot be bound. */
  start(): Promise<void>;
  listening(): readonly string[];
  /** Resolves with the peer that was reached; rejects when nobody was, or somebody else than `address.peer`. */
  dial(address: PeerAddress, signal: AbortSignal): Promise<IdentityKey>;
  /** Opens a stream on a connection that exists; rejects if there is none or the peer does not serve the channel. */
  open(peer: IdentityKey, channel: string): Promise<WireStream>;
  disconnect(peer: IdentityKey): void;
  /** Gossips a message; resolves with to how many peers: to none when nobody listens, or it was gossiped lately. */
  publish(topic: string, message: Uint8Array): Promise<number>;
  /** Whether a connected peer listens to the topic. */
  heard(topic: string): boolean;
  close(): Promise<void>;
}

/** Makes a wire that serves `plan` and reports to `events`. */
export type WireFactory = (plan: WirePlan, events: WireEvents) => Promise<Wire>;
