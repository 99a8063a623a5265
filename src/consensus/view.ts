// One view from entry to vote: R1 enter, R2 propose, R3 look at the leader's proposal.
import type { Hash } from "#types/ids.ts";
import type { Subject } from "#types/vote.ts";
import { checkParent, selectParent } from "./ancestry.ts";
import { castNotarize, castNullify, maySign } from "./cast.ts";
import { buildBudget, certificationDeadline, leaderDeadline, leaderIsSilent, updateDue } from "./pace.ts";
import { fetchMissing } from "./resolver.ts";
import {
  type Core,
  contextOf,
  emit,
  leaderAt,
  leads,
  MAX_UNFINALIZED_FULL,
  type Round,
  roundOf,
} from "./state.ts";

/** R1: moves on to `view`, never back. `failed`: the view left was given up. */
export function enterView(core: Core, view: number, failed: boolean): void {
  if (view <= core.view) return;
  const gaveUp = failed || core.rounds.get(core.view)?.mine.nullify !== undefined;
  if (gaveUp && core.view > core.finalizedView) core.failures++;
  core.view = view;
  core.enteredAt = core.now;
  core.retryAt = core.now + core.config.timing.timeoutRetry;
  takeUp(core);
}

/** Begins the current view with what was heard of it before: its leader's vote, or two of them. */
export function takeUp(core: Core): void {
  const { view } = core;
  const round = roundOf(core, view);
  const leader = leaderAt(core, view);
  if (round.proposal === undefined && leader !== undefined) {
    const vote = round.tallies.notarize.votes[leader];
    if (vote !== undefined) setProposal(core, round, vote);
    if (round.twoFaced.includes(leader)) round.equivocated = true;
  }
  updateDue(core);
  advance(core);
}

/** Does what the current view allows now: propose, look at the proposal, or give up on what time says. */
export function advance(core: Core): void {
  if (!core.started) return;
  const round = roundOf(core, core.view);
  considerProposal(core, round);
  if (core.now < core.dueAt || core.paused) return;
  propose(core, round);
  if (core.config.scheme === "solo" || round.mine.nullify !== undefined) return;
  const late = round.proposal === undefined && core.now >= leaderDeadline(core);
  if (late || core.now >= certificationDeadline(core) || leaderIsSilent(core)) castNullify(core);
}

/** R2: as leader and once due, builds on the parent that R8 selects; fetches what is missing to select one. */
function propose(core: Core, round: Round): void {
  const { view } = core;
  if (round.building || round.proposal !== undefined || !leads(core, view) || !maySign(core, view)) return;
  if ((round.mine.notarize !== undefined && core.rules.r3NotarizeOnce) || round.mine.nullify !== undefined)
    return;
  const choice = selectParent(core, view);
  if (choice.kind === "gap") {
    fetchMissing(core, choice.missing, -1);
    return;
  }
  const subject = { view, parentView: choice.view } as Subject;
  const context = contextOf(core, subject);
  if (context === undefined) {
    fetchMissing(core, [{ view: choice.view, kind: "notarize" }], -1);
    return;
  }
  round.building = true;
  core.work = core.config.scheme === "solo" ? false : core.work;
  const { payload: _, ...place } = context;
  const empty = unfinalized(core, choice.view) > MAX_UNFINALIZED_FULL;
  emit(core, { type: "build", context: place, deadline: core.now + buildBudget(core), empty });
}

/** Certified blocks above the last final one, back from `view`. */
function unfinalized(core: Core, view: number): number {
  let count = 0;
  for (let at = view; at > core.finalizedView; count++) {
    const parent = core.rounds.get(at)?.certificates.notarize?.parentView;
    if (parent === undefined) break;
    at = parent;
  }
  return count;
}

/** R2: the block is built. The leader's notarize vote is the proposal; its body is journalled with it (R15). */
export function onBuilt(core: Core, view: number, parentView: number, payload: Hash | undefined): void {
  const round = core.rounds.get(view);
  if (round === undefined) return;
  round.building = false;
  if (view !== core.view) return;
  if (payload === undefined) {
    castNullify(core);
    return;
  }
  if (round.mine.nullify !== undefined || round.proposal !== undefined) return;
  const { epoch } = core.config;
  round.proposal = { kind: "notarize", epoch, view, parentView, payload };
  round.built = payload;
  round.proposedAt = core.now;
  round.seenAt = core.now;
  round.verification = "valid";
  castNotarize(core, round, round.proposal);
}

function setProposal(core: Core, round: Round, proposal: Subject): void {
  round.proposal = proposal;
  if (round.proposedAt < 0) round.proposedAt = core.now;
  if (round.seenAt < 0) round.seenAt = core.now;
  const notarized = round.certificates.notarize?.payload;
  if (notarized !== undefined && notarized !== proposal.payload) round.equivocated = true;
  const leader = leaderAt(core, round.view);
  if (leader !== undefined) emit(core, { type: "expect", digest: proposal.payload, from: leader });
}

/** The leader's notarize vote arrived, for the current view or another inside the window. */
export function observeProposal(core: Core, round: Round, vote: Subject): void {
  if (round.proposal !== undefined) {
    if (round.proposal.payload === vote.payload) return;
    if (core.rules.r3Conflict) {
      if (core.rules.r3Leader) round.equivocated = true;
      return;
    }
    round.verification = "unknown";
  }
  setProposal(core, round, vote);
  if (round.view !== core.view) {
    if (!core.rules.r3AboveFinalized) considerProposal(core, round);
    return;
  }
  updateDue(core);
  advance(core);
}

/** R3 and R9: checks the parent of the leader's proposal and asks for verification, or fetches what is missing. */
export function considerProposal(core: Core, round: Round): void {
  const { proposal, mine } = round;
  const { rules } = core;
  if (proposal === undefined || round.verification !== "unknown" || !maySign(core, round.view)) return;
  if (round.view !== core.view && rules.r3AboveFinalized) return;
  if ((mine.notarize !== undefined && rules.r3NotarizeOnce) || (round.equivocated && rules.r3Conflict))
    return;
  if (mine.nullify !== undefined && rules.r3NotNullified) return;
  const check = checkParent(core, round.view, proposal.parentView);
  if (check.kind === "permanent") {
    if (rules.r9Permanent) castNullify(core);
    return;
  }
  const leader = leaderAt(core, round.view) ?? -1;
  if (check.kind === "missing") {
    fetchMissing(core, check.missing, leader);
    return;
  }
  const context = contextOf(core, proposal);
  if (context === undefined) {
    fetchMissing(core, [{ view: proposal.parentView, kind: "notarize" }], leader);
    return;
  }
  round.verification = "asked";
  emit(core, { type: "verify", context });
}

/** R3: the application's answer. A block that can never be right costs no timer; one that is early gets no vote. */
export function onVerified(
  core: Core,
  view: number,
  payload: Hash,
  verdict: "valid" | "invalid" | "early",
): void {
  const round = core.rounds.get(view);
  if (round?.verification !== "asked" || round.proposal?.payload !== payload) return;
  round.verification = verdict;
  if (verdict === "valid") castNotarize(core, round, round.proposal);
  else if (verdict === "invalid" && view === core.view) castNullify(core);
}
