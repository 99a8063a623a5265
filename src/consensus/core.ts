// Threshold simplex as a synchronous state machine: events in, effects out. It does not read clocks, draw random
// numbers, do I/O, or touch keys: time comes with every event, signatures are asked for and answered (events.ts,
// effects.ts). The protocol, in the rules that the code cites; n validators, f = floor((n-1)/3), quorum q = n - f:

// A view has one leader. Three votes, and q of one kind make its certificate: notarize (a quorum saw at most this
// block in this view), nullify (a quorum gave the view up), finalize (committed). A view is left by a certified
// notarization, a nullification, or a finalization at or above it. A block is notarized after two message delays and
// final after three; finalizing view v goes on while v + k is running.
//
// In the words of the Simplex paper (Chan and Pass, 2023): its iteration is a view; its vote for a block is notarize,
// its vote for the dummy block nullify, its finalize the same; its notarized chain, with a dummy for every iteration
// that failed, is what R3 and R8 walk. New here: leaders from threshold signatures (R11 to R14), a verdict of execution
// between notarizing and finalizing (R4, R5), and what holds through crashes (R15 to R18).
//
// R1  enter: timers run from the view's due time; a leader long silent is not waited for.             pace.ts, view.ts
// R2  propose: build on the parent of R8; the leader's notarize vote is the proposal.                         view.ts
// R3  notarize once, only the leader's one proposal, only on a certified parent with every view
//     between nullified, only after full verification, never after nullify.         view.ts, ancestry.ts, cast.ts, header.ts
// R4  a notarization is assembled, sent once, then certified: body and ancestors durable, executed.
//                                                                                     certificates.ts, certify.ts
// R5  certified: persist the verdict, move on, finalize. Refused: nullify, never build on it.              certify.ts
// R6  finalize only what is notarized and certified, unless nullified by me or proposed by an equivocator.    cast.ts
// R7  nullify the current view unless I finalized it; repeat it with the certificate that enters the view;
//     answer those who are behind.                                            cast.ts, retry.ts, certificates.ts
// R8  parent: the highest certified or final view with a nullification for every view above it.           ancestry.ts
// R9  a proposal's parent is permanently wrong (nullify) or not yet provable (fetch).            ancestry.ts, resolver.ts
// R10 forced inclusion follows from R3.
// R11 every vote also signs the round for a seed; every certificate of a round yields the same one.   certificates.ts
// R12 that seed chooses the next leader.                                                                    leader.ts
// R13 prevrandao is keccak256 of the parent round's seed.                                                   header.ts
// R14 every purpose signs in a domain of its own; votes travel in an envelope signed by identity.      the schemes
// R15 votes, certificates, verdicts and bodies are durable before anything that follows leaves.  order of the effects
// R16 replay puts own votes back into the tally and sends them again, unchanged.             restore.ts, retry.ts
// R17 the floor never regresses; nothing is signed at or below the last final view.      certificates.ts, cast.ts
// R18 views are reserved before they are signed; after a restart the others tell what they hold of mine. cast.ts, retry.ts

import type { Vote } from "#types/vote.ts";
import { echoesNeeded } from "./cast.ts";
import { forget, onCertificates, onExamined } from "./certificates.ts";
import { onCertified } from "./certify.ts";
import type { Effect } from "./effects.ts";
import { EVERYONE } from "./effects.ts";
import type { CoreMessage, Event } from "./events.ts";
import { blame } from "./fault.ts";
import { arm, updateDue } from "./pace.ts";
import { answerRequest, pollResolver } from "./resolver.ts";
import { restore, start } from "./restore.ts";
import { greet, greetEveryone, onEcho, onHello, recognize, retry } from "./retry.ts";
import { ALL_RULES, type Rules } from "./rules.ts";
import { type Core, type CoreConfig, emit, newCore, type Restored, roundOf } from "./state.ts";
import { onPartialExamined, onRecovered, onVote, takeVote } from "./tally.ts";
import { advance, onBuilt, onVerified } from "./view.ts";

