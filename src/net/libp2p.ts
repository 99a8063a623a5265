// The wire over libp2p: TCP, Noise and yamux; a peer's id is its ed25519 key. With tcp.ts, noise-crypto.ts, muxer.ts and
// gossip.ts the only file that imports the library, none of whose types leave the five.
import { isIP } from "node:net";
import { noise } from "@chainsafe/libp2p-noise";
import { generateKeyPairFromSeed, publicKeyFromRaw } from "@libp2p/crypto/keys";
import type { Connection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import type { Identity } from "#crypto/identity.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { type IdentityKey, identityKey, identityKeyBytes } from "#types/identity.ts";
import { createGossip, type Gossip } from "./gossip.ts";
import { connectionMuxer } from "./muxer.ts";
import { isUnsupported } from "./negotiation.ts";
import { createNoiseCrypto } from "./noise-crypto.ts";
import { tcpTransport } from "./tcp.ts";
import type { PeerAddress } from "./types.ts";
import { createValve } from "./valve.ts";
import type { Direction, Wire, WireEvents, WireFactory, WirePlan, WireStream } from "./wire.ts";

/** Connections at most, pending ones included: a large committee and its followers, twice when both sides dial. */
const MAX_CONNECTIONS = 1_024;
const MAX_PENDING_CONNECTIONS = 128;
/**
 * Connections a second from one address: a handshake costs some ten milliseconds, and validators may share one. With
 * the time a handshake may take, and seconds counted from the first of each, one address can hold 72 pending places.
 */
const MAX_CONNECTION_RATE = 12;
const HANDSHAKE_TIMEOUT_MS = 5_000;
/**
 * Connections with one peer: one that each side dialled, and one of each that may have died without a word. It has a
 * single place among the peers, so it must not fill the connections of all others.
 */
const MAX_CONNECTIONS_OF_PEER = 4;
/** Streams of one channel that a peer may hold open at once: the one in use, and one that replaces it. */
const MAX_CHANNEL_STREAMS = 2;
/** A connection whose ping stays unanswered so long is dead. Wide: a busy event loop is no dead peer. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 20_000;
const OPEN_TIMEOUT_MS = 10_000;
/** What asks an older connection for a sign of life, and how long that may take. */
const PROBE_PROTOCOL = "/kora/probe/1";
const PROBE_TIMEOUT_MS = 3_000;

export interface Libp2pOptions {
  readonly identity: Identity;
  /** As host:port or multiaddr; empty to only dial. */
  readonly listen: readonly string[];
  /** Names the chain in every protocol's name: nodes of different chains share no channel. */
  readonly network: string;
}

function keyOf(peer: PeerId): IdentityKey | undefined {
  return peer.type === "Ed25519" ? identityKey(peer.publicKey.raw) : undefined;
}

function peerIdOf(key: IdentityKey): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(identityKeyBytes(key)));
}

function badAddress(text: string, why: string): KoraError {
  return new KoraError(`not a network address: ${text}`, {
    code: "BAD_ADDRESS",
    kind: "usage",
    why,
    hint: "write host:port, [ipv6]:port, or a multiaddr such as /ip4/0.0.0.0/tcp/30303",
  });
}

function tcpAddress(host: string, port: number): string {
  const family = isIP(host);
  const kind = family === 6 ? "ip6" : family === 4 ? "ip4" : "dns";
  return `/${kind}/${host}/tcp/${port}`;
}

/** A listening address as the library writes it. */
function listenAddress(text: string): string {
  try {
    if (text.startsWith("/")) return multiaddr(text).toString();
  } catch (error) {
    throw badAddress(text, messageOf(error));
  }
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw badAddress(text, "it has no port from 0 to 65535");
  const host = match[1] ?? match[2] ?? "";
  if (host === "" || host === "localhost") return tcpAddress("127.0.0.1", port);
  if (isIP(host) === 0) throw badAddress(text, "a node listens on an IP address of its own");
  return tcpAddress(host, port);
}

