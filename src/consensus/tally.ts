// Votes from admission to certificate. Section 5: one slot per (view, kind, signer), envelopes checked before a slot is
// taken, partials never checked one by one unless the recovered signature fails. Decides nothing about what to sign.
import { type Subject, sameSubject, type Vote, type VoteKind } from "#types/vote.ts";
import { acceptCertificate, answerLaggard } from "./certificates.ts";
import type { Event } from "./events.ts";
import { blame, reportConflict } from "./fault.ts";
import { type Core, emit, leaderAt, type Round, roundOf, type Tally } from "./state.ts";
import { observeProposal } from "./view.ts";

/** A vote straight from a peer: everything that is cheap is checked before its signature. */
export function onVote(core: Core, from: number, vote: Vote): void {
  const { config } = core;
  if (vote.epoch !== config.epoch && core.rules.epoch) {
    // An adjacent epoch's is merely late or early; nobody honest speaks of others.
    if (Math.abs(vote.epoch - config.epoch) > 1) blame(core, from, "wrongEpoch");
    return;
  }
  if (vote.signer !== from) {
    blame(core, from, "impersonation");
    return;
  }
  const { view, kind } = vote;
  if (view < 1 || view > core.view + 1 || view < core.finalizedView - config.timing.retention) return;
  if (view > (core.activeAt[from] as number)) core.activeAt[from] = view;
  noteNewest(core, vote);
  const left = kind === "nullify" ? view < core.view : kind === "finalize" && view <= core.finalizedView;
  if (left) answerLaggard(core, from, view);
  const round = view > core.finalizedView ? roundOf(core, view) : core.rounds.get(view);
  if (round === undefined) return;
  const slot = round.tallies[kind].votes[from];
  if (slot === undefined) {
    if (round.certificates[kind] !== undefined || round.spoiled.includes(from)) {
      if (!(kind === "notarize" && round.proposal === undefined && view >= core.view)) return;
    }
  } else if (sameSubject(slot, vote) && core.rules.distinctSigners) return;
  emit(core, { type: "authenticate", vote, from });
}

/** R18: kept for the signer itself, who checks the envelope; also when the vote counts for nothing any more. */
function noteNewest(core: Core, vote: Vote): void {
  const newest = core.newestOf[vote.signer];
  if (newest === undefined || newest.view <= vote.view) core.newestOf[vote.signer] = vote;
}

/** The envelope was checked: take the slot, or report what the signer did. */
export function takeVote(core: Core, vote: Vote): void {
  const round = roundOf(core, vote.view);
  const tally = round.tallies[vote.kind];
  const slot = tally.votes[vote.signer];
  if (slot !== undefined && !(sameSubject(slot, vote) && !core.rules.distinctSigners)) {
    if (sameSubject(slot, vote)) return;
    reportConflict(core, slot, vote);
    if (vote.kind !== "notarize") return;
    if (!round.twoFaced.includes(vote.signer)) round.twoFaced = [...round.twoFaced, vote.signer];
    if (leaderAt(core, vote.view) === vote.signer) {
      round.equivocated = true;
      if (!core.rules.r3Conflict) observeProposal(core, round, vote);
    }
    return;
  }
  if (slot === undefined) tally.votes[vote.signer] = vote;
  else tally.votes.push(vote);
  tally.count++;
  if (vote.kind !== "notarize") {
    const other = round.tallies[vote.kind === "nullify" ? "finalize" : "nullify"].votes[vote.signer];
    if (other !== undefined) reportConflict(core, other, vote);
  } else if (!core.rules.r3Leader || leaderAt(core, vote.view) === vote.signer) {
    observeProposal(core, round, vote);
  }
  tryRecover(core, round, vote);
}

/** Asks for a certificate once q votes say the same, from signers never caught if there are enough of them. */
export function tryRecover(core: Core, round: Round, subject: Subject): void {
  const { kind } = subject;
  const tally = round.tallies[kind];
  if (tally.count < core.quorum || tally.recovering || round.certificates[kind] !== undefined) return;
  if (round.view <= core.finalizedView) return;
  const clean: Vote[] = [];
  const doubtful: Vote[] = [];
  for (const vote of tally.votes) {
    if (vote === undefined || !sameSubject(vote, subject)) continue;
    if (core.caught[vote.signer] && !round.examined.includes(vote)) doubtful.push(vote);
    else if (clean.length < core.quorum) clean.push(vote);
  }
  if (clean.length >= core.quorum) {
    tally.recovering = true;
    emit(core, { type: "recover", subject, votes: clean });
  } else if (clean.length + doubtful.length >= core.quorum) {
    for (const vote of doubtful) {
      if (round.examining.includes(vote)) continue;
      round.examining = [...round.examining, vote];
      emit(core, { type: "examinePartial", vote });
    }
  }
}

/** The recovered signature was verified once; if it failed, the bad partials are named. */
export function onRecovered(core: Core, event: Extract<Event, { type: "recovered" }>): void {
  const { subject, result, bad } = event;
  const round = core.rounds.get(subject.view);
  if (round === undefined) return;
  round.tallies[subject.kind].recovering = false;
  if (result?.valid === true) {
    acceptCertificate(core, result, true);
    return;
  }
  for (const signer of bad) spoil(core, round, signer);
  if (bad.length > 0) tryRecover(core, round, subject);
}

/** A caught signer's partial was checked alone. */
export function onPartialExamined(core: Core, vote: Vote, valid: boolean): void {
  const round = core.rounds.get(vote.view);
  if (round === undefined) return;
  if (!valid) {
    spoil(core, round, vote.signer);
    return;
  }
  if (!round.examined.includes(vote)) round.examined = [...round.examined, vote];
  tryRecover(core, round, vote);
}

/** A vote is both partials: one bad spoils all of the signer's votes in this view. */
function spoil(core: Core, round: Round, signer: number): void {
  if (!round.spoiled.includes(signer)) round.spoiled = [...round.spoiled, signer];
  for (const kind of KINDS) {
    const tally: Tally = round.tallies[kind];
    if (tally.votes[signer] === undefined) continue;
    tally.votes[signer] = undefined;
    tally.count--;
  }
  core.caught[signer] = true;
  blame(core, signer, "badPartial");
}

const KINDS: readonly VoteKind[] = ["notarize", "nullify", "finalize"];
