// The fixed facts of one ceremony, derived once from what it is about: its numbers, its members, its signing domains,
// the committee before it. It also refuses a ceremony that could not work.
import { assert } from "#lib/assert.ts";
import { compareBytes, equalBytes, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { CeremonyInfo } from "#types/ceremony.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { maxFaulty, quorumOf } from "#types/quorum.ts";
import type { Commitment, SharingScheme } from "./scheme.ts";
import { type CeremonyDomain, type CeremonyIdentity, ceremonyDomain } from "./signing.ts";

/** The old committee of a reshare, opened. */
export interface PreviousKey {
  readonly group: Commitment;
  /** For each dealer its index in the old committee, and its public share there. */
  readonly indices: readonly number[];
  readonly publicShares: readonly Uint8Array[];
}

export interface CeremonyRules {
  readonly info: CeremonyInfo;
  readonly domain: CeremonyDomain;
  readonly scheme: SharingScheme;
  readonly identity: CeremonyIdentity;
  /** Coefficients of a commitment, threshold of the key and confirmations needed: q of the players. */
  readonly threshold: number;
  /** Reveals a valid log may hold: f of the players. */
  readonly maxReveals: number;
  /** Logs in the agreed set. */
  readonly requiredLogs: number;
  /** A player revealed in more agreed logs than this is exposed: f of the dealers (rule 6). */
  readonly exposureLimit: number;
  /** Dealers and players together, ascending; the position is the member's number. */
  readonly members: readonly Uint8Array[];
  /** Member numbers of dealers and of players, by their index. */
  readonly dealerMembers: readonly number[];
  readonly playerMembers: readonly number[];
  /** This node; undefined where it has no such part. */
  readonly me: number;
  readonly dealer: number | undefined;
  readonly player: number | undefined;
  readonly previous: PreviousKey | undefined;
}

function refuse(why: string, hint: string): KoraError {
  return new KoraError("this key ceremony cannot be held", {
    code: "BAD_CEREMONY",
    kind: "usage",
    why,
    hint,
  });
}

function checkMembers(name: string, keys: readonly Uint8Array[]): void {
  if (keys.length < 1 || keys.length > MAX_PARTICIPANTS) {
    throw refuse(`${keys.length} ${name}`, `name between 1 and ${MAX_PARTICIPANTS} of them`);
  }
  for (let i = 1; i < keys.length; i++) {
    const order = compareBytes(keys[i - 1] as Uint8Array, keys[i] as Uint8Array);
    if (order === 0) {
      throw refuse(`the key ${toHex(keys[i] as Uint8Array)} is listed twice`, "list every participant once");
    }
    assert(order < 0, `${name} are sorted by key bytes`);
  }
}

function indexOf(keys: readonly Uint8Array[], key: Uint8Array): number | undefined {
  const index = keys.findIndex((candidate) => equalBytes(candidate, key));
  return index < 0 ? undefined : index;
}

function union(a: readonly Uint8Array[], b: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...a, ...b.filter((key) => indexOf(a, key) === undefined)].sort(compareBytes);
}

function openPrevious(info: CeremonyInfo, scheme: SharingScheme): PreviousKey | undefined {
  const { previous } = info;
  if (previous === undefined) {
    const same =
      info.dealers.length === info.players.length &&
      info.dealers.every((key, i) => equalBytes(key, info.players[i] as Uint8Array));
    if (!same) throw refuse("dealers and players differ", "a first key is dealt by those who will hold it");
    return undefined;
  }
  checkMembers("members of the old committee", previous.participants);
  const group = scheme.openCommitment(previous.polynomial, quorumOf(previous.participants.length));
  if (group === undefined) {
    throw refuse("the old public polynomial is not valid", "take output.json of the committee that deals");
  }
  const indices = info.dealers.map((key) => {
    const index = indexOf(previous.participants, key);
    if (index === undefined) {
      throw refuse(`dealer ${toHex(key)} was no member before`, "only holders of the old key deal");
    }
    return index;
  });
  return { group, indices, publicShares: indices.map((index) => scheme.publicShare(group, index)) };
}

/** Logs that settle a ceremony: a quorum of its dealers and, when resharing, of the old committee too. */
function countLogs(info: CeremonyInfo): number {
  const own = quorumOf(info.dealers.length);
  const old = info.previous === undefined ? 0 : quorumOf(info.previous.participants.length);
  const required = Math.max(own, old);
  if (required > info.dealers.length) {
    throw refuse(
      `${info.dealers.length} dealers for ${required} logs`,
      "let at least a quorum of the old committee deal",
    );
  }
  return required;
}

/** Derives everything fixed of `info`'s ceremony for the node with `identity`; throws BAD_CEREMONY. */
export function ceremonyRules(
  info: CeremonyInfo,
  scheme: SharingScheme,
  identity: CeremonyIdentity,
): CeremonyRules {
  checkMembers("dealers", info.dealers);
  checkMembers("players", info.players);
  const members = union(info.dealers, info.players);
  const me = indexOf(members, identity.publicKey);
  if (me === undefined) {
    throw refuse(
      `this node's key ${toHex(identity.publicKey)} is not among the participants`,
      "add it to consensus.participants on every node, or use the validator_key that is listed",
    );
  }
  const memberOf = (key: Uint8Array): number => indexOf(members, key) as number;
  return {
    info,
    domain: ceremonyDomain(info),
    scheme,
    identity,
    threshold: quorumOf(info.players.length),
    maxReveals: maxFaulty(info.players.length),
    requiredLogs: countLogs(info),
    exposureLimit: maxFaulty(info.dealers.length),
    members,
    dealerMembers: info.dealers.map(memberOf),
    playerMembers: info.players.map(memberOf),
    me,
    dealer: indexOf(info.dealers, identity.publicKey),
    player: indexOf(info.players, identity.publicKey),
    previous: openPrevious(info, scheme),
  };
}
