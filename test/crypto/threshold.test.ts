// The threshold scheme: any quorum signs for the group, a bad partial is named, and nothing that does not fit together
// is accepted.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Bls, openBls } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import {
  createThresholdScheme,
  type SignerPartials,
  type ThresholdKey,
  type ThresholdScheme,
  type ThresholdShare,
} from "#crypto/threshold.ts";
import { utf8 } from "#lib/bytes.ts";
import type { IdentityKey } from "#types/identity.ts";
import { quorumOf } from "#types/quorum.ts";
import { createRng } from "../support/rng.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const VOTE = utf8("vote");
const SEED = utf8("seed");

function members(n: number): IdentityKey[] {
  return Array.from({ length: n }, (_, i) => identityFromSeed(new Uint8Array(32).fill(i + 1)).publicKey);
}

describe.each(["blst", "mcl", "noble"] as const)("over %s", (name) => {
  let bls: Bls;
  beforeAll(async () => {
    bls = await openBls(name);
  });

  function committee(n: number): { key: ThresholdKey; schemes: ThresholdScheme[] } {
    const { key, shares } = deal(bls, members(n), (length) => createRng(n).bytes(length));
    return { key, schemes: shares.map((share) => createThresholdScheme(bls, key, share)) };
  }
  const partials = (scheme: ThresholdScheme): SignerPartials => ({
    index: scheme.index!,
    signatures: [scheme.signPartial(VOTE), scheme.signPartial(SEED)],
  });

  test("every quorum of four recovers the same two signatures", () => {
    const { schemes } = committee(4);
    const all = schemes.map(partials);
    const answers = all.map((_, absent) => {
      const quorum = all.filter((_, i) => i !== absent);
      return schemes[0]!.recover([VOTE, SEED], quorum);
    });
    for (const answer of answers) expect(answer).toEqual(answers[0]!);
    const [first] = answers;
    if (first?.kind !== "recovered") throw new Error("not recovered");
    const [vote, seed] = first.signatures;
    const follower = createThresholdScheme(bls, schemes[0]!.key);
    const signed = [
      { message: VOTE, signature: vote! },
      { message: SEED, signature: seed! },
    ];
    expect(follower.verify(signed)).toBe(true);
    expect(follower.verify([signed[1]!])).toBe(true);
    expect(follower.verify([{ message: VOTE, signature: seed! }])).toBe(false);
    expect(follower.verify([signed[0]!, { message: VOTE, signature: seed! }])).toBe(false);
    expect(follower.index).toBeUndefined();
    expect(() => follower.signPartial(VOTE)).toThrow();
  });

  test("a bad partial is named, whatever is wrong with it", () => {
    const { schemes } = committee(7);
    const all = schemes.slice(0, 5).map(partials);
    const wrongSubgroup = new Uint8Array(96).with(0, 0x80).with(95, 2);
    const badOnes: Uint8Array[] = [
      schemes[6]!.signPartial(VOTE),
      new Uint8Array(96),
      new Uint8Array(5),
      wrongSubgroup,
      new Uint8Array(96).with(0, 0xc0),
    ];
    // The reference takes half a second for each.
    for (const bad of name === "noble" ? badOnes.slice(0, 2) : badOnes) {
      for (const position of name === "noble" ? [1] : [0, 1]) {
        const given = all.map((entry, i) =>
          i === 3 ? { ...entry, signatures: entry.signatures.with(position, bad) } : entry,
        );
        expect(schemes[0]!.recover([VOTE, SEED], given)).toEqual({ kind: "bad", signers: [3] });
        expect(schemes[0]!.verifyPartial([VOTE, SEED], given[3]!)).toBe(false);
        expect(schemes[0]!.verifyPartial([VOTE, SEED], given[2]!)).toBe(true);
      }
    }
    const two = all.map((entry, i) =>
      i === 0 || i === 4 ? { ...entry, signatures: entry.signatures.toReversed() } : entry,
    );
    expect(schemes[0]!.recover([VOTE, SEED], two)).toEqual({ kind: "bad", signers: [0, 4] });
  });

  test("an impersonated index is named", () => {
    const { schemes } = committee(4);
    const given = [0, 1, 2].map((i) => partials(schemes[i]!));
    given[1] = { ...given[1]!, index: 3 };
    expect(schemes[0]!.recover([VOTE, SEED], given)).toEqual({ kind: "bad", signers: [3] });
  });

  test.each([1, 2, 3, 5, 6, 10])("committee of %d", (n) => {
    const { key, schemes } = committee(n);
    expect(key.threshold).toBe(quorumOf(n));
    const quorum = schemes.slice(n - key.threshold).map(partials);
    expect(schemes[0]!.recover([VOTE, SEED], quorum).kind).toBe("recovered");
  });
});

describe("what does not fit together is refused", () => {
  let bls: Bls;
  let key: ThresholdKey;
  let shares: readonly ThresholdShare[];
  beforeAll(async () => {
    bls = await openBls();
    ({ key, shares } = deal(bls, members(4)));
  });
  const open = (change: Partial<ThresholdKey>, share?: ThresholdShare) => () =>
    createThresholdScheme(bls, { ...key, ...change }, share);

  test("keys", () => {
    const other = deal(bls, members(4)).key;
    const cases: Partial<ThresholdKey>[] = [
      { threshold: 2 },
      { threshold: 4 },
      { polynomial: key.polynomial.slice(0, 2) },
      { polynomial: [...key.polynomial, key.groupPublicKey] },
      { polynomial: key.polynomial.with(1, new Uint8Array(48)) },
      { polynomial: key.polynomial.with(2, new Uint8Array(48).with(0, 0xc0)) },
      { groupPublicKey: other.groupPublicKey },
      { participants: key.participants.slice(2) },
      { participants: [] },
      { participants: key.participants.toReversed() },
      { participants: [...key.participants.slice(0, 3), key.participants[2]!] },
    ];
    expect(open({})).not.toThrow();
    for (const change of cases) {
      expect(open(change)).toThrow(expect.objectContaining({ code: "BAD_THRESHOLD_KEY", exitCode: 2 }));
    }
  });
  test("shares", () => {
    const foreign = deal(bls, members(4)).shares[1]!;
    const [first, second] = shares;
    const cases: ThresholdShare[] = [
      foreign,
      { ...first!, index: 1 },
      { ...first!, index: 4 },
      { ...first!, index: -1 },
      { ...first!, secret: new Uint8Array(32) },
      { ...first!, secret: new Uint8Array(31) },
      { ...second!, secret: second!.secret.with(31, second!.secret[31]! ^ 1) },
    ];
    for (const share of shares) expect(open({}, share)).not.toThrow();
    for (const share of cases) {
      expect(open({}, share)).toThrow(expect.objectContaining({ code: "SHARE_MISMATCH", exitCode: 3 }));
    }
  });
  test("dealing for nobody, for too many, for one twice", () => {
    expect(() => deal(bls, [])).toThrow("number of participants");
    expect(() => deal(bls, members(257).slice(0, 257))).toThrow("number of participants");
    expect(() => deal(bls, [...members(3), members(1)[0]!])).toThrow("twice");
  });
  test("two dealings share nothing", () => {
    const a = deal(bls, members(4));
    const b = deal(bls, members(4));
    expect(a.key.groupPublicKey).not.toEqual(b.key.groupPublicKey);
    expect(a.shares[0]!.secret).not.toEqual(b.shares[0]!.secret);
  });
});
