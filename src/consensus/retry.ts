// What is said again until it is heard: R7 nullifies with the entry certificate, R16 own votes, R18 the greeting.
import type { Certificate } from "#types/certificate.ts";
import type { Vote, VoteKind } from "#types/vote.ts";
import { castDueFinalizes, echoesNeeded } from "./cast.ts";
import { entryCertificate } from "./certificates.ts";
import { tryCertify } from "./certify.ts";
import { EVERYONE } from "./effects.ts";
import { blame } from "./fault.ts";
import { type Core, emit, notarizedAbove, roundOf } from "./state.ts";
import { advance } from "./view.ts";

/** Views whose votes are sent again at once; older ones are covered by the certificates of these. */
const MAX_RESENT_VIEWS = 32;

const KINDS: readonly VoteKind[] = ["notarize", "nullify", "finalize"];

/** R16: my votes above the last final view whose certificate is still missing, unchanged. */
export function resendVotes(core: Core): void {
  const from = Math.max(core.finalizedView + 1, core.view - MAX_RESENT_VIEWS);
  for (let view = from; view <= core.view; view++) {
    const round = core.rounds.get(view);
    if (round === undefined) continue;
    for (const kind of KINDS) {
      const vote = round.cast[kind];
      if (vote === undefined || round.certificates[kind] !== undefined) continue;
      emit(core, { type: "send", to: EVERYONE, message: { type: "vote", vote } });
    }
  }
}

/** Every timeoutRetry in one view: votes again; once given up, with the best certificate to enter it (R7). */
export function retry(core: Core): void {
  core.retryAt = core.now + core.config.timing.timeoutRetry;
  if (core.config.n === 1) return;
  resendVotes(core);
  const entry = core.rules.r7Entry ? entryCertificate(core) : undefined;
  if (roundOf(core, core.view).mine.nullify !== undefined && entry !== undefined) {
    emit(core, { type: "send", to: EVERYONE, message: { type: "certificates", certificates: [entry] } });
  }
  for (const round of notarizedAbove(core, core.finalizedView)) tryCertify(core, round);
}

/** R18: asks everybody what they hold of mine, and again every timeoutRetry until enough have told. */
export function greetEveryone(core: Core): void {
  core.greetAt = core.now + core.config.timing.timeoutRetry;
  greet(core, EVERYONE);
}

/** R18: asks what others hold of mine. */
export function greet(core: Core, to: number): void {
  if (core.config.me === undefined || core.config.n === 1) return;
  emit(core, { type: "send", to, message: { type: "hello", view: core.view } });
}

/** R18: tells a peer the newest vote of it that is held, and how to get here; asks back if it has not told me yet. */
export function onHello(core: Core, from: number): void {
  emit(core, { type: "send", to: from, message: { type: "echo", vote: core.newestOf[from] } });
  const certificates: Certificate[] = [];
  if (core.finalization !== undefined) certificates.push(core.finalization);
  const entry = entryCertificate(core);
  if (entry !== undefined && entry !== core.finalization) certificates.push(entry);
  if (certificates.length > 0) {
    emit(core, { type: "send", to: from, message: { type: "certificates", certificates } });
  }
  if (!core.echoes.has(from) && core.echoes.size < echoesNeeded(core)) greet(core, from);
}

/** R18: a peer told. A vote of mine is checked like any other before it is believed. */
export function onEcho(core: Core, from: number, vote: Vote | undefined): void {
  if (vote === undefined) {
    heard(core, from);
    return;
  }
  if (vote.signer !== core.config.me) {
    blame(core, from, "impersonation");
    return;
  }
  // What I signed in another epoch says nothing of this one's views.
  if (vote.epoch === core.config.epoch) emit(core, { type: "authenticate", vote, from });
}

/**
 * R18: this is my vote. If the journal does not hold it, it was signed by a past that is lost here: nothing is signed
 * at or below its view. A vote that the journal holds binds as it always did, and no more: barring its view would
 * lock up a committee that crashed together (L2). Where more than f lost their past at once, they would lock it up
 * too, and an operator lifts the bar; then nothing is signed below the newest vote that is still known of.
 */
export function recognize(core: Core, from: number, vote: Vote): void {
  const { view, kind } = vote;
  const round = core.rounds.get(view);
  if (round?.cast[kind]?.payload !== vote.payload) {
    const lifted = view <= (core.config.guardOverride ?? 0) && view > core.finalizedView;
    // The operator vouches for what follows; what I am seen to have said still binds me.
    if (lifted) roundOf(core, view).mine[kind] ??= vote;
    core.signFloor = Math.max(core.signFloor, lifted ? view - 1 : view);
  }
  heard(core, from);
}

function heard(core: Core, from: number): void {
  if (core.echoes.has(from)) return;
  core.echoes.add(from);
  if (core.echoes.size !== echoesNeeded(core)) return;
  core.greetAt = Number.POSITIVE_INFINITY;
  castDueFinalizes(core);
  advance(core);
}
