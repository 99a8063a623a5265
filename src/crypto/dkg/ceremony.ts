// Distributed key generation as a pure state machine: events in, effects out, no clock, no I/O, no promise. The rules:
//   C1-C3 dealing, acknowledging, closing logs (dealing.ts)     C4 agreement on exactly the required number of valid
//   logs, by whoever holds the ceremony: `candidate` and `validate` here, `agreed` back in (logs.ts)
//   C5 the output (output.ts), confirmed by q with a trial signature before anybody may use it (confirm.ts)
//   C6 exposure of revealed players (output.ts)                 C7 what every signature binds (signing.ts)
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import {
  type CeremonyBody,
  type CeremonyInfo,
  type CeremonyMessage,
  type DealerLog,
  decodeCeremonyMessage,
  decodeConfirms,
  decodeLog,
  decodeLogSet,
  encodeLog,
  encodeLogSet,
  type Status,
} from "#types/ceremony.ts";
import type { CeremonyRecord } from "#types/ceremony-record.ts";
import { acceptConfirm, confirmOutput, finalize, tellFinal } from "./confirm.ts";
import { closeIfDue, onAck, onDeal, onLog, sendAck, sendDeal } from "./dealing.ts";
import type { CeremonyEffect, CeremonyEvent, CeremonyProgress } from "./events.ts";
import { type SetVerdict, validateLogSet } from "./logs.ts";
import { type CeremonyOutput, computeOutput, computeShare } from "./output.ts";
import { type CeremonyRules, ceremonyRules } from "./rules.ts";
import type { SharingScheme } from "./scheme.ts";
import type { CeremonyIdentity } from "./signing.ts";
import {
  ascending,
  broadcast,
  type CeremonyState,
  createState,
  fault,
  persist,
  send,
  statusOf,
} from "./state.ts";

/** One node's part in one ceremony. */
export interface Ceremony {
  readonly rules: CeremonyRules;
  /** Performs one event; the effects are to be performed in order. */
  step(event: CeremonyEvent): readonly CeremonyEffect[];
  /** The set of logs this node would propose, once it knows enough valid ones; those with the fewest reveals. */
  candidate(): Uint8Array | undefined;
  /** Verdict on a proposed set: the same on every honest node. */
  validate(set: Uint8Array): SetVerdict;
  progress(): CeremonyProgress;
}

/** What a ceremony is made of; `previousShare` is a dealer's share of the old key (resharing only). */
export interface CeremonySetup {
  readonly info: CeremonyInfo;
  readonly scheme: SharingScheme;
  readonly identity: CeremonyIdentity;
  /** 32 secret random bytes, drawn once per ceremony and never used again. */
  readonly seed: Uint8Array;
  readonly previousShare: Uint8Array | undefined;
}

/** The required number of known logs, those with the fewest reveals first, then by dealer. */
function chooseLogs(state: CeremonyState): Uint8Array | undefined {
  const { rules } = state;
  if (state.logs.size < rules.requiredLogs) return undefined;
  const reveals = (log: DealerLog): number => log.entries.filter((entry) => entry.kind === "reveal").length;
  const chosen = [...state.logs.values()]
    .sort((a, b) => reveals(a) - reveals(b) || a.dealer - b.dealer)
    .slice(0, rules.requiredLogs)
    .sort((a, b) => a.dealer - b.dealer);
  return encodeLogSet(chosen);
}

function knownLog(state: CeremonyState, log: DealerLog): boolean {
  const held = state.logs.get(log.dealer);
  return held !== undefined && equalBytes(encodeLog(held), encodeLog(log));
}

function onAgreed(state: CeremonyState, set: Uint8Array): void {
  if (state.agreed !== undefined) return;
  const verdict = validateLogSet(state.rules, set, (log) => knownLog(state, log));
  assert(verdict.kind === "valid", "agreement chooses valid sets only");
  persist(state, { kind: "agreed", set });
  const output = settle(state, verdict.logs);
  state.effects.push({ kind: "output", output });
  confirmOutput(state);
  finalize(state);
}

