// What an operator learns of a validator's consensus beside what is measured of any: what it does of what it should, what
// others did that they must not, and what stands between it and its duty. Watches; decides nothing.
import type { Fault, JournalRecord } from "#consensus/effects.ts";
import type { Core } from "#consensus/state.ts";
import { measureConsensus } from "#node/consensus/measure.ts";
import type { Logger } from "#node/log.ts";
import type { Metrics } from "#node/metrics.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Vote } from "#types/vote.ts";

/** Seconds beyond the slowest healthy pace after which a chain without a new final block is a concern. */
const PATIENCE_SECONDS = 30;

const FAULT_KINDS: readonly Fault["kind"][] = [
  "conflictingNotarize",
  "conflictingFinalize",
  "nullifyAndFinalize",
];

/** Own proposals that wait for their notarization; an older one has lost. */
const MAX_OPEN_PROPOSALS = 16;

export interface ConsensusWatch {
  /** This validator's own proposal is about to leave. */
  proposed(view: number): void;
  /** A record on its way to the journal. */
  recorded(record: JournalRecord): void;
  /** Why this validator cannot do its work now; empty when it can. */
  concerns(peers: number): readonly string[];
}

interface Duties {
  proposed(view: number): void;
  voted(vote: Vote): void;
  certified(certificate: Certificate): void;
}

/** What this validator does of what it should: votes in time, and proposals that others vote for. */
function watchDuties(metrics: Metrics): Duties {
  const votes = metrics.counter("kora_consensus_votes_total", "Votes that this validator signed, by kind.");
  const missed = metrics.counter(
    "kora_consensus_votes_missed_total",
    "Views that were notarized before this validator voted in them.",
  );
  const accepted = metrics.counter(
    "kora_consensus_proposals_notarized_total",
    "Blocks that this validator proposed and that were notarized.",
  );
  for (const counter of [missed, accepted]) counter.add({}, 0);
  const open = new Set<number>();
  let lastVoted = 0;
  let lastJudged = 0;
  return {
    proposed(view) {
      open.add(view);
      if (open.size > MAX_OPEN_PROPOSALS) open.delete(Math.min(...open));
    },
    voted({ kind, view }) {
      votes.add({ kind });
      if (kind === "notarize") lastVoted = Math.max(lastVoted, view);
    },
    certified({ kind, view }) {
      if (kind === "nullify" || view <= lastJudged) return;
      lastJudged = view;
      if (view > lastVoted) missed.add();
      if (open.delete(view)) accepted.add();
    },
  };
}

/** Watches a validator; `core` is asked when something happens and at scrapes, `now` is its monotonic clock in ms. */
export function watchConsensus(
  metrics: Metrics,
  log: Logger,
  core: () => Core,
  now: () => number,
): ConsensusWatch {
  const measure = measureConsensus(metrics, core, now);
  const duties = watchDuties(metrics);
  const faults = metrics.counter(
    "kora_consensus_faults_total",
    "Pairs of contradicting signed votes that this validator keeps as evidence, by kind.",
  );
  for (const kind of FAULT_KINDS) faults.add({ kind }, 0);
  const startedAt = now();
  let finalAt = startedAt;
  return {
    proposed(view) {
      duties.proposed(view);
      log.debug("proposal sent", { view });
    },
    recorded(record) {
      measure(record);
      if (record.type === "vote") duties.voted(record.vote);
      if (record.type === "fault") faults.add({ kind: record.fault.kind });
      if (record.type !== "certificate") return;
      duties.certified(record.certificate);
      const { kind, view } = record.certificate;
      if (kind !== "finalize") return;
      finalAt = now();
      log.debug("finalization held", { view });
    },
    concerns(peers) {
      const { quorum, config, view, signFloor } = core();
      const reasons: string[] = [];
      const needed = quorum - 1;
      if (peers < needed) reasons.push(`${peers} validators connected, ${needed} needed for a quorum`);
      if (signFloor > 0 && signFloor >= view)
        reasons.push(
          `the signing guard bars votes up to view ${signFloor}; where too many were restored at once, set consensus.guard_override to it`,
        );
      const silence = (now() - finalAt) / 1000;
      const { blockTime, emptyBlockInterval } = config.timing;
      if (silence > Math.max(blockTime, emptyBlockInterval) / 1000 + PATIENCE_SECONDS)
        reasons.push(`nothing became final for ${Math.floor(silence)} s`);
      return reasons;
    },
  };
}