/** host:port of a connection's or listener's address. */
function readable(address: Multiaddr): string {
  const parts = address.getComponents();
  const host = parts.find(({ name }) => /^(ip4|ip6|dns)/.test(name));
  const port = parts.find(({ name }) => name === "tcp");
  const value = host?.value ?? "unknown";
  return `${host?.name === "ip6" ? `[${value}]` : value}:${port?.value ?? "0"}`;
}

function dialAddress({ host, port, peer }: PeerAddress): Multiaddr {
  const address = tcpAddress(host, port);
  return multiaddr(peer === undefined ? address : `${address}/p2p/${peerIdOf(peer)}`);
}

/** The same bytes without the runtime's Buffer, whose slices are views. */
function plain(chunk: Uint8Array): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
}

function wireStream(stream: Stream): WireStream {
  return {
    ...createValve(stream),
    write: (bytes) => stream.send(bytes),
    onDrain: (listener) => stream.addEventListener("drain", listener),
    onData: (listener) =>
      stream.addEventListener("message", ({ data }) => {
        for (const chunk of data instanceof Uint8Array ? [data] : data) listener(plain(chunk));
      }),
    onClose(listener) {
      stream.addEventListener("close", listener, { once: true });
      stream.addEventListener("remoteCloseWrite", () => {
        if (stream.direction === "inbound") stream.abort(new KoraError("closed", { code: "CLOSED" }));
      });
    },
    abort: (reason) => stream.abort(new KoraError(reason, { code: "STREAM_ABORTED" })),
  };
}

async function createNode(
  options: Libp2pOptions,
  events: WireEvents,
  gossip: Gossip | undefined,
): Promise<Libp2p> {
  const seed = options.identity.revealSeed();
  const privateKey = await generateKeyPairFromSeed("Ed25519", seed);
  seed.fill(0);
  const denies = (peer: PeerId, address: Multiaddr, direction: Direction): boolean => {
    const key = keyOf(peer);
    if (key === undefined || !events.mayConnect(key, readable(address), direction)) return true;
    return direction === "inbound" && node.getConnections(peer).length >= MAX_CONNECTIONS_OF_PEER;
  };
  const node = await createLibp2p({
    privateKey,
    start: false,
    addresses: { listen: options.listen.map(listenAddress) },
    transports: [tcpTransport()],
    connectionEncrypters: [noise({ crypto: createNoiseCrypto() })],
    streamMuxers: [connectionMuxer()],
    ...(gossip !== undefined && { services: { gossip: gossip.service } }),
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      inboundConnectionThreshold: MAX_CONNECTION_RATE,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      // The transport redials by itself.
      reconnectRetries: 0,
    },
    connectionMonitor: {
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: { minTimeout: PING_TIMEOUT_MS },
    },
    connectionGater: {
      // By default the library refuses private addresses in some environments.
      denyDialMultiaddr: () => false,
      denyInboundEncryptedConnection: (peer, { remoteAddr }) => denies(peer, remoteAddr, "inbound"),
      denyOutboundEncryptedConnection: (peer, { remoteAddr }) => denies(peer, remoteAddr, "outbound"),
    },
  });
  return node;
}

/** The library remembers whomever it spoke to or dialled, without end: here nobody who is not connected. */
function forgetAbsent(node: Libp2p, peer: PeerId): void {
  if (node.getConnections(peer).length === 0) node.peerStore.delete(peer).catch(() => undefined);
}

