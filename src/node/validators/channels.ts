// The channels between nodes: what each carries, how large, how fast and what is dropped first. Every bound is for one
// peer, several times what an honest one needs at twenty views a second, and low enough that one peer at all its bounds
// leaves the pace of blocks as it is and costs a tenth of a core (bodies: a fifth) until it is refused for it, within
// half a minute (test/bench/network/flood.ts). Votes and certificates are small and worth most, so they share no queue
// with bodies; a queue of votes drops its oldest, since a newer one says more.
import { quotasFor } from "#net/rate.ts";
import type { ChannelAccess, ChannelSpec, GossipSpec, Quota, TopicSpec } from "#net/types.ts";
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

type Queue = ChannelSpec["queue"];

const rate = (bytesPerSecond: number, messagesPerSecond: number): Quota => ({
  bytesPerSecond,
  messagesPerSecond,
});

const dropOldest = (maxFrames: number, maxBytes: number): Queue => ({
  maxFrames,
  maxBytes,
  policy: "drop-oldest",
});
const refuseNewest = (maxFrames: number, maxBytes: number): Queue => ({
  maxFrames,
  maxBytes,
  policy: "refuse-newest",
});

export type ChannelName =
  | "votes"
  | "certificates"
  | "resolver"
  | "blocks"
  | "backfill"
  | "transactions"
  | "peers";

export type ChannelSpecs = Readonly<Record<ChannelName, ChannelSpec>>;

/** The channels of a chain whose block bodies have at most `maxBlockBytes`. */
export function channelSpecs(maxBlockBytes: number): ChannelSpecs {
  const body = maxBlockBytes + MESSAGE_OVERHEAD_BYTES;
  const channel =
    (access: ChannelAccess) =>
    (name: ChannelName, maxFrameBytes: number, quota: Quota, queue: Queue): ChannelSpec => ({
      ...{ name, access, maxFrameBytes, queue },
      ...quotasFor(quota),
    });
  const listed = channel("listed");
  const anyone = channel("anyone");
  return {
    /** Votes, greetings and their answers. */
    votes: listed("votes", VOTE_FRAME_BYTES, rate(MIB, 500), dropOldest(2_048, MIB)),
    certificates: listed(
      "certificates",
      CERTIFICATES_FRAME_BYTES,
      rate(2 * MIB, 200),
      dropOldest(1_024, 4 * MIB),
    ),
    /** Requests for certificates and bodies. */
    resolver: listed("resolver", 2 * KIB, rate(256 * KIB, 100), dropOldest(1_024, MIB)),
    /** Bodies, pushed by leaders or asked for. */
    blocks: listed("blocks", body, rate(4 * body, 100), dropOldest(256, 8 * body)),
    /**
     * Final blocks by height, to whoever is behind; a lost answer is asked for again. An answer costs milliseconds and
     * holds hundreds of blocks, so that few a second are enough.
     */
    backfill: anyone("backfill", 2 * body, rate(8 * body, 8), refuseNewest(16, 2 * body)),
    /** Batches of transactions between members, and to whoever just connected. */
    transactions: anyone("transactions", MAX_BATCH_BYTES, rate(MIB, 100), refuseNewest(64, 8 * MIB)),
    /** Where nodes can be dialled, asked for and passed on. */
    peers: anyone("peers", MAX_EXCHANGE_BYTES, rate(16 * KIB, 2), refuseNewest(4, 4 * MAX_EXCHANGE_BYTES)),
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
  return { maxPacketBytes: packet, ...quotasFor(rate(4 * MIB, 400)), maxBacklogBytes: 2 * packet };
}
