// What a node remembers of a ceremony, and the few ways to turn it into effects. All maps are keyed by the index of a
// dealer or player, so nothing here grows beyond the number of participants.
import {
  type CeremonyBody,
  type Confirm,
  type DealerLog,
  encodeCeremonyMessage,
  type Status,
  type StatusStage,
} from "#types/ceremony.ts";
import type { CeremonyFault, CeremonyRecord, DealerStatement } from "#types/ceremony-record.ts";
import type { CaughtMember, CeremonyEffect } from "./events.ts";
import type { CeremonyOutput } from "./output.ts";
import type { CeremonyRules } from "./rules.ts";
import type { Dealing } from "./scheme.ts";

export interface CeremonyState {
  readonly rules: CeremonyRules;
  /** Effects of the step being performed. */
  effects: CeremonyEffect[];
  /** This node's own polynomial; undefined if it does not deal. */
  readonly dealing: Dealing | undefined;
  /** Players' acknowledgements of the own deal. */
  readonly acks: Map<number, Uint8Array>;
  deadlinePassed: boolean;
  ownLog: DealerLog | undefined;
  /** Checked and durable evaluations by dealer. */
  readonly shares: Map<number, { readonly commitment: Uint8Array; readonly share: Uint8Array }>;
  /** Hash of the first commitment each dealer signed, with its signature. */
  readonly commitments: Map<number, Extract<DealerStatement, { kind: "deal" }>>;
  /** First valid log of each dealer. */
  readonly logs: Map<number, DealerLog>;
  agreed: readonly DealerLog[] | undefined;
  /** Hash of the set that each dealer says is agreed, where this node does not deal. */
  readonly offers: Map<number, Uint8Array>;
  output: CeremonyOutput | undefined;
  share: Uint8Array | undefined;
  /** By player: before the output is known whatever came last, afterwards signed and of the right digest. */
  readonly confirms: Map<number, Confirm>;
  /** Players whose partial signature was wrong. */
  readonly badPartials: Set<number>;
  final: readonly Confirm[] | undefined;
  readonly faults: CaughtMember[];
  readonly stages: (StatusStage | undefined)[];
  /** Members whose status was answered since the last tick. */
  readonly answered: Set<number>;
  /** Members heard in another ceremony. */
  readonly elsewhere: Set<number>;
}

/** The state before anything happened. */
export function createState(rules: CeremonyRules, dealing: Dealing | undefined): CeremonyState {
  return {
    rules,
    effects: [],
    dealing,
    acks: new Map(),
    deadlinePassed: false,
    ownLog: undefined,
    shares: new Map(),
    commitments: new Map(),
    logs: new Map(),
    agreed: undefined,
    offers: new Map(),
    output: undefined,
    share: undefined,
    confirms: new Map(),
    badPartials: new Set(),
    final: undefined,
    faults: [],
    stages: rules.members.map(() => undefined),
    answered: new Set(),
    elsewhere: new Set(),
  };
}

export function persist(state: CeremonyState, record: CeremonyRecord): void {
  state.effects.push({ kind: "persist", record });
}

export function send(state: CeremonyState, to: number, body: CeremonyBody): void {
  const { info, domain } = state.rules;
  const bytes = encodeCeremonyMessage({ round: info.round, ceremony: domain.id, body });
  state.effects.push({ kind: "send", to, bytes });
}

/** To every other member. */
export function broadcast(state: CeremonyState, body: CeremonyBody): void {
  const { info, domain, members, me } = state.rules;
  const bytes = encodeCeremonyMessage({ round: info.round, ceremony: domain.id, body });
  for (const to of members.keys()) if (to !== me) state.effects.push({ kind: "send", to, bytes });
}

export function isFaulted(state: CeremonyState, member: number, kind: CeremonyFault): boolean {
  return state.faults.some((entry) => entry.member === member && entry.fault === kind);
}

/** Notes what `member` was caught at, with what proves it to others: durable and told once per kind. */
export function fault(
  state: CeremonyState,
  member: number,
  kind: CeremonyFault,
  detail: string,
  evidence: readonly DealerStatement[] = [],
): void {
  if (isFaulted(state, member, kind)) return;
  persist(state, { kind: "fault", member, fault: kind, evidence });
  state.faults.push({ member, fault: kind, evidence });
  state.effects.push({ kind: "fault", member, fault: kind, detail });
}

/** Indices in order. */
export function ascending(keys: Iterable<number>): number[] {
  return [...keys].sort((a, b) => a - b);
}

/** What this node holds, for its peers. */
export function statusOf(state: CeremonyState): Status {
  const everybody = state.rules.info.players.keys();
  return {
    kind: "status",
    shares: ascending(state.shares.keys()),
    acks: state.ownLog === undefined ? ascending(state.acks.keys()) : [...everybody],
    logs: ascending(state.logs.keys()),
    confirms: ascending(state.confirms.keys()),
    stage: state.final !== undefined ? "final" : state.agreed !== undefined ? "agreed" : "dealing",
  };
}
