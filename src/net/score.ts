// What is held against each peer: one number that offences raise and time halves. At the bound the peer is refused for
// a while, longer each time it comes back for more. Offences that an honest peer may fall into again and again never
// block a member of the allow-list: agreement needs its votes more than it minds its slowness.
import { createLru } from "#lib/bounded.ts";
import type { IdentityKey } from "#types/identity.ts";

/** Faults that no honest peer commits: its software does not speak this protocol, or lies. */
const PROOF = {
  /** A frame or packet above its bound. */
  oversized: 100,
  /** A frame that cannot be decoded, or does not belong on its channel. */
  malformed: 100,
  /** A signature or certificate that does not hold. */
  badSignature: 100,
  /** Of another chain, or of an epoch that never was. */
  wrongChain: 100,
} as const;

/** Faults that have innocent causes, when they are few. */
const DOUBT = {
  /** An answer to nothing that was asked. */
  uselessReply: 20,
  /** A message on a topic of which this node never asked to hear. */
  unwantedTopic: 20,
  /** No answer in time. */
  timeout: 1,
  /**
   * Was not read for a second because it sent more than its quota: half a minute on one channel is enough for a
   * stranger. A member at its whole quota is there after each pause of its reader, and unread it costs little.
   */
  overQuota: 4,
  /** A transaction that the pool had to refuse. */
  uselessTransaction: 0.25,
} as const;

/** By name: what each offence adds to a peer's score. */
export const OFFENCES: Readonly<Record<keyof typeof PROOF | keyof typeof DOUBT, number>> = {
  ...PROOF,
  ...DOUBT,
};
export type Offence = keyof typeof OFFENCES;

/** At this score a peer is blocked. */
export const BLOCK_SCORE = 100;
/** Where members of the allow-list stop for mere doubts. */
const DOUBT_LIMIT: number = BLOCK_SCORE / 2;
/** Milliseconds in which a score halves. */
const HALF_LIFE_MS = 60_000;
/**
 * Seconds of the first block; each further one within the memory below is twice as long, up to the last. Members of the
 * allow-list are back sooner: whoever repairs its node is waited for.
 */
const FIRST_BLOCK_SECONDS = 60;
const MAX_LISTED_BLOCK_SECONDS = 600;
const MAX_BLOCK_SECONDS = 3_600;
/** Milliseconds without a block after which the next one is a first one again. */
const FORGIVEN_MS: number = 2 * MAX_BLOCK_SECONDS * 1000;
/** Peers remembered; the longest without an offence are forgotten first. */
const MAX_SCORED = 4_096;

interface Standing {
  score: number;
  at: number;
  blocks: number;
  blockedAt: number;
}

export interface Scores {
  /** Now, decayed. */
  of(peer: IdentityKey): number;
  /** Adds an offence; seconds for which the peer is to be blocked, or undefined while it is not. */
  add(peer: IdentityKey, offence: Offence, listed: boolean): number | undefined;
}

/** Scores by `now`, a clock of monotonic milliseconds. */
export function createScores(now: () => number): Scores {
  const standings = createLru<IdentityKey, Standing>(MAX_SCORED);
  const decayed = ({ score, at }: Standing): number => score * 2 ** (-(now() - at) / HALF_LIFE_MS);
  return {
    of(peer) {
      const standing = standings.get(peer);
      return standing === undefined ? 0 : decayed(standing);
    },
    add(peer, offence, listed) {
      const standing = standings.get(peer) ?? { score: 0, at: now(), blocks: 0, blockedAt: 0 };
      const before = decayed(standing);
      const raised = before + OFFENCES[offence];
      const capped = listed && offence in DOUBT ? Math.max(before, Math.min(raised, DOUBT_LIMIT)) : raised;
      standing.at = now();
      standing.score = capped;
      standings.set(peer, standing);
      if (capped < BLOCK_SCORE) return undefined;
      // Whoever returns is on probation.
      standing.score = DOUBT_LIMIT;
      standing.blocks = now() - standing.blockedAt > FORGIVEN_MS ? 1 : standing.blocks + 1;
      standing.blockedAt = now();
      const longest = listed ? MAX_LISTED_BLOCK_SECONDS : MAX_BLOCK_SECONDS;
      return Math.min(longest, FIRST_BLOCK_SECONDS * 2 ** (standing.blocks - 1));
    },
  };
}
