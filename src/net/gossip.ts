// gossipsub within this node's bounds. The library reads whatever arrives and sends whatever it wants, on streams that
// it opens by itself; here its streams are cut into packets, counted against the peer's rate and read one at a time,
// and its sending is measured too. Messages carry no signature of the library's: what they hold is signed where it
// matters. Its scores and its exchange of peers are off: src/net/score.ts keeps the one number, and addresses travel
// with signatures of their owners.
import { createHash } from "node:crypto";
import { type GossipSub, gossipsub, StrictNoSign, TopicValidatorResult } from "@libp2p/gossipsub";
import type { Connection, Libp2p, PeerId, Stream, Topology } from "@libp2p/interface";
import { createLru } from "#lib/bounded.ts";
import { concatBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { IdentityKey } from "#types/identity.ts";
import { systemClock } from "./clock.ts";
import { createPacketReader, varint } from "./frames.ts";
import { type Account, createAccount, readStream } from "./intake.ts";
import { isUnsupported } from "./negotiation.ts";
import { createRate, type Rate } from "./rate.ts";
import type { Verdict } from "./types.ts";
import type { WireEvents, WirePlan, WireStream } from "./wire.ts";

/** The dialect that the library speaks; on the wire it goes by the chain's name. */
const DIALECT = "/meshsub/1.2.0";
/** Neighbours in a topic's mesh: enough for every node of a hundred to hear of a message within three hops. */
const MESH = { D: 6, Dlo: 4, Dhi: 10, Dscore: 4, Dout: 2, Dlazy: 6 };
/** Heartbeats for which messages are kept for those who missed them, and for which they are offered. */
const KEPT_HEARTBEATS = 3;
const OFFERED_HEARTBEATS = 2;
/** Milliseconds for which a message is recognized. */
const SEEN_MS = 30_000;
/** Below this size, telling neighbours not to send a message costs more than getting it again. */
const LARGE_MESSAGE_BYTES = 4_096;
/** Things of one kind in a packet. */
const MAX_MESSAGES = 256;
const MAX_CONTROLS = 64;
const MAX_IDS = 1_024;
const MAX_SUBSCRIPTIONS = 64;
const MESSAGE_ID_BYTES = 20;
/** Streams of gossip that a peer may hold open at once: the one in use, and one that replaces it. */
const MAX_STREAMS = 2;
/** Pause before a stream that broke is opened again. */
const REOPEN_MS = 1_000;
/** How long a peer may take to accept a stream. */
const OPEN_TIMEOUT_MS = 10_000;
/** Peers whose allowances are remembered beyond their connection. */
const MAX_ALLOWANCES = 1_024;
/** Milliseconds for which the library's own count of a peer that left is kept. */
const SCORED_MS = 600_000;
/** Never reached: addresses that neighbours offer through the library are not dialled. */
const NEVER = 1e9;

const VERDICTS: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

type Components = Parameters<ReturnType<typeof gossipsub>>[0];

export interface GossipParts {
  /** The protocol's name on the wire, which names the chain. */
  readonly protocol: string;
  readonly plan: WirePlan;
  readonly events: WireEvents;
  readonly keyOf: (peer: PeerId) => IdentityKey | undefined;
  readonly wireStream: (stream: Stream) => WireStream;
}

export interface Gossip {
  /** A service of the library's node. */
  readonly service: (components: Components) => { start(): Promise<void>; stop(): Promise<void> };
  /** Follows the connections of `node`; before it starts. */
  follow(node: Libp2p): void;
  publish(topic: string, message: Uint8Array): Promise<number>;
  heard(topic: string): boolean;
}

/** By content: the same message from two nodes is one. */
function messageId(topic: string, data: Uint8Array): Uint8Array {
  const digest = createHash("sha256").update(topic).update(data).digest();
  return new Uint8Array(digest.subarray(0, MESSAGE_ID_BYTES));
}

/**
 * A queue of one: whoever puts a packet in waits until the reader comes back for the next one, which is when it is done
 * with this one, however the stream has ended meanwhile.
 */
function createHandover(stream: WireStream) {
  let packet: Uint8Array | undefined;
  let done: (() => void) | undefined;
  let wake: (() => void) | undefined;
  let ended = false;
  stream.onClose(() => {
    ended = true;
    wake?.();
    if (packet === undefined) return;
    packet = undefined;
    done?.();
  });
  return {
    put(given: Uint8Array): Promise<void> {
      packet = concatBytes(varint(given.length), given);
      wake?.();
      return new Promise((resolve) => {
        done = resolve;
      });
    },
    async *packets(): AsyncGenerator<Uint8Array> {
      while (!ended) {
        if (packet === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const next = packet;
        packet = undefined;
        try {
          yield next;
        } finally {
          done?.();
        }
      }
    },
  };
}

/** Measures what leaves on `stream`: beyond the rate or the backlog, sending throws, which the library takes as lost. */
function meter(stream: Stream, rate: Rate, { maxPacketBytes, maxBacklogBytes }: WirePlan["gossip"]): void {
  const send = stream.send.bind(stream);
  let backlog = 0;
  stream.addEventListener("drain", () => {
    backlog = 0;
  });
  stream.send = (data) => {
    const bytes = data.subarray();
    const now = systemClock.now();
    if (bytes.length > maxPacketBytes || backlog + bytes.length > maxBacklogBytes || rate.wait(now) > 0)
      throw new KoraError("gossip beyond a peer's bounds", { code: "GOSSIP_LEFT_OUT" });
    rate.take(now, bytes.length);
    const ready = send(bytes);
    backlog = ready ? 0 : backlog + bytes.length;
    return ready;
  };
}

/** What a peer may gossip, and what is gossiped to it. */
interface Allowance {
  readonly inbound: Account;
  readonly outbound: Rate;
}

/** Makes the library's streams those of this node: paced, measured, and only with peers that may gossip. */
function createStreams({ protocol, plan, events, keyOf, wireStream }: GossipParts) {
  const allowances = createLru<IdentityKey, Allowance>(MAX_ALLOWANCES);
  const allowanceOf = (key: IdentityKey): Allowance => {
    const known = allowances.get(key);
    if (known !== undefined) return known;
    const { inbound, outbound } = plan.gossip;
    const fresh = { inbound: createAccount(inbound), outbound: createRate(outbound) };
    allowances.set(key, fresh);
    return fresh;
  };
  return {
    /** A view of `stream` that yields packets at the peer's rate; undefined for a peer that may not gossip. */
    inbound(stream: Stream, peer: PeerId): Stream | undefined {
      const key = keyOf(peer);
      if (key === undefined || !events.mayGossip(key)) {
        stream.abort(new KoraError("no gossip with this peer", { code: "NOT_ALLOWED" }));
        return undefined;
      }
      const wire = wireStream(stream);
      const handover = createHandover(wire);
      readStream({
        reader: createPacketReader(plan.gossip.maxPacketBytes),
        clock: systemClock,
        account: allowanceOf(key).inbound,
        stream: wire,
        deliver: handover.put,
        onBytes: () => {},
        onOffence: (offence) => events.offended(key, offence),
      });
      const view: Partial<Stream> = {
        [Symbol.asyncIterator]: handover.packets,
        close: (options) => stream.close(options),
        abort: (error) => stream.abort(error),
      };
      return view as Stream;
    },
    /** A measured stream to the peer; rejects if it does not take one. */
    async outbound(connection: Connection, key: IdentityKey): Promise<Stream> {
      const signal = AbortSignal.timeout(OPEN_TIMEOUT_MS);
      const stream = await connection.newStream(protocol, { signal });
      meter(stream, allowanceOf(key).outbound, plan.gossip);
      stream.protocol = DIALECT;
      return stream;
    },
  };
}

/**
 * A view of `connection` for the library, which opens streams of one peer after the other: whoever never answered would
 * keep all who came later waiting, so that it gets the one that is open.
 */
function connectionView(
  { remotePeer, remoteAddr, direction, status }: Connection,
  stream?: Stream,
): Connection {
  const view: Partial<Connection> = {
    ...{ remotePeer, remoteAddr, direction, status },
    newStream: () =>
      stream === undefined
        ? Promise.reject(new KoraError("streams are opened elsewhere", { code: "NOT_ALLOWED" }))
        : Promise.resolve(stream),
  };
  return view as Connection;
}

/** The library's node, with its streams in hand and its own defences as far as they help here. */
function createRouter(components: Components, parts: GossipParts): GossipSub {
  const { plan, events, keyOf } = parts;
  const keys = createLru<string, IdentityKey>(MAX_ALLOWANCES);
  const router = gossipsub({
    ...MESH,
    globalSignaturePolicy: StrictNoSign,
    fallbackToFloodsub: false,
    floodPublish: false,
    batchPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    // One packet, and one message of it, after the other: a slow judge slows the peer.
    awaitRpcHandler: true,
    awaitRpcMessageHandler: true,
    tagMeshPeers: false,
    doPX: false,
    mcacheLength: KEPT_HEARTBEATS,
    mcacheGossip: OFFERED_HEARTBEATS,
    seenTTL: SEEN_MS,
    idontwantMinDataSize: LARGE_MESSAGE_BYTES,
    msgIdFn: ({ topic, data }) => messageId(topic, data),
    msgIdToStrFn: (id) => id.toHex(),
    allowedTopics: plan.topics.map(({ name }) => name),
    maxInboundStreams: MAX_STREAMS,
    maxOutboundStreams: MAX_STREAMS,
    maxInboundDataLength: plan.gossip.maxPacketBytes,
    decodeRpcLimits: {
      maxSubscriptions: MAX_SUBSCRIPTIONS,
      maxMessages: MAX_MESSAGES,
      maxControlMessages: MAX_CONTROLS,
      maxIhaveMessageIDs: MAX_IDS,
      maxIwantMessageIDs: MAX_IDS,
      maxIdontwantMessageIDs: MAX_IDS,
      maxPeerInfos: 0,
    },
    scoreParams: {
      topics: {},
      retainScore: SCORED_MS,
      appSpecificWeight: 1,
      appSpecificScore(peer) {
        const key = keys.get(peer);
        return key === undefined ? 0 : -events.score(key);
      },
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.9,
    },
    scoreThresholds: {
      gossipThreshold: -20,
      publishThreshold: -50,
      graylistThreshold: -80,
      acceptPXThreshold: NEVER,
      opportunisticGraftThreshold: 0,
    },
  })(components);
  router.protocols = [DIALECT];
  for (const { name } of plan.topics) {
    router.topicValidators.set(name, async (peer, { data }) => {
      const key = keyOf(peer);
      if (key === undefined) return TopicValidatorResult.Reject;
      keys.set(peer.toString(), key);
      return VERDICTS[await events.gossiped(key, name, data)];
    });
  }
  return router;
}

/** Gossip on the topics of `parts.plan`. */
export function createGossip(parts: GossipParts): Gossip {
  const { protocol, plan, events, keyOf } = parts;
  const streams = createStreams(parts);
  let router: GossipSub | undefined;
  let topology: Topology | undefined;

  /** Peers to which a stream stands or is being opened. */
  const spokenTo = new Set<IdentityKey>();

  /** The library asks to be told of peers that speak its protocol: it is told of everyone who takes a stream. */
  async function meet(node: Libp2p, peer: PeerId, key: IdentityKey): Promise<void> {
    const connection = node.getConnections(peer).find(({ status }) => status === "open");
    if (connection === undefined || spokenTo.has(key) || !events.mayGossip(key)) return;
    spokenTo.add(key);
    const again = (): void => {
      spokenTo.delete(key);
      systemClock.after(REOPEN_MS, () => void meet(node, peer, key));
    };
    try {
      const stream = await streams.outbound(connection, key);
      if (topology?.onConnect === undefined || stream.status !== "open") {
        stream.abort(new KoraError("nobody speaks on it yet", { code: "CLOSED" }));
        again();
        return;
      }
      stream.addEventListener("close", again, { once: true });
      try {
        topology.onConnect(peer, connectionView(connection, stream));
      } catch (cause) {
        // Nobody would use it. Its end lets another be opened.
        stream.abort(new KoraError("the router did not take it", { code: "CLOSED", cause }));
      }
    } catch (error) {
      if (isUnsupported(error)) spokenTo.delete(key);
      else again();
    }
  }
  return {
    service(components) {
      const { registrar, privateKey, peerId, peerStore, connectionManager, logger } = components;
      const own: Pick<typeof registrar, "handle" | "unhandle" | "register" | "unregister" | "getTopologies"> =
        {
          handle: (_dialect, handler, options) =>
            registrar.handle(
              protocol,
              (stream, connection) => {
                const paced = streams.inbound(stream, connection.remotePeer);
                if (paced !== undefined) void handler(paced, connectionView(connection));
              },
              options,
            ),
          unhandle: () => registrar.unhandle(protocol),
          async register(_dialect, given) {
            topology = given;
            return DIALECT;
          },
          unregister() {
            topology = undefined;
          },
          getTopologies: () => [],
        };
      const rest = { privateKey, peerId, peerStore, connectionManager, logger };
      const built = createRouter({ ...rest, registrar: own as typeof registrar }, parts);
      router = built;
      const inner = built as GossipSub & { start(): Promise<void>; stop(): Promise<void> };
      return {
        async start() {
          await inner.start();
          for (const { name, listen } of plan.topics) if (listen) built.subscribe(name);
        },
        stop: () => inner.stop(),
      };
    },
    follow(node) {
      node.addEventListener("connection:open", ({ detail: { remotePeer } }) => {
        const key = keyOf(remotePeer);
        if (key !== undefined) void meet(node, remotePeer, key);
      });
      node.addEventListener("connection:close", ({ detail: { remotePeer } }) => {
        const left = node.getConnections(remotePeer).some(({ status }) => status === "open");
        if (!left) topology?.onDisconnect?.(remotePeer);
      });
    },
    async publish(topic, message) {
      try {
        return (await router?.publish(topic, message))?.recipients.length ?? 0;
      } catch {
        // It was not started, or has stopped.
        return 0;
      }
    },
    heard: (topic) => (router?.getSubscribers(topic).length ?? 0) > 0,
  };
}
