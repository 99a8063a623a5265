// Whether commitments, dealers' logs and sets of logs are valid. The verdict depends on the bytes alone, never on what
// this node has seen, so that all honest nodes give the same one.
import { equalBytes } from "#lib/bytes.ts";
import { type DealerLog, decodeLogSet, encodeLog } from "#types/ceremony.ts";
import type { DealerStatement } from "#types/ceremony-record.ts";
import type { CeremonyRules } from "./rules.ts";
import type { Commitment } from "./scheme.ts";

/** `bytes` as a commitment of `dealer`: q points, and when resharing its old public share as constant term. */
export function openDealerCommitment(
  rules: CeremonyRules,
  dealer: number,
  bytes: Uint8Array,
): Commitment | undefined {
  const commitment = rules.scheme.openCommitment(bytes, rules.threshold);
  const expected = rules.previous?.publicShares[dealer];
  if (commitment === undefined || expected === undefined) return commitment;
  return equalBytes(rules.scheme.publicKey(commitment), expected) ? commitment : undefined;
}

/** Whether the dealer that `log` names signed it. */
export function signedByDealer(rules: CeremonyRules, log: DealerLog): boolean {
  const key = rules.info.dealers[log.dealer];
  return key !== undefined && rules.identity.verify(key, rules.domain.log(log), log.signature);
}

/** Whether `dealer` signed all of `statements` in this ceremony, which no honest one does: they contradict each other. */
export function provesLie(
  rules: CeremonyRules,
  dealer: number,
  statements: readonly DealerStatement[],
): boolean {
  const { domain, identity, info } = rules;
  const key = info.dealers[dealer];
  const [first, second] = statements;
  if (key === undefined || first === undefined || second === undefined) return false;
  const signed = (each: DealerStatement): boolean =>
    each.kind === "deal"
      ? identity.verify(key, domain.deal(dealer, each.commitmentHash), each.signature)
      : each.log.dealer === dealer && signedByDealer(rules, each.log);
  const commitmentOf = (each: DealerStatement): Uint8Array =>
    each.kind === "deal" ? each.commitmentHash : domain.commitmentHash(each.log.commitment);
  const twoLogs =
    first.kind === "log" && second.kind === "log" && !equalBytes(encodeLog(first.log), encodeLog(second.log));
  return (
    signed(first) && signed(second) && (twoLogs || !equalBytes(commitmentOf(first), commitmentOf(second)))
  );
}

/** Why a signed log does not count; undefined if it does (rule 3). */
export function logDefect(rules: CeremonyRules, log: DealerLog): string | undefined {
  const { info, identity, domain, scheme } = rules;
  if (log.entries.length !== info.players.length) return `${log.entries.length} entries`;
  const reveals = log.entries.filter((entry) => entry.kind === "reveal").length;
  if (reveals > rules.maxReveals) return `${reveals} reveals, at most ${rules.maxReveals}`;
  const commitment = openDealerCommitment(rules, log.dealer, log.commitment);
  if (commitment === undefined) return "the commitment is not valid";
  const digest = domain.commitmentHash(log.commitment);
  for (const [player, entry] of log.entries.entries()) {
    const key = info.players[player] as Uint8Array;
    if (entry.kind === "ack") {
      if (!identity.verify(key, domain.ack(log.dealer, player, digest), entry.signature)) {
        return `the acknowledgement of player ${player} is not its own`;
      }
    } else if (!scheme.isShare(commitment, player, entry.share)) {
      return `the revealed share of player ${player} is wrong`;
    }
  }
  return undefined;
}

/** What became of a proposed set of logs. */
export type SetVerdict =
  | { readonly kind: "valid"; readonly logs: readonly DealerLog[] }
  | { readonly kind: "invalid"; readonly reason: string };

/** Checks a set: canonical, exactly the required number of logs by ascending dealer, each signed and valid (rule 4). */
export function validateLogSet(
  rules: CeremonyRules,
  bytes: Uint8Array,
  known: (log: DealerLog) => boolean,
): SetVerdict {
  let logs: readonly DealerLog[];
  try {
    logs = decodeLogSet(bytes);
  } catch {
    return { kind: "invalid", reason: "malformed" };
  }
  if (logs.length !== rules.requiredLogs) {
    return { kind: "invalid", reason: `${logs.length} logs, not ${rules.requiredLogs}` };
  }
  for (const log of logs) {
    if (known(log)) continue;
    if (!signedByDealer(rules, log)) return { kind: "invalid", reason: `log ${log.dealer} is not signed` };
    const defect = logDefect(rules, log);
    if (defect !== undefined) return { kind: "invalid", reason: `log ${log.dealer}: ${defect}` };
  }
  return { kind: "valid", logs };
}
