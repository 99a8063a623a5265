// The channels between nodes: what each carries, how large, how fast and what is dropped first. Every bound is for one
// peer, several times what an honest one needs at twenty views a second, and low enough that one peer at all its bounds
// leaves the pace of blocks as it is (test/bench/network/flood.ts; the flooded node's CPU rises). Votes and certificates
// are small and worth most, so they share no queue with bodies; a queue of votes drops its oldest, since a newer one
// says more.
import type { ChannelSpec, GossipSpec, Quota, TopicSpec } from "#net/types.ts";
import { MAX_BATCH_BYTES } from "#types/batch.ts";
import { MESSAGE_OVERHEAD_BYTES } from "#types/limits.ts";
import { MAX_EXCHANGE_BYTES } from "#types/peer-record.ts";
import { MAX_VOTE_BYTES } from "#types/vote.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** A vote with its tag, or a greeting. */
const VOTE_FRAME_BYTES: number = MAX_VOTE_BYTES + 64;
/** A batch of certificates of the threshold scheme, with room. */
const CERTIFICATES_FRAME_BYTES: number = 64 * KIB;

const both = (quota: Quota): Pick<ChannelSpec, "inbound" | "outbound"> => ({
  inbound: quota,
  outbound: quota,
});

export type ChannelName =
  | "votes"
  | "certificates"
  | "resolver"
  | "blocks"
  | "backfill"
  | "transactions"
  | "peers";

/** The channels of a chain whose block bodies have at most `maxBlockBytes`. */
export function channelSpecs(maxBlockBytes: number): Readonly<Record<ChannelName, ChannelSpec>> {
  const body = maxBlockBytes + MESSAGE_OVERHEAD_BYTES;
  return {
    /** Votes, greetings and their answers. */
    votes: {
      name: "votes",
      access: "listed",
      maxFrameBytes: VOTE_FRAME_BYTES,
      ...both({ bytesPerSecond: MIB, messagesPerSecond: 500 }),
      queue: { maxFrames: 2_048, maxBytes: MIB, policy: "drop-oldest" },
    },
    certificates: {
      name: "certificates",
      access: "listed",
      maxFrameBytes: CERTIFICATES_FRAME_BYTES,
      ...both({ bytesPerSecond: 2 * MIB, messagesPerSecond: 200 }),
      queue: { maxFrames: 1_024, maxBytes: 4 * MIB, policy: "drop-oldest" },
    },
    /** Requests for certificates and bodies. */
    resolver: {
      name: "resolver",
      access: "listed",
      maxFrameBytes: 2 * KIB,
      ...both({ bytesPerSecond: 256 * KIB, messagesPerSecond: 100 }),
      queue: { maxFrames: 1_024, maxBytes: MIB, policy: "drop-oldest" },
    },
    /** Bodies, pushed by leaders or asked for. */
    blocks: {
      name: "blocks",
      access: "listed",
      maxFrameBytes: body,
      ...both({ bytesPerSecond: 4 * body, messagesPerSecond: 100 }),
      queue: { maxFrames: 256, maxBytes: 8 * body, policy: "drop-oldest" },
    },
    /**
     * Final blocks by height, to whoever is behind; a lost answer is asked for again. An answer costs milliseconds and
     * holds hundreds of blocks, so that few a second are enough.
     */
    backfill: {
      name: "backfill",
      access: "anyone",
      maxFrameBytes: 2 * body,
      ...both({ bytesPerSecond: 8 * body, messagesPerSecond: 8 }),
      queue: { maxFrames: 16, maxBytes: 4 * body, policy: "refuse-newest" },
    },
    /** Batches of transactions between members, and to whoever just connected. */
    transactions: {
      name: "transactions",
      access: "anyone",
      maxFrameBytes: MAX_BATCH_BYTES,
      ...both({ bytesPerSecond: MIB, messagesPerSecond: 100 }),
      queue: { maxFrames: 64, maxBytes: 8 * MIB, policy: "refuse-newest" },
    },
    /** Where nodes can be dialled, asked for and passed on. */
    peers: {
      name: "peers",
      access: "anyone",
      maxFrameBytes: MAX_EXCHANGE_BYTES,
      ...both({ bytesPerSecond: 16 * KIB, messagesPerSecond: 2 }),
      queue: { maxFrames: 4, maxBytes: 4 * MAX_EXCHANGE_BYTES, policy: "refuse-newest" },
    },
  };
}

/** Batches of transactions, to whoever is no member of the committee. */
export const TRANSACTION_TOPIC: TopicSpec = { name: "transactions", maxMessageBytes: MAX_BATCH_BYTES };

/** Final blocks with their certificates, to those who only follow. */
export function finalityTopic(maxBlockBytes: number): TopicSpec {
  return { name: "finality", maxMessageBytes: maxBlockBytes + MESSAGE_OVERHEAD_BYTES };
}

/** Bounds of gossip on a chain whose block bodies have at most `maxBlockBytes`. */
export function gossipSpec(maxBlockBytes: number): GossipSpec {
  const packet = maxBlockBytes + 2 * MESSAGE_OVERHEAD_BYTES;
  return {
    maxPacketBytes: packet,
    ...both({ bytesPerSecond: 4 * MIB, messagesPerSecond: 400 }),
    maxBacklogBytes: 2 * packet,
  };
}
