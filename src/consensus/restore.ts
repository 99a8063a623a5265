// R16: the state that the journal holds, put back together. What was decided stays decided; nothing is asked twice.
import type { Vote } from "#types/vote.ts";
import { castDueFinalizes, echoesNeeded } from "./cast.ts";
import { forget } from "./certificates.ts";
import { tryCertify } from "./certify.ts";
import { greetEveryone, resendVotes } from "./retry.ts";
import { type Core, emit, type Restored, roundOf } from "./state.ts";
import { tryRecover } from "./tally.ts";
import { takeUp } from "./view.ts";

/** Fills a new core with what replay found. */
export function restore(core: Core, restored: Restored): void {
  core.signFloor = restored.signFloor > (core.config.guardOverride ?? 0) ? restored.signFloor : 0;
  core.acknowledgedView = restored.acknowledgedView;
  for (const { certificate, lottery } of restored.certificates) {
    const round = roundOf(core, certificate.view);
    round.certificates[certificate.kind] = certificate;
    round.seed = certificate.seed;
    round.lottery = lottery;
    if (certificate.kind === "notarize")
      core.highestNotarized = Math.max(core.highestNotarized, certificate.view);
    if (certificate.kind !== "finalize" || certificate.view <= core.finalizedView || !core.rules.r17Floor)
      continue;
    core.finalization = certificate;
    core.finalizedView = certificate.view;
    core.finalizedPayload = certificate.payload;
  }
  for (const { view, payload, valid } of restored.verdicts) {
    const round = roundOf(core, view);
    if (round.certificates.notarize?.payload === payload)
      round.certification = valid ? "certified" : "refused";
  }
  for (const { view, digest } of restored.bodies) {
    const round = roundOf(core, view);
    round.durableBodies = [...round.durableBodies, digest];
  }
  for (const vote of restored.votes) restoreVote(core, vote);
  core.forgottenBelow = core.finalizedView;
  for (const view of core.rounds.keys()) core.forgottenBelow = Math.min(core.forgottenBelow, view);
  core.prunedBelow = core.forgottenBelow;
  core.view = 1 + lastLeft(core);
}

function restoreVote(core: Core, vote: Vote): void {
  const round = roundOf(core, vote.view);
  round.mine[vote.kind] = vote;
  round.cast[vote.kind] = vote;
  if (vote.view <= core.finalizedView || !core.rules.r16OwnVotes) return;
  const tally = round.tallies[vote.kind];
  if (tally.votes[vote.signer] !== undefined) return;
  tally.votes[vote.signer] = vote;
  tally.count++;
}

/** The highest view nullified, finalized or certified. */
function lastLeft(core: Core): number {
  let last = core.finalizedView;
  for (const [view, round] of core.rounds) {
    if (round.certificates.nullify === undefined && round.certification !== "certified") continue;
    if (view > last) last = view;
  }
  return last;
}

/** The first event: takes up what was in flight, greets the others (R18), enters the current view. */
export function start(core: Core): void {
  core.started = true;
  core.observedFrom = core.view;
  core.enteredAt = core.now;
  core.retryAt =
    core.config.scheme === "solo" ? Number.POSITIVE_INFINITY : core.now + core.config.timing.timeoutRetry;
  if (core.finalization !== undefined) {
    emit(core, { type: "finalize", certificate: core.finalization });
  }
  // R17: a journal that was not pruned lately, or a copy of one, brings back more than is of use.
  forget(core);
  const views = [...core.rounds.keys()].sort((a, b) => a - b);
  for (const view of views) {
    const round = core.rounds.get(view);
    if (round === undefined || view <= core.finalizedView) continue;
    for (const vote of Object.values(round.cast)) if (vote !== undefined) tryRecover(core, round, vote);
    if (round.certification === "certified" && round.certificates.notarize !== undefined) {
      core.certifiedTip = view;
      emit(core, { type: "certifiedTip", view, payload: round.certificates.notarize.payload });
    }
    tryCertify(core, round);
  }
  if (core.config.me !== undefined && echoesNeeded(core) > 0) greetEveryone(core);
  else castDueFinalizes(core);
  resendVotes(core);
  takeUp(core);
}