/** A player that does not deal takes what more dealers than can be faulty say is agreed. */
function onSet(state: CeremonyState, from: number, set: Uint8Array): void {
  const { rules } = state;
  const dealer = rules.dealerMembers.indexOf(from);
  if (dealer < 0 || rules.dealer !== undefined || state.agreed !== undefined) return;
  const digest = rules.domain.proposalHash(set);
  state.offers.set(dealer, digest);
  const same = [...state.offers.values()].filter((offer) => equalBytes(offer, digest)).length;
  if (same > rules.exposureLimit) onAgreed(state, set);
}

/** From the agreed logs to the output and this node's share. */
function settle(state: CeremonyState, logs: readonly DealerLog[]): CeremonyOutput {
  const { rules } = state;
  const output = computeOutput(rules, logs);
  state.agreed = logs;
  state.output = output;
  if (rules.player === undefined) return output;
  const own = computeShare(rules, logs, output, rules.player, (log) => {
    const kept = state.shares.get(log.dealer);
    return kept !== undefined && equalBytes(kept.commitment, log.commitment) ? kept.share : undefined;
  });
  state.share = own.kind === "share" ? own.share : undefined;
  return output;
}

/** Sends a peer what its status shows it lacks, at most once per peer and tick. */
function onStatus(state: CeremonyState, from: number, body: Status): void {
  const { rules } = state;
  state.stages[from] = body.stage;
  if (body.stage !== "dealing" && state.agreed === undefined) state.effects.push({ kind: "behind" });
  if (state.answered.has(from)) return;
  state.answered.add(from);
  const player = rules.playerMembers.indexOf(from);
  const dealer = rules.dealerMembers.indexOf(from);
  const dealing = body.stage === "dealing" && state.agreed === undefined;
  if (dealing && rules.dealer !== undefined && player >= 0 && state.ownLog === undefined) {
    if (!body.shares.includes(rules.dealer) && !state.acks.has(player)) sendDeal(state, player);
  }
  if (dealing && rules.player !== undefined && dealer >= 0 && state.shares.has(dealer)) {
    if (!body.acks.includes(rules.player)) sendAck(state, dealer);
  }
  if (dealing && rules.dealer !== undefined && dealer >= 0 && state.ownLog !== undefined) {
    if (!body.logs.includes(rules.dealer)) send(state, from, { kind: "log", log: state.ownLog });
  }
  if (body.stage === "dealing") {
    const outsider = dealer < 0 && rules.dealer !== undefined;
    if (outsider && state.agreed !== undefined)
      send(state, from, { kind: "set", set: encodeLogSet(state.agreed) });
    return;
  }
  for (const confirm of state.confirms.values()) {
    if (!body.confirms.includes(confirm.player)) send(state, from, confirm);
  }
}

/** Sends everything peers may lack: at the start, and again after a restart. */
function announce(state: CeremonyState): void {
  const { rules } = state;
  if (state.agreed === undefined && state.dealing !== undefined && state.ownLog === undefined) {
    for (const player of rules.info.players.keys()) {
      if (!state.acks.has(player)) sendDeal(state, player);
    }
    closeIfDue(state);
  }
  if (state.agreed === undefined && state.logs.size >= rules.requiredLogs) {
    state.effects.push({ kind: "candidate" });
  }
  if (state.output !== undefined) {
    state.effects.push({ kind: "output", output: state.output });
    confirmOutput(state);
    if (state.final === undefined) finalize(state);
    else tellFinal(state);
  }
  broadcast(state, statusOf(state));
}

function onBody(state: CeremonyState, from: number, body: CeremonyBody): void {
  switch (body.kind) {
    case "deal":
      onDeal(state, from, body);
      return;
    case "ack":
      onAck(state, from, body);
      return;
    case "log":
      onLog(state, from, body.log);
      return;
    case "status":
      onStatus(state, from, body);
      return;
    case "set":
      onSet(state, from, body.set);
      return;
    case "confirm":
      acceptConfirm(state, from, body);
      finalize(state);
      return;
  }
}

