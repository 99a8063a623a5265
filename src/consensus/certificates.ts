// Certificates from admission to consequence: R4 notarization, R7 nullification, R6 finalization, and R11's one seed a
// round. Whoever assembles a notarization or nullification sends it to everyone once.
import { equalBytes } from "#lib/bytes.ts";
import type { Certificate } from "#types/certificate.ts";
import { sameSubject } from "#types/vote.ts";
import { certifyChildren, tryCertify } from "./certify.ts";
import { EVERYONE } from "./effects.ts";
import type { Examined } from "./events.ts";
import { blame } from "./fault.ts";
import { updateDue } from "./pace.ts";
import { type Core, emit, type Round, roundOf } from "./state.ts";
import { advance, enterView } from "./view.ts";

/** Certificates from a peer, far ahead included: what is new is examined, what contradicts a verified seed is blamed. */
export function onCertificates(core: Core, from: number, certificates: readonly Certificate[]): void {
  const fresh: Certificate[] = [];
  const seeds: (Uint8Array | undefined)[] = [];
  for (const certificate of certificates) {
    const { view, epoch, kind } = certificate;
    if (epoch !== core.config.epoch && core.rules.epoch) {
      if (Math.abs(epoch - core.config.epoch) > 1) blame(core, from, "wrongEpoch");
      continue;
    }
    if (view <= core.finalizedView) continue;
    const round = core.rounds.get(view);
    if (round?.certificates[kind] !== undefined) continue;
    if (contradictsSeed(round, certificate)) {
      blame(core, from, "badCertificate");
      continue;
    }
    fresh.push(certificate);
    seeds.push(round?.seed);
  }
  if (fresh.length > 0) emit(core, { type: "examine", from, certificates: fresh, seeds });
}

/** R11: the seed of a round is one and the same in every certificate; a cached one is compared, always. */
function contradictsSeed(round: Round | undefined, certificate: Certificate): boolean {
  return round?.seed !== undefined && !equalBytes(round.seed, certificate.seed);
}

/** The signatures were verified. */
export function onExamined(core: Core, from: number, results: readonly Examined[]): void {
  for (const result of results) {
    if (result.valid) acceptCertificate(core, result, false);
    else blame(core, from, "badCertificate");
  }
}

/** A certificate that is right, `mine` if this node assembled it: journal it, pass it on, act on it. */
export function acceptCertificate(core: Core, examined: Examined, mine: boolean): void {
  const { certificate, lottery } = examined;
  const { view, kind } = certificate;
  if (view <= core.finalizedView) return;
  const round = roundOf(core, view);
  if (round.certificates[kind] !== undefined) return;
  round.certificates[kind] = certificate;
  round.seed = certificate.seed;
  round.lottery = lottery;
  emit(core, { type: "persist", record: { type: "certificate", certificate, lottery } });
  if (mine && kind !== "finalize" && core.config.n > 1) {
    emit(core, {
      type: "send",
      to: EVERYONE,
      message: { type: "certificates", certificates: [certificate] },
    });
  }
  if (kind === "notarize") onNotarization(core, round, certificate);
  else if (kind === "nullify") onNullification(core, round);
  else onFinalization(core, round, certificate);
}

function onNotarization(core: Core, round: Round, certificate: Certificate): void {
  if (round.seenAt < 0) round.seenAt = core.now;
  if (round.proposal !== undefined && !sameSubject(round.proposal, certificate)) round.equivocated = true;
  if (round.view > core.highestNotarized) core.highestNotarized = round.view;
  tryCertify(core, round);
  certifyChildren(core, round.view);
  if (round.view < core.view) advance(core);
}

/** R7: leaves the view. What waited for this nullification, a proposal or my own turn, is looked at again. */
function onNullification(core: Core, round: Round): void {
  if (round.view >= core.view) enterView(core, round.view + 1, true);
  else {
    updateDue(core);
    advance(core);
  }
}

/** R6: everything at or below is final. R17: and stays so. */
function onFinalization(core: Core, round: Round, certificate: Certificate): void {
  const { view } = round;
  if (round.certificates.nullify !== undefined) {
    emit(core, {
      type: "halt",
      reason: `view ${view} is both finalized and nullified: more than f validators are faulty`,
    });
    return;
  }
  core.finalizedView = view;
  core.finalizedPayload = certificate.payload;
  core.finalization = certificate;
  core.failures = 0;
  if (round.seenAt < 0) round.seenAt = core.now;
  emit(core, { type: "finalize", certificate });
  forget(core);
  if (view >= core.view) enterView(core, view + 1, false);
  else {
    updateDue(core);
    advance(core);
  }
  certifyChildren(core, view);
}

/** However far finality jumped, it costs no more than the rounds that are held. */
function forgetRounds(core: Core, below: number): void {
  const { rounds } = core;
  if (below - core.forgottenBelow > rounds.size) {
    for (const view of rounds.keys()) if (view < below) rounds.delete(view);
    core.forgottenBelow = below;
  }
  for (; core.forgottenBelow < below; core.forgottenBelow++) rounds.delete(core.forgottenBelow);
}

/** R17: drops rounds below the window, in memory at once and in the journal now and then. */
export function forget(core: Core): void {
  const { retention } = core.config.timing;
  forgetRounds(core, core.finalizedView - retention);
  const durable = core.rules.r17Pruned ? core.acknowledgedView : core.finalizedView;
  const journal = Math.min(core.finalizedView, durable) - retention;
  if (journal - core.prunedBelow < Math.max(1, retention / 4)) return;
  core.prunedBelow = journal;
  emit(core, { type: "prune", below: journal });
}

/** R7: a peer that is still where I no longer am gets the certificates that bring it here, at most once a retry. */
export function answerLaggard(core: Core, peer: number, view: number): void {
  const last = core.answeredAt[peer] as number;
  if (!core.rules.r7Entry) return;
  if (core.now - last < core.config.timing.timeoutRetry) return;
  const certificates = new Set<Certificate>();
  if (core.finalization !== undefined && core.finalizedView >= view) certificates.add(core.finalization);
  else {
    const held = core.rounds.get(view)?.certificates;
    const exit = held?.nullify ?? held?.notarize;
    if (exit !== undefined) certificates.add(exit);
  }
  const entry = entryCertificate(core);
  if (entry !== undefined) certificates.add(entry);
  if (certificates.size === 0) return;
  core.answeredAt[peer] = core.now;
  emit(core, { type: "send", to: peer, message: { type: "certificates", certificates: [...certificates] } });
}

/** R7: the best certificate for the current view: finalization, else nullification, else notarization of the one before. */
export function entryCertificate(core: Core): Certificate | undefined {
  const held = core.rounds.get(core.view - 1)?.certificates;
  return held?.finalize ?? held?.nullify ?? held?.notarize;
}
