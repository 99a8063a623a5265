// The three votes: whether I may sign one, and the decision to. A decision stands from the moment it is made, before
// its signature comes back, so that no later event of the same view can contradict it (S7).
import { ZERO_HASH } from "#types/ids.ts";
import type { Subject, VoteKind } from "#types/vote.ts";
import { type Core, emit, notarizedAbove, RESERVATION_STEP, type Round, roundOf } from "./state.ts";

/** R18: peers whose answer is awaited before the first signature, so that with this node they are a quorum. */
export function echoesNeeded(core: Core): number {
  return core.rules.r18Guard ? core.quorum - 1 : 0;
}

/** R17, R18: whether anything may be signed in `view`; `anyView` lifts the bar of finality, for the simulator's mutations. */
export function maySign(core: Core, view: number, anyView: boolean = !core.rules.r3AboveFinalized): boolean {
  if (core.config.me === undefined || core.echoes.size < echoesNeeded(core)) return false;
  if (core.rules.r18Guard && view <= core.signFloor) return false;
  return view > core.finalizedView || anyView;
}

function decide(core: Core, round: Round, kind: VoteKind, subject: Subject): void {
  round.mine[kind] = subject;
  if (subject.view > core.reserved) {
    core.reserved = subject.view + RESERVATION_STEP - (subject.view % RESERVATION_STEP);
    emit(core, { type: "reserve", upTo: core.reserved });
  }
  emit(core, { type: "sign", subject });
}

/** R3, the last of its conditions: one notarize a view, none after a nullify, none for an equivocating leader. */
export function castNotarize(core: Core, round: Round, proposal: Subject): void {
  const { rules } = core;
  if (!maySign(core, round.view)) return;
  if (round.view !== core.view && rules.r3AboveFinalized) return;
  if (round.mine.notarize !== undefined && rules.r3NotarizeOnce) return;
  if (round.mine.nullify !== undefined && rules.r3NotNullified) return;
  if (round.equivocated && rules.r3Conflict) return;
  const { epoch, view, parentView, payload } = proposal;
  decide(core, round, "notarize", { kind: "notarize", epoch, view, parentView, payload });
  if (!rules.r6Notarized) castFinalize(core, round, proposal);
}

/** R7: gives up the current view, unless I helped to finalize it. */
export function castNullify(core: Core): void {
  const round = roundOf(core, core.view);
  if (round.mine.nullify !== undefined || !maySign(core, core.view)) return;
  if (round.mine.finalize !== undefined && core.rules.r7NotFinalized) return;
  const { epoch } = core.config;
  decide(core, round, "nullify", {
    kind: "nullify",
    epoch,
    view: core.view,
    parentView: 0,
    payload: ZERO_HASH,
  });
}

/** R6: helps to finalize what is notarized and certified, unless I gave the view up or saw its leader equivocate. */
export function castFinalize(core: Core, round: Round, notarized: Subject): void {
  const { rules } = core;
  if (round.mine.finalize !== undefined) return;
  if (!maySign(core, round.view, !rules.r6AboveFinalized)) return;
  if (rules.r6Notarized && round.certificates.notarize === undefined) return;
  if (rules.r6Certified && rules.r6Notarized && round.certification !== "certified") return;
  if (round.mine.nullify !== undefined && rules.r6NotNullified) return;
  if (round.equivocated && rules.r6NotEquivocated) return;
  const { epoch, view, parentView, payload } = notarized;
  decide(core, round, "finalize", { kind: "finalize", epoch, view, parentView, payload });
}

/** Casts the finalizes that are due but could not be signed before: after a restart, or once R18 lets me sign. */
export function castDueFinalizes(core: Core): void {
  for (const round of notarizedAbove(core, core.finalizedView)) {
    const notarized = round.certificates.notarize;
    if (notarized !== undefined) castFinalize(core, round, notarized);
  }
}
