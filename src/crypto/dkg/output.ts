// From an agreed set of logs to the key: the group's polynomial, who is exposed, the digest everybody confirms, and
// this node's own share. A first key sums the dealers' polynomials (Joint-Feldman: who deals last can steer bits of it,
// as in every scheme of one dealing round, but learns nothing of it); a reshare interpolates them at 0 (Desmedt-Jajodia).
import { assert } from "#lib/assert.ts";
import { Writer } from "#lib/codec.ts";
import type { DealerLog } from "#types/ceremony.ts";
import { openDealerCommitment } from "./logs.ts";
import type { CeremonyRules } from "./rules.ts";
import type { Commitment } from "./scheme.ts";

/** What a ceremony gives to everybody. */
export interface CeremonyOutput {
  /** What q players must confirm before anything may be used. */
  readonly digest: Uint8Array;
  /** The public polynomial; its value at index + 1 is the public share of that player. */
  readonly group: Commitment;
  readonly publicKey: Uint8Array;
  readonly threshold: number;
  /** Dealers of the agreed logs, ascending. */
  readonly dealers: readonly number[];
  /** For each player the agreed dealers that revealed its share. */
  readonly reveals: readonly (readonly number[])[];
  /** Players whose share counts as known to everybody (rule 6). */
  readonly exposed: readonly number[];
}

function openCommitments(rules: CeremonyRules, logs: readonly DealerLog[]): Commitment[] {
  return logs.map((log) => {
    const commitment = openDealerCommitment(rules, log.dealer, log.commitment);
    assert(commitment !== undefined, "an agreed log holds a valid commitment");
    return commitment;
  });
}

/** Indices of the agreed dealers in the old committee; undefined for a first key. */
function oldIndices(rules: CeremonyRules, logs: readonly DealerLog[]): number[] | undefined {
  const { previous } = rules;
  return previous === undefined ? undefined : logs.map((log) => previous.indices[log.dealer] as number);
}

/** The public result of an agreed, valid set. */
export function computeOutput(rules: CeremonyRules, logs: readonly DealerLog[]): CeremonyOutput {
  const { scheme, threshold } = rules;
  const commitments = openCommitments(rules, logs);
  const old = oldIndices(rules, logs);
  const group =
    old === undefined ? scheme.sumCommitments(commitments) : scheme.interpolateCommitments(old, commitments);
  assert(group !== undefined, "the polynomial of the group has no point at infinity");
  const reveals = rules.info.players.map((_, player) =>
    logs.filter((log) => log.entries[player]?.kind === "reveal").map((log) => log.dealer),
  );
  const exposed = [...reveals.keys()].filter(
    (player) => (reveals[player] as readonly number[]).length > rules.exposureLimit,
  );
  const dealers = logs.map((log) => log.dealer);
  const content = new Writer().bytes(group.bytes).u32(threshold);
  for (const list of [dealers, exposed]) {
    content.u32(list.length);
    for (const index of list) content.u8(index);
  }
  return {
    digest: rules.domain.outputDigest(content.finish()),
    group,
    publicKey: scheme.publicKey(group),
    threshold,
    dealers,
    reveals,
    exposed,
  };
}

/** This player's share of `output`, or the dealers whose evaluation it ought to hold and does not. */
export type OwnShare =
  | { readonly kind: "share"; readonly share: Uint8Array }
  | { readonly kind: "lost"; readonly dealers: readonly number[] };

/** Puts the share of `player` together from kept evaluations and public reveals, and checks it. */
export function computeShare(
  rules: CeremonyRules,
  logs: readonly DealerLog[],
  output: CeremonyOutput,
  player: number,
  kept: (log: DealerLog) => Uint8Array | undefined,
): OwnShare {
  const shares: Uint8Array[] = [];
  const lost: number[] = [];
  for (const log of logs) {
    const entry = log.entries[player];
    const share = entry?.kind === "reveal" ? entry.share : kept(log);
    if (share === undefined) lost.push(log.dealer);
    else shares.push(share);
  }
  if (lost.length > 0) return { kind: "lost", dealers: lost };
  const old = oldIndices(rules, logs);
  const share =
    old === undefined ? rules.scheme.sumShares(shares) : rules.scheme.interpolateShares(old, shares);
  assert(rules.scheme.isShare(output.group, player, share), "the share lies on the public polynomial");
  return { kind: "share", share };
}
