// The core's state: plain data, one round per view, everything bounded by the committee and the window of views.
// Questions about it are answered here; what to do about the answers is decided elsewhere.
import { assert } from "#lib/assert.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Want } from "#types/message.ts";
import { maxFaulty, quorumOf } from "#types/quorum.ts";
import type { Subject, Vote, VoteKind } from "#types/vote.ts";
import type { BlockContext, Effect } from "./effects.ts";
import { leaderOf } from "./leader.ts";
import { ALL_RULES, type Rules } from "./rules.ts";

/** How votes become certificates (section 1). */
export type SchemeKind = "threshold" | "identity" | "solo";

export interface CoreConfig {
  readonly epoch: number;
  /** Number of validators. */
  readonly n: number;
  /** This node's index; undefined: it follows and never votes. */
  readonly me: number | undefined;
  readonly scheme: SchemeKind;
  /** Payload of view 0, final by definition. */
  readonly genesis: Hash;
  readonly timing: Timing;
  /**
   * R18: an operator lifts the guard's bar where it is no higher than this view, because more than f validators were
   * restored at once and the committee would wait for ever.
   */
  readonly guardOverride?: number;
}

/** Section 9. Milliseconds, unless they say views. */
export interface Timing {
  readonly leaderTimeout: number;
  readonly certificationTimeout: number;
  readonly timeoutRetry: number;
  readonly fetchTimeout: number;
  readonly maxTimeout: number;
  readonly blockTime: number;
  readonly emptyBlockInterval: number;
  /** Views. */
  readonly skipTimeout: number;
  /** Views. */
  readonly retention: number;
}

export const DEFAULT_TIMING: Timing = {
  leaderTimeout: 500,
  certificationTimeout: 1_000,
  timeoutRetry: 2_000,
  fetchTimeout: 500,
  maxTimeout: 30_000,
  blockTime: 2_000,
  emptyBlockInterval: 10_000,
  skipTimeout: 10,
  retention: 256,
};

/** R18: views are reserved in steps of this many. */
export const RESERVATION_STEP = 1_024;
/** With more certified unfinalized blocks than this only empty ones are built (section 9). */
export const MAX_UNFINALIZED_FULL = 32;

/** The votes of one kind in one view: one slot per signer. */
export interface Tally {
  readonly votes: (Vote | undefined)[];
  /** Slots taken. */
  count: number;
  /** The payload that is being recovered; one at a time. */
  recovering: boolean;
}

/** Where certification of a notarized block stands (R4). */
export type Certification = "unknown" | "asked" | "certified" | "refused";

export interface Round {
  readonly view: number;
  readonly tallies: Readonly<Record<VoteKind, Tally>>;
  readonly certificates: Record<VoteKind, Certificate | undefined>;
  /** The leader's notarize vote. */
  proposal: Subject | undefined;
  /** When the proposal was first seen; -1: not yet. */
  proposedAt: number;
  /** When the proposal or a notarization was first seen, whichever came first; -1: neither did. */
  seenAt: number;
  /** R3, R6: the leader signed two proposals. */
  equivocated: boolean;
  /** Signers of two notarize votes; the leader may be one of them before it is known who leads. */
  twoFaced: readonly number[];
  verification: "unknown" | "asked" | "valid" | "invalid" | "early";
  /** Payload that I built as leader. */
  built: Hash | undefined;
  certification: Certification;
  /** The bodies of this view that the journal holds: my vote's, and another's if that one was notarized. */
  durableBodies: readonly Hash[];
  building: boolean;
  /** My decisions, made before the signature comes back. */
  readonly mine: Record<VoteKind, Subject | undefined>;
  /** My votes once signed. */
  readonly cast: Record<VoteKind, Vote | undefined>;
  /** Verified seed and lottery of this round (R11). */
  seed: Uint8Array | undefined;
  lottery: Uint8Array | undefined;
  /** A partial of these signers failed, so their slots stay closed. */
  spoiled: readonly number[];
  /** Votes of caught signers whose partials are checked alone. */
  examining: readonly Vote[];
  /** Those of them that were found good. */
  examined: readonly Vote[];
}

/** A certificate that is being asked for. */
export interface PendingWant {
  readonly want: Want;
  /** Whom to ask next. */
  peer: number;
  nextAt: number;
}

