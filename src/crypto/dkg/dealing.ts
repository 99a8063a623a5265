// The road to a closed log. C1: a dealer commits to a polynomial and sends every player its evaluation. C2: a player
// checks it, makes it durable, and only then acknowledges. C3: a dealer closes one log, durable before it is sent, with
// an acknowledgement or a public reveal for every player; more than f reveals would make it invalid.
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { type Ack, type Deal, type DealerLog, encodeLog, type LogEntry } from "#types/ceremony.ts";
import type { CeremonyFault, DealerStatement } from "#types/ceremony-record.ts";
import { logDefect, openDealerCommitment, provesLie, signedByDealer } from "./logs.ts";
import { type CeremonyState, fault, isFaulted, persist, send } from "./state.ts";

/** C1: tells a player its evaluation; the own one is checked and kept like any other. */
export function sendDeal(state: CeremonyState, player: number): void {
  const { rules, dealing } = state;
  assert(dealing !== undefined && rules.dealer !== undefined, "only a dealer deals");
  const digest = rules.domain.commitmentHash(dealing.commitment.bytes);
  const body: Deal = {
    kind: "deal",
    commitment: dealing.commitment.bytes,
    share: dealing.share(player),
    signature: rules.identity.sign(rules.domain.deal(rules.dealer, digest)),
  };
  const member = rules.playerMembers[player] as number;
  if (member === rules.me) onDeal(state, member, body);
  else send(state, member, body);
}

function ackFor(state: CeremonyState, dealer: number): Ack {
  const { rules } = state;
  const kept = state.shares.get(dealer);
  assert(kept !== undefined && rules.player !== undefined, "only a kept share is acknowledged");
  const commitmentHash = rules.domain.commitmentHash(kept.commitment);
  const signature = rules.identity.sign(rules.domain.ack(dealer, rules.player, commitmentHash));
  return { kind: "ack", commitmentHash, signature };
}

/** C2: acknowledges the kept evaluation of `dealer`. */
export function sendAck(state: CeremonyState, dealer: number): void {
  const member = state.rules.dealerMembers[dealer] as number;
  if (member === state.rules.me) onAck(state, member, ackFor(state, dealer));
  else send(state, member, ackFor(state, dealer));
}

/** Keeps two statements of a dealer that contradict each other, which anybody can check. */
function catchLiar(
  state: CeremonyState,
  dealer: number,
  kind: CeremonyFault,
  detail: string,
  statements: readonly DealerStatement[],
): void {
  const { rules } = state;
  assert(provesLie(rules, dealer, statements), "what was caught can be shown");
  fault(state, rules.dealerMembers[dealer] as number, kind, detail, statements);
}

/** C2: an evaluation arrived. */
export function onDeal(state: CeremonyState, from: number, body: Deal): void {
  const { rules } = state;
  const dealer = rules.dealerMembers.indexOf(from);
  if (dealer < 0 || rules.player === undefined || state.agreed !== undefined) return;
  // Checking costs much, so a dealer gets one try; its log will have to reveal what it owes.
  if (isFaulted(state, from, "bad-commitment") || isFaulted(state, from, "bad-share")) return;
  const digest = rules.domain.commitmentHash(body.commitment);
  const key = rules.info.dealers[dealer] as Uint8Array;
  if (!rules.identity.verify(key, rules.domain.deal(dealer, digest), body.signature)) {
    fault(state, from, "bad-signature", "a deal is not signed by its dealer");
    return;
  }
  const first = state.commitments.get(dealer);
  const statement = { kind: "deal", commitmentHash: digest, signature: body.signature } as const;
  if (first !== undefined && !equalBytes(first.commitmentHash, digest)) {
    catchLiar(state, dealer, "two-commitments", "signed two different commitments", [first, statement]);
    return;
  }
  if (first === undefined) state.commitments.set(dealer, statement);
  if (state.shares.has(dealer)) {
    sendAck(state, dealer);
    return;
  }
  const commitment = openDealerCommitment(rules, dealer, body.commitment);
  if (commitment === undefined) {
    fault(state, from, "bad-commitment", "its commitment is not valid");
    return;
  }
  if (!rules.scheme.isShare(commitment, rules.player, body.share)) {
    fault(state, from, "bad-share", "its evaluation does not fit its commitment");
    return;
  }
  const { commitment: bytes, share, signature } = body;
  persist(state, { kind: "share", dealer, commitment: bytes, share, signature });
  state.shares.set(dealer, { commitment: bytes, share });
  sendAck(state, dealer);
}

