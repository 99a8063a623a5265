// The threshold scheme of a committee: the group's public key and polynomial, and one member's share. Signs partials,
// turns any q of them into the one signature of the group, and names whose partial was bad. What the messages mean,
// and their domains, are the caller's affair.
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { IdentityKey } from "#types/identity.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { quorumOf } from "#types/quorum.ts";
import type { SignatureClaim } from "./bls/types.ts";
import type { Bls } from "./bls.ts";
import { isValidIdentity } from "./identity.ts";

/** What everybody knows of a committee's key. */
export interface ThresholdKey {
  /** 48 bytes; the polynomial's constant term. */
  readonly groupPublicKey: Uint8Array;
  /** As many points as the threshold, constant term first; the value at index + 1 is that member's public share. */
  readonly polynomial: readonly Uint8Array[];
  /** q = n - f: partials that make a signature. */
  readonly threshold: number;
  /** Ascending; the position is the signer's and the share's index. */
  readonly participants: readonly IdentityKey[];
}

/** A member's secret. */
export interface ThresholdShare {
  readonly index: number;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** A member's partial signatures, one for each message asked about. */
export interface SignerPartials {
  readonly index: number;
  readonly signatures: readonly Uint8Array[];
}

/** The group's signatures, one for each message and verified; or the members whose partials are bad. */
export type RecoveredSignatures =
  | { readonly kind: "recovered"; readonly signatures: readonly Uint8Array[] }
  | { readonly kind: "bad"; readonly signers: readonly number[] };

export interface ThresholdScheme {
  readonly key: ThresholdKey;
  readonly threshold: number;
  readonly groupPublicKey: Uint8Array;
  /** This node's index; undefined for one without a share. */
  readonly index: number | undefined;
  participants(): readonly IdentityKey[];
  /** The public key that `index`'s partials verify under. */
  publicShare(index: number): Uint8Array;
  /** This member's partial signature, 96 bytes. Only where `index` is defined. */
  signPartial(message: Uint8Array): Uint8Array;
  /** Whether a member's partial signatures are right, one for each message. False for malformed ones. */
  verifyPartial(messages: readonly Uint8Array[], partials: SignerPartials): boolean;
  /**
   * Recovers the group's signature over each message from exactly `threshold` members' partials and verifies all of
   * them in one product of pairings. Only if that fails are members looked at one by one.
   */
  recover(messages: readonly Uint8Array[], partials: readonly SignerPartials[]): RecoveredSignatures;
  /** Whether each signature is the group's over its message, in one product of pairings. False for an empty list. */
  verify(signed: readonly { readonly message: Uint8Array; readonly signature: Uint8Array }[]): boolean;
}

function refuse(message: string, why: string): never {
  const hint = "list every validator's key once, as kora keys show prints it, the same list everywhere";
  throw new KoraError(message, { code: "BAD_THRESHOLD_KEY", kind: "usage", why, hint });
}

/** Participants ascending, distinct, valid keys, within the bound; throws BAD_THRESHOLD_KEY. */
export function checkParticipants(participants: readonly IdentityKey[]): void {
  if (participants.length === 0 || participants.length > MAX_PARTICIPANTS) {
    refuse("wrong number of participants", `${participants.length}, must be 1 to ${MAX_PARTICIPANTS}`);
  }
  for (const [i, key] of participants.entries()) {
    const previous = participants[i - 1];
    if (previous === key) refuse("a participant is listed twice", key);
    if (previous !== undefined && previous > key) refuse("participants are not in ascending order", key);
    if (!isValidIdentity(key)) refuse("a participant is no ed25519 public key", key);
  }
}

/** Throws BAD_THRESHOLD_KEY unless everything in `key` fits together. */
export function checkThresholdKey(bls: Bls, key: ThresholdKey): void {
  checkParticipants(key.participants);
  const quorum = quorumOf(key.participants.length);
  if (key.threshold !== quorum) {
    refuse(
      "the threshold does not fit the participants",
      `it is ${key.threshold}; ${key.participants.length} participants need ${quorum}`,
    );
  }
  if (key.polynomial.length !== key.threshold) {
    refuse(
      "the public polynomial does not fit the threshold",
      `it has ${key.polynomial.length} points, must have ${key.threshold}`,
    );
  }
  for (const [i, point] of key.polynomial.entries()) {
    if (!bls.isPublicKey(point)) refuse("the public polynomial is damaged", `point ${i} is not in the group`);
  }
  if (!equalBytes(key.polynomial[0] as Uint8Array, key.groupPublicKey)) {
    refuse("the group public key is not the polynomial's", "one of the two was changed");
  }
}

function checkShare(bls: Bls, key: ThresholdKey, share: ThresholdShare): void {
  const { index, secret } = share;
  const known = Number.isInteger(index) && index >= 0 && index < key.participants.length;
  const fits =
    known && bls.isSecret(secret) && equalBytes(bls.publicKey(secret), bls.evaluate(key.polynomial, index));
  if (!fits) {
    throw new KoraError("the share does not belong to this group key", {
      code: "SHARE_MISMATCH",
      kind: "safety",
      why: "its public key is not the polynomial's value at its index: it is of another ceremony, or damaged",
      hint: "put share.key and output.json of the same ceremony beside each other",
    });
  }
}

function claimsOf(
  publicKey: Uint8Array,
  messages: readonly Uint8Array[],
  signatures: readonly Uint8Array[],
): SignatureClaim[] {
  assert(messages.length === signatures.length, "one signature for each message");
  return signatures.map((signature, i) => ({ publicKey, message: messages[i] as Uint8Array, signature }));
}

/** Members whose claims do not hold, by halving the list while it is not all right. */
function findBad(bls: Bls, members: readonly { index: number; claims: SignatureClaim[] }[]): number[] {
  if (members.length === 0 || bls.verifyAll(members.flatMap(({ claims }) => claims))) return [];
  const [only] = members;
  if (members.length === 1 && only !== undefined) return [only.index];
  const half = members.length >> 1;
  return [...findBad(bls, members.slice(0, half)), ...findBad(bls, members.slice(half))];
}

/** Interpolates one message's signature; the indices of malformed partials otherwise. */
function interpolate(
  bls: Bls,
  partials: readonly SignerPartials[],
  position: number,
): Uint8Array | readonly number[] {
  const recovery = bls.recover(
    partials.map(({ index, signatures }) => ({ index, signature: signatures[position] as Uint8Array })),
  );
  return recovery.kind === "recovered" ? recovery.signature : recovery.indices;
}

/** Checks signatures of the group whose public key this is; nothing else of the scheme needs only that. */
export function groupVerifier(bls: Bls, groupPublicKey: Uint8Array): Pick<ThresholdScheme, "verify"> {
  const claims = (signed: Parameters<ThresholdScheme["verify"]>[0]): SignatureClaim[] =>
    signed.map(({ message, signature }) => ({ publicKey: groupPublicKey, message, signature }));
  return { verify: (signed) => bls.verifyAll(claims(signed)) };
}

/**
 * The scheme of `key`, for a member where `share` is given. Throws BAD_THRESHOLD_KEY, or SHARE_MISMATCH for a share
 * of another key. The share's bytes are copied.
 */
export function createThresholdScheme(bls: Bls, key: ThresholdKey, share?: ThresholdShare): ThresholdScheme {
  checkThresholdKey(bls, key);
  if (share !== undefined) checkShare(bls, key, share);
  const secret = share?.secret.slice();
  const publicShares = new Map<number, Uint8Array>();
  const { groupPublicKey, threshold, participants } = key;

  function publicShare(index: number): Uint8Array {
    assert(index >= 0 && index < participants.length, "an index is that of a participant");
    const known = publicShares.get(index) ?? bls.evaluate(key.polynomial, index);
    publicShares.set(index, known);
    return known;
  }
  function recover(
    messages: readonly Uint8Array[],
    partials: readonly SignerPartials[],
  ): RecoveredSignatures {
    assert(partials.length === threshold, "exactly a quorum of partials is recovered from");
    const results = messages.map((_, position) => interpolate(bls, partials, position));
    const signatures = results.filter((result) => result instanceof Uint8Array);
    if (signatures.length === messages.length) {
      if (bls.verifyAll(claimsOf(groupPublicKey, messages, signatures))) {
        return { kind: "recovered", signatures };
      }
    }
    const members = partials.map(({ index, signatures: given }) => ({
      index,
      claims: claimsOf(publicShare(index), messages, given),
    }));
    const signers = findBad(bls, members);
    assert(signers.length > 0, "partials that are all right recover signatures that are right");
    return { kind: "bad", signers };
  }
  return {
    key,
    threshold,
    groupPublicKey,
    index: share?.index,
    participants: () => participants,
    publicShare,
    signPartial(message) {
      assert(secret !== undefined, "only a member with a share signs");
      return bls.sign(secret, message);
    },
    verifyPartial: (messages, { index, signatures }) =>
      bls.verifyAll(claimsOf(publicShare(index), messages, signatures)),
    recover,
    ...groupVerifier(bls, groupPublicKey),
  };
}