export interface Core {
  readonly config: CoreConfig;
  readonly rules: Rules;
  readonly quorum: number;
  readonly faults: number;
  now: number;
  /** Of the step that is running or was the last. */
  readonly effects: Effect[];
  started: boolean;
  view: number;
  enteredAt: number;
  dueAt: number;
  /** No due time yet: solo and idle. */
  paused: boolean;
  retryAt: number;
  timerAt: number;
  /** Consecutive views that ended without success; grows the timers (section 9). */
  failures: number;
  readonly rounds: Map<number, Round>;
  /** The newest finalization; undefined at genesis. */
  finalization: Certificate | undefined;
  finalizedView: number;
  finalizedPayload: Hash;
  /** View of the newest block that chain.db holds. */
  acknowledgedView: number;
  prunedBelow: number;
  forgottenBelow: number;
  work: boolean;
  /** R18: nothing at or below is signed. */
  signFloor: number;
  /** Views reserved by this run; every run reserves anew, which is what tells a later run from a backup. */
  reserved: number;
  /** R18: when to ask again those who have not told yet; views that go on without me do not put it off. */
  greetAt: number;
  /** R18: peers that told what they hold of mine. */
  readonly echoes: Set<number>;
  readonly caught: boolean[];
  /** Highest view of a vote by each signer. */
  readonly activeAt: number[];
  /** First view since start that was entered. */
  observedFrom: number;
  readonly answeredAt: number[];
  /** Newest vote held of each signer (R18: told to a restarted signer). */
  readonly newestOf: (Vote | undefined)[];
  readonly faultsOf: number[];
  highestNotarized: number;
  certifiedTip: number;
  /** Certificates that this node lacks, by view and kind. */
  readonly wants: Map<number, PendingWant>;
  /** When the first of them is to be asked for again. */
  wantsAt: number;
}

/** What replay found (R16) and what the guard says (R18). */
export interface Restored {
  readonly votes: readonly Vote[];
  readonly certificates: readonly {
    readonly certificate: Certificate;
    readonly lottery: Uint8Array | undefined;
  }[];
  readonly verdicts: readonly { readonly view: number; readonly payload: Hash; readonly valid: boolean }[];
  readonly bodies: readonly { readonly view: number; readonly digest: Hash }[];
  /** Nothing at or below is signed; 0 if guard and journal agree. */
  readonly signFloor: number;
  /** View of the newest block in chain.db. */
  readonly acknowledgedView: number;
}

export const NOTHING_RESTORED: Restored = {
  votes: [],
  certificates: [],
  verdicts: [],
  bodies: [],
  signFloor: 0,
  acknowledgedView: 0,
};

function newTally(n: number): Tally {
  return { votes: new Array<Vote | undefined>(n).fill(undefined), count: 0, recovering: false };
}

/** What most rounds have none of. */
const NONE: readonly never[] = [];

function newRound(view: number, n: number): Round {
  return {
    view,
    tallies: { notarize: newTally(n), nullify: newTally(n), finalize: newTally(n) },
    certificates: { notarize: undefined, nullify: undefined, finalize: undefined },
    proposal: undefined,
    proposedAt: -1,
    seenAt: -1,
    equivocated: false,
    twoFaced: NONE,
    verification: "unknown",
    built: undefined,
    certification: "unknown",
    durableBodies: NONE,
    building: false,
    mine: { notarize: undefined, nullify: undefined, finalize: undefined },
    cast: { notarize: undefined, nullify: undefined, finalize: undefined },
    seed: undefined,
    lottery: undefined,
    spoiled: NONE,
    examining: NONE,
    examined: NONE,
  };
}