/** C3: an acknowledgement of the own deal arrived. */
export function onAck(state: CeremonyState, from: number, body: Ack): void {
  const { rules, dealing } = state;
  const player = rules.playerMembers.indexOf(from);
  if (dealing === undefined || rules.dealer === undefined || player < 0) return;
  if (state.ownLog !== undefined || state.agreed !== undefined || state.acks.has(player)) return;
  const digest = rules.domain.commitmentHash(dealing.commitment.bytes);
  const key = rules.info.players[player] as Uint8Array;
  const signed = rules.domain.ack(rules.dealer, player, digest);
  if (!equalBytes(body.commitmentHash, digest) || !rules.identity.verify(key, signed, body.signature)) {
    fault(state, from, "bad-signature", "an acknowledgement is not what it has to sign");
    return;
  }
  persist(state, { kind: "ack", player, signature: body.signature });
  state.acks.set(player, body.signature);
  closeIfDue(state);
}

/** Closes the log when all have acknowledged, or after the deadline when at most f have not. */
export function closeIfDue(state: CeremonyState): void {
  const { rules, dealing } = state;
  if (dealing === undefined || rules.dealer === undefined || state.ownLog !== undefined) return;
  if (state.agreed !== undefined) return;
  const missing = rules.info.players.length - state.acks.size;
  if (missing > 0 && !(state.deadlinePassed && missing <= rules.maxReveals)) return;
  const entries = rules.info.players.map((_, player): LogEntry => {
    const signature = state.acks.get(player);
    return signature === undefined
      ? { kind: "reveal", share: dealing.share(player) }
      : { kind: "ack", signature };
  });
  const content = { dealer: rules.dealer, commitment: dealing.commitment.bytes, entries };
  const log = { ...content, signature: rules.identity.sign(rules.domain.log(content)) };
  persist(state, { kind: "log", log: encodeLog(log) });
  state.ownLog = log;
  keepLog(state, log);
  for (const member of rules.dealerMembers) {
    if (member !== rules.me) send(state, member, { kind: "log", log });
  }
}

function keepLog(state: CeremonyState, log: DealerLog): void {
  state.logs.set(log.dealer, log);
  if (state.agreed === undefined && state.logs.size >= state.rules.requiredLogs) {
    state.effects.push({ kind: "candidate" });
  }
}

/** C3: another dealer closed its log. */
export function onLog(state: CeremonyState, from: number, log: DealerLog): void {
  const { rules } = state;
  if (rules.dealerMembers[log.dealer] !== from || rules.dealer === undefined) return;
  if (state.agreed !== undefined || isFaulted(state, from, "bad-log")) return;
  const held = state.logs.get(log.dealer);
  if (held !== undefined && equalBytes(encodeLog(held), encodeLog(log))) return;
  if (!signedByDealer(rules, log)) {
    fault(state, from, "bad-signature", "its log is not signed by it");
    return;
  }
  if (held !== undefined) {
    const statements = [held, log].map((each) => ({ kind: "log", log: each }) as const);
    catchLiar(state, log.dealer, "two-logs", "signed two different logs", statements);
    return;
  }
  const dealt = state.commitments.get(log.dealer);
  if (dealt !== undefined && !equalBytes(dealt.commitmentHash, rules.domain.commitmentHash(log.commitment))) {
    // Both are signed, so it is caught; whether the log counts depends on the log alone.
    const statements = [dealt, { kind: "log", log } as const];
    const detail = "its log holds another commitment than it dealt";
    catchLiar(state, log.dealer, "two-commitments", detail, statements);
  }
  const defect = logDefect(rules, log);
  if (defect !== undefined) {
    fault(state, from, "bad-log", defect);
    return;
  }
  keepLog(state, log);
}
