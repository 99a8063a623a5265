// What kora_getEvidence answers: pairs of votes in this validator's journal with which another one contradicts itself.
// Judges nothing: the core did before it journalled them.
import { positionOf } from "#chain/header-rules.ts";
import type { History } from "#chain/history.ts";
import type { LedgerView } from "#chain/ledger.ts";
import type { ConsensusJournal } from "#node/consensus/journal.ts";
import type { Evidence, StatusPort } from "#rpc/ports.ts";
import type { Height } from "#types/ids.ts";
import { encodeVote } from "#types/vote.ts";

export interface EvidenceParts {
  readonly journal: Pick<ConsensusJournal<never>, "faults">;
  readonly ledger: Pick<LedgerView, "tip">;
  readonly history: Pick<History, "block">;
  /** Identity keys by signer index. */
  readonly participants: readonly string[];
}

/** The first view in which the block at `height` was being decided; undefined for heights nobody works on yet. */
function firstView({ ledger, history }: EvidenceParts, height: Height): number | undefined {
  const { header } = ledger.tip();
  if (height > header.number) {
    return height === header.number + 1 ? positionOf(header).view + 1 : undefined;
  }
  const block = height === 0 ? undefined : history.block(height);
  return block === undefined ? 0 : positionOf(block.header).parentView + 1;
}

/** Evidence about the views from that height on, oldest first; as many as the journal keeps. */
export function createEvidence(parts: EvidenceParts): NonNullable<StatusPort["evidence"]> {
  return (fromHeight) => {
    const from = firstView(parts, fromHeight);
    if (from === undefined) return [];
    return parts.journal.faults(from).map(
      ({ kind, signer, first, second }): Evidence => ({
        kind,
        signer,
        participant: parts.participants[signer],
        view: first.view,
        first: encodeVote(first),
        second: encodeVote(second),
      }),
    );
  };
}