/** An empty state at genesis; `restore` fills it. */
export function newCore(config: CoreConfig, rules: Rules = ALL_RULES): Core {
  const { n, me, timing } = config;
  assert(n >= 1 && (me === undefined || me < n), "the validator's index is within the committee");
  assert(timing.leaderTimeout < timing.certificationTimeout, "the leader timer fires before the other");
  assert(config.scheme !== "solo" || n === 1, "the solo scheme is for one validator");
  return {
    config,
    rules,
    quorum: rules.quorum ? quorumOf(n) : Math.max(1, quorumOf(n) - 1),
    faults: maxFaulty(n),
    now: 0,
    effects: [],
    started: false,
    view: 0,
    enteredAt: 0,
    dueAt: 0,
    paused: false,
    retryAt: 0,
    timerAt: Number.POSITIVE_INFINITY,
    failures: 0,
    rounds: new Map(),
    finalization: undefined,
    finalizedView: 0,
    finalizedPayload: config.genesis,
    acknowledgedView: 0,
    prunedBelow: 0,
    forgottenBelow: 0,
    work: false,
    signFloor: 0,
    reserved: 0,
    greetAt: Number.POSITIVE_INFINITY,
    echoes: new Set(),
    caught: new Array<boolean>(n).fill(false),
    activeAt: new Array<number>(n).fill(-1),
    observedFrom: 0,
    answeredAt: new Array<number>(n).fill(Number.NEGATIVE_INFINITY),
    newestOf: new Array<Vote | undefined>(n).fill(undefined),
    faultsOf: new Array<number>(n).fill(0),
    highestNotarized: 0,
    certifiedTip: 0,
    wants: new Map(),
    wantsAt: Number.POSITIVE_INFINITY,
  };
}

/** The round of a view, made on first use. */
export function roundOf(core: Core, view: number): Round {
  let round = core.rounds.get(view);
  if (round === undefined) {
    round = newRound(view, core.config.n);
    core.rounds.set(view, round);
  }
  return round;
}

/** Leader of a view; undefined while the seed of the view before is unknown (R12). */
export function leaderAt(core: Core, view: number): number | undefined {
  const { epoch, n, scheme } = core.config;
  if (view <= 1 || scheme !== "threshold" || !core.rules.r12Seed) return leaderOf(epoch, view, n, undefined);
  const lottery = core.rounds.get(view - 1)?.lottery;
  return lottery === undefined ? undefined : leaderOf(epoch, view, n, lottery);
}

/** Whether I lead `view`. */
export function leads(core: Core, view: number): boolean {
  return core.config.me !== undefined && leaderAt(core, view) === core.config.me;
}

/** Whether a nullification of `view` is held. */
export function isNullified(core: Core, view: number): boolean {
  return core.rounds.get(view)?.certificates.nullify !== undefined;
}

/** Payload of the block in `view` if one may build on it: the last finalized, or notarized and certified (R3, R8). */
export function parentPayload(core: Core, view: number): Hash | undefined {
  if (view === core.finalizedView) return core.finalizedPayload;
  const round = core.rounds.get(view);
  if (round === undefined || (view < core.finalizedView && core.rules.r3ParentFloor)) return undefined;
  if (core.rules.r3ParentCertified && round.certification !== "certified") return undefined;
  return round.certificates.notarize?.payload;
}

/** The place of a block in the chain, or undefined while its parent or the parent's seed is unknown. */
export function contextOf(core: Core, subject: Subject): BlockContext | undefined {
  const parent = parentPayload(core, subject.parentView);
  if (parent === undefined) return undefined;
  const { view, parentView, payload } = subject;
  const { epoch, scheme } = core.config;
  let parentSeed: Uint8Array | undefined;
  if (parentView !== 0 && scheme !== "identity") {
    parentSeed = core.rounds.get(parentView)?.seed;
    if (parentSeed === undefined) return undefined;
  }
  return { epoch, view, parentView, parent, parentSeed, payload };
}

const NO_ROUNDS: readonly Round[] = [];

/** Rounds above `view` whose notarization is held, in the order of their views, however far these lie apart. */
export function notarizedAbove(core: Core, view: number): readonly Round[] {
  const { rounds, highestNotarized } = core;
  if (highestNotarized <= view) return NO_ROUNDS;
  const found: Round[] = [];
  if (highestNotarized - view <= rounds.size) {
    for (let at = view + 1; at <= highestNotarized; at++) {
      const round = rounds.get(at);
      if (round?.certificates.notarize !== undefined) found.push(round);
    }
    return found;
  }
  for (const round of rounds.values())
    if (round.view > view && round.certificates.notarize !== undefined) found.push(round);
  return found.sort((a, b) => a.view - b.view);
}

/** Emits an effect. */
export function emit(core: Core, effect: Effect): void {
  core.effects.push(effect);
}