/** A core that continues where the journal ends. `rules` exists for the simulator alone. */
export function createCore(config: CoreConfig, restored: Restored, rules: Rules = ALL_RULES): Core {
  const core = newCore(config, rules);
  restore(core, restored);
  return core;
}

/** One step at monotonic time `now` (ms). The effects, to be performed in order (R15), stand until the next step. */
export function step(core: Core, event: Event, now: number): readonly Effect[] {
  core.effects.length = 0;
  if (now > core.now) core.now = now;
  handle(core, event);
  arm(core);
  return core.effects;
}

function handle(core: Core, event: Event): void {
  switch (event.type) {
    case "start":
      start(core);
      break;
    case "tick":
      onTick(core);
      break;
    case "message":
      onMessage(core, event.from, event.message);
      break;
    case "connected":
      if (core.echoes.size < echoesNeeded(core)) greet(core, event.peer);
      break;
    case "work":
      core.work = event.pending;
      updateDue(core);
      advance(core);
      break;
    case "signed":
      onSigned(core, event.vote);
      break;
    case "authenticated":
      onAuthenticated(core, event.vote, event.from, event.valid);
      break;
    case "recovered":
      onRecovered(core, event);
      break;
    case "partialExamined":
      onPartialExamined(core, event.vote, event.valid);
      break;
    case "examined":
      onExamined(core, event.from, event.results);
      break;
    case "built":
      onBuilt(core, event.view, event.parentView, event.payload);
      break;
    case "verified":
      onVerified(core, event.view, event.payload, event.verdict);
      break;
    case "certified":
      onCertified(core, event.view, event.payload, event.valid);
      break;
    case "acknowledged":
      core.acknowledgedView = Math.max(core.acknowledgedView, event.view);
      forget(core);
      break;
  }
}

function onMessage(core: Core, from: number, message: CoreMessage): void {
  if (from < 0 || from >= core.config.n || from === core.config.me) return;
  switch (message.type) {
    case "vote":
      onVote(core, from, message.vote);
      break;
    case "certificates":
      onCertificates(core, from, message.certificates);
      break;
    case "request":
      answerRequest(core, from, message.wants);
      break;
    case "hello":
      onHello(core, from);
      break;
    case "echo":
      onEcho(core, from, message.vote);
      break;
  }
}

function onTick(core: Core): void {
  core.timerAt = Number.POSITIVE_INFINITY;
  if (core.now >= core.greetAt) greetEveryone(core);
  if (core.now >= core.retryAt) retry(core);
  if (core.now >= core.wantsAt) pollResolver(core);
  advance(core);
}

/** R15: the vote and, with a notarize, the body are journalled; then they leave, then they count. */
function onSigned(core: Core, vote: Vote): void {
  const { r3AboveFinalized, r6AboveFinalized } = core.rules;
  if (vote.view <= core.finalizedView && r3AboveFinalized && r6AboveFinalized) return;
  const round = roundOf(core, vote.view);
  // R3: a nullify overtook this notarize while it was being signed.
  if (vote.kind === "notarize" && round.mine.nullify !== undefined && core.rules.r3NotNullified) return;
  round.cast[vote.kind] = vote;
  if (vote.kind === "notarize" && core.rules.r15Body) {
    round.durableBodies = [...round.durableBodies, vote.payload];
    emit(core, { type: "persist", record: { type: "body", view: vote.view, digest: vote.payload } });
  }
  emit(core, { type: "persist", record: { type: "vote", vote } });
  if (vote.kind === "notarize" && round.built === vote.payload && core.config.n > 1)
    emit(core, { type: "disseminate", digest: vote.payload });
  if (core.config.n > 1) emit(core, { type: "send", to: EVERYONE, message: { type: "vote", vote } });
  takeVote(core, vote);
}

function onAuthenticated(core: Core, vote: Vote, from: number, valid: boolean): void {
  if (!valid) blame(core, from, "badEnvelope");
  else if (vote.signer === core.config.me) recognize(core, from, vote);
  else takeVote(core, vote);
}