function onMessage(state: CeremonyState, from: number, bytes: Uint8Array): void {
  if (from === state.rules.me || state.rules.members[from] === undefined) return;
  let message: CeremonyMessage;
  try {
    message = decodeCeremonyMessage(bytes);
  } catch {
    fault(state, from, "malformed-message", "sent what is no message of a ceremony");
    return;
  }
  if (message.ceremony !== state.rules.domain.id) {
    if (state.elsewhere.has(from)) return;
    state.elsewhere.add(from);
    state.effects.push({ kind: "elsewhere", member: from, round: message.round });
    return;
  }
  onBody(state, from, message.body);
}

function perform(state: CeremonyState, event: CeremonyEvent): void {
  switch (event.kind) {
    case "start":
      announce(state);
      return;
    case "message":
      onMessage(state, event.from, event.bytes);
      return;
    case "tick":
      state.answered.clear();
      broadcast(state, statusOf(state));
      return;
    case "deadline":
      state.deadlinePassed = true;
      closeIfDue(state);
      return;
    case "agreed":
      onAgreed(state, event.set);
      return;
  }
}

/** Puts one kept record back; effects of that time were performed or are repeated by `announce`. */
function replay(state: CeremonyState, record: CeremonyRecord): void {
  switch (record.kind) {
    case "begin":
      return;
    case "share": {
      const { dealer, commitment, signature } = record;
      state.shares.set(dealer, record);
      const commitmentHash = state.rules.domain.commitmentHash(commitment);
      state.commitments.set(dealer, { kind: "deal", commitmentHash, signature });
      return;
    }
    case "ack":
      state.acks.set(record.player, record.signature);
      return;
    case "log":
      state.ownLog = decodeLog(record.log);
      state.logs.set(state.ownLog.dealer, state.ownLog);
      return;
    case "agreed":
      settle(state, decodeLogSet(record.set));
      return;
    case "final": {
      const confirms = decodeConfirms(record.confirms);
      for (const confirm of confirms) state.confirms.set(confirm.player, confirm);
      state.final = confirms;
      return;
    }
    case "fault":
      state.faults.push(record);
  }
}

function progressOf(state: CeremonyState): CeremonyProgress {
  const { rules } = state;
  const without = (count: number, held: ReadonlyMap<number, unknown>): number[] =>
    Array.from({ length: count }, (_, i) => i).filter((i) => !held.has(i));
  return {
    stage: statusOf(state).stage,
    shares: state.shares.size,
    acks: state.acks.size,
    closed: state.ownLog !== undefined,
    logs: state.logs.size,
    confirms: ascending(state.confirms.keys()),
    silentDealers: without(rules.info.dealers.length, state.shares),
    silentPlayers: without(rules.info.players.length, state.acks),
    peers: state.stages,
    faults: state.faults,
  };
}

/**
 * One node's part in a ceremony. Without `records` it begins anew: the first effect of `start` makes the seed durable.
 * With the records of an earlier run it goes on where that one stopped. Throws BAD_CEREMONY for one that cannot work.
 */
export function createCeremony(setup: CeremonySetup, records: readonly CeremonyRecord[] = []): Ceremony {
  const rules = ceremonyRules(setup.info, setup.scheme, setup.identity);
  const dealing =
    rules.dealer === undefined
      ? undefined
      : setup.scheme.deal(setup.seed, rules.domain.drawContext, rules.threshold, setup.previousShare);
  const state = createState(rules, dealing);
  for (const record of records) replay(state, record);
  const fresh = records.length === 0;
  return {
    rules,
    step(event) {
      state.effects = [];
      if (event.kind === "start" && fresh) {
        persist(state, { kind: "begin", info: setup.info, seed: setup.seed });
      }
      perform(state, event);
      return state.effects;
    },
    candidate: () => chooseLogs(state),
    validate: (set) => validateLogSet(rules, set, (log) => knownLog(state, log)),
    progress: () => progressOf(state),
  };
}