/** Whether the peer answers on this connection: even "I do not know that protocol" is an answer. */
async function isAlive(connection: Connection): Promise<boolean> {
  try {
    const stream = await connection.newStream(PROBE_PROTOCOL, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    stream.abort(new KoraError("probed", { code: "PROBED" }));
    return true;
  } catch (error) {
    return isUnsupported(error);
  }
}

/**
 * Follows connections and reports the first and the last with each peer. Two at once are fine: both ends may have
 * dialled. But a peer that dials again may have lost the first without a word, so that one has to prove that it lives.
 */
function followConnections(node: Libp2p, events: WireEvents): void {
  const open = new Map<IdentityKey, Set<Connection>>();
  async function examine(connection: Connection): Promise<void> {
    if (connection.status !== "open" || (await isAlive(connection))) return;
    connection.abort(new KoraError("no answer", { code: "PEER_SILENT" }));
  }
  node.addEventListener("connection:open", ({ detail }) => {
    const key = keyOf(detail.remotePeer);
    // One that ended while it was being set up never tells of its end.
    if (key === undefined || detail.status !== "open") return;
    const others = open.get(key) ?? new Set<Connection>();
    for (const other of others) void examine(other);
    open.set(key, others.add(detail));
    if (others.size === 1) events.connected(key, readable(detail.remoteAddr), detail.direction);
  });
  node.addEventListener("connection:close", ({ detail }) => {
    const key = keyOf(detail.remotePeer);
    const connections = key === undefined ? undefined : open.get(key);
    if (key === undefined || connections?.delete(detail) !== true || connections.size > 0) return;
    open.delete(key);
    forgetAbsent(node, detail.remotePeer);
    events.disconnected(key);
  });
}

async function startNode(node: Libp2p, listen: readonly string[]): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    throw new KoraError(`cannot listen on ${listen.join(", ")}`, {
      code: "LISTEN_FAILED",
      kind: "usage",
      why: messageOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error),
      hint: "is another process listening there? choose another network.listen_addr",
      cause: error,
    });
  }
}

/** A wire factory over libp2p. */
export function libp2pWire(options: Libp2pOptions): WireFactory {
  const protocol = (channel: string): string => `/kora/${options.network}/${channel}/1`;
  const gossipOf = (plan: WirePlan, events: WireEvents): Gossip | undefined =>
    plan.topics.length === 0
      ? undefined
      : createGossip({ protocol: protocol("gossip"), plan, events, keyOf, wireStream });
  return async (plan, events): Promise<Wire> => {
    const gossip = gossipOf(plan, events);
    const node = await createNode(options, events, gossip);
    followConnections(node, events);
    gossip?.follow(node);
    const connectionOf = (peer: IdentityKey): Connection | undefined =>
      node.getConnections(peerIdOf(peer)).find(({ status }) => status === "open");
    for (const channel of plan.channels) {
      const onStream = (stream: Stream, connection: Connection): void => {
        const key = keyOf(connection.remotePeer);
        if (key === undefined || connection.status !== "open")
          stream.abort(new KoraError("no ed25519 peer at the other end", { code: "BAD_PEER" }));
        else events.stream(key, channel, wireStream(stream));
      };
      await node.handle(protocol(channel), onStream, { maxInboundStreams: MAX_CHANNEL_STREAMS });
    }
    return {
      start: () => startNode(node, options.listen),
      listening: () => [...new Set(node.getMultiaddrs().map(readable))],
      async dial(address, signal) {
        const connection = await node.dial(dialAddress(address), { signal }).catch((error: unknown) => {
          if (address.peer !== undefined) forgetAbsent(node, peerIdOf(address.peer));
          throw error;
        });
        const key = keyOf(connection.remotePeer);
        if (key !== undefined) return key;
        connection.abort(new KoraError("not ed25519", { code: "BAD_PEER" }));
        throw new KoraError("the peer has no ed25519 identity", { code: "BAD_PEER" });
      },
      async open(peer, channel) {
        const connection = connectionOf(peer);
        if (connection === undefined) throw new KoraError("no connection", { code: "PEER_ABSENT" });
        const stream = await connection.newStream(protocol(channel), {
          signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
        });
        return wireStream(stream);
      },
      disconnect(peer) {
        for (const connection of node.getConnections(peerIdOf(peer))) {
          connection.abort(new KoraError("disconnected", { code: "DISCONNECTED" }));
        }
      },
      publish: (topic, message) => gossip?.publish(topic, message) ?? Promise.resolve(0),
      heard: (topic) => gossip?.heard(topic) ?? false,
      close: async () => {
        await node.stop();
      },
    };
  };
}
