// R4 and R5: every notarized view above the last final one is certified, parent first, and what follows from the verdict.
import type { Hash } from "#types/ids.ts";
import { castFinalize, castNullify } from "./cast.ts";
import { fetchMissing } from "./resolver.ts";
import { type Core, contextOf, emit, notarizedAbove, type Round } from "./state.ts";
import { advance, enterView } from "./view.ts";

/** R4: asks for the verdict on a notarized block once its parent is final or certified; fetches what is missing. */
export function tryCertify(core: Core, round: Round): void {
  const notarized = round.certificates.notarize;
  if (notarized === undefined || round.certification !== "unknown" || round.view <= core.finalizedView)
    return;
  const { parentView } = notarized;
  if (parentView >= round.view || parentView < core.finalizedView) return;
  const parent = core.rounds.get(parentView);
  if (parentView !== core.finalizedView) {
    if (parent?.certificates.notarize === undefined) {
      fetchMissing(core, [{ view: parentView, kind: "notarize" }], -1);
      return;
    }
    if (parent.certification === "refused") {
      settle(core, round, notarized.payload, false);
      return;
    }
    if (parent.certification !== "certified") {
      tryCertify(core, parent);
      return;
    }
  }
  const context = contextOf(core, notarized);
  if (context === undefined) {
    fetchMissing(core, [{ view: parentView, kind: "notarize" }], -1);
    return;
  }
  round.certification = "asked";
  emit(core, { type: "certify", context });
  if (!core.rules.r6Certified) castFinalize(core, round, notarized);
}

/** Views that were waiting for `parentView` to be certified or final. */
export function certifyChildren(core: Core, parentView: number): void {
  for (const child of notarizedAbove(core, parentView))
    if (child.certificates.notarize?.parentView === parentView) tryCertify(core, child);
}

/** The verdict arrived. */
export function onCertified(core: Core, view: number, payload: Hash, valid: boolean): void {
  const round = core.rounds.get(view);
  if (round?.certification !== "asked" || (view <= core.finalizedView && core.rules.r6AboveFinalized)) return;
  settle(core, round, payload, valid || !core.rules.r5Certified);
}

/** R5: the verdict is persisted, then acted upon. R15: no verdict is true before its body is durable. */
function settle(core: Core, round: Round, payload: Hash, valid: boolean): void {
  const { view } = round;
  round.certification = valid ? "certified" : "refused";
  if (valid && !round.durableBodies.includes(payload) && core.rules.r4Durable) {
    round.durableBodies = [...round.durableBodies, payload];
    emit(core, { type: "persist", record: { type: "body", view, digest: payload } });
  }
  emit(core, { type: "persist", record: { type: "verdict", view, payload, valid } });
  if (!valid) {
    if (view === core.view) castNullify(core);
    certifyChildren(core, view);
    advance(core);
    return;
  }
  if (view > core.certifiedTip) {
    core.certifiedTip = view;
    emit(core, { type: "certifiedTip", view, payload });
  }
  const notarized = round.certificates.notarize;
  if (notarized !== undefined) castFinalize(core, round, notarized);
  if (view >= core.view && core.rules.r7NotFinalized) enterView(core, view + 1, false);
  else advance(core);
  certifyChildren(core, view);
}
