// The threshold scheme behind consensus: what each signature is bound to, one seed a round whatever the certificate,
// and encodings that an adversary would try.
import { expect, test } from "bun:test";
import { openBls } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { createThresholdScheme } from "#crypto/threshold.ts";
import type { Recovery, SchemePort } from "#node/consensus/ports.ts";
import { createThresholdVotes } from "#node/validators/votes.ts";
import type { Certificate } from "#types/certificate.ts";
import { hash, ZERO_HASH } from "#types/ids.ts";
import type { Subject, Vote } from "#types/vote.ts";
import { createRng } from "../../support/rng.ts";

const rng = createRng(21);
const GENESIS = hash(rng.bytes(32));
const bls = await openBls();
const identities = Array.from({ length: 4 }, () => identityFromSeed(rng.bytes(32))).sort((a, b) =>
  a.publicKey < b.publicKey ? -1 : 1,
);
const { key, shares } = deal(
  bls,
  identities.map(({ publicKey }) => publicKey),
  (length) => rng.bytes(length),
);
const membersOf = (genesis = GENESIS): SchemePort[] =>
  shares.map((share, i) =>
    createThresholdVotes(createThresholdScheme(bls, key, share), identities[i], genesis),
  );
const members = membersOf();
const verifier = createThresholdVotes(createThresholdScheme(bls, key), undefined, GENESIS);

const notarize: Subject = {
  kind: "notarize",
  epoch: 0,
  view: 7,
  parentView: 6,
  payload: hash(rng.bytes(32)),
};
const nullify: Subject = { kind: "nullify", epoch: 0, view: 7, parentView: 0, payload: ZERO_HASH };

function votesOn(subject: Subject, from: readonly SchemePort[] = members): Vote[] {
  const votes: Vote[] = [];
  for (const member of from) member.sign(subject, (vote) => votes.push(vote));
  return votes;
}
function recover(subject: Subject, votes: readonly Vote[], by: SchemePort = verifier): Recovery {
  const done: Recovery[] = [];
  by.recover(subject, votes, (recovery) => done.push(recovery));
  return done[0] as Recovery;
}
function certificateOf(subject: Subject, by = membersOf()): Certificate {
  const [first, ...others] = by as [SchemePort, ...SchemePort[]];
  const certificate = recover(subject, votesOn(subject, others), first).result?.certificate;
  expect(certificate).toBeDefined();
  return certificate as Certificate;
}
function examine(
  certificates: readonly Certificate[],
  seeds: readonly (Uint8Array | undefined)[] = certificates.map(() => undefined),
): boolean[] {
  let verdicts: boolean[] = [];
  verifier.examine(certificates, seeds, (examined) => {
    verdicts = examined.map(({ valid }) => valid);
  });
  return verdicts;
}

test("a certificate counts for its kind, epoch, view, parent, payload and chain, and for no other", () => {
  const good = certificateOf(notarize);
  expect(examine([good])).toEqual([true]);
  const changes: Partial<Subject>[] = [
    { kind: "finalize" },
    { kind: "nullify" },
    { epoch: 1 },
    { view: 8 },
    { parentView: 5 },
    { payload: ZERO_HASH },
  ];
  const changed = changes.map((change) => ({ ...good, ...change }));
  expect(examine(changed)).toEqual(changes.map(() => false));
  // Beside a good one, each is told apart.
  expect(examine([good, ...changed, good])).toEqual([true, ...changes.map(() => false), true]);
  expect(examine([certificateOf(notarize, membersOf(hash(rng.bytes(32))))])).toEqual([false]);
  expect(examine([])).toEqual([]);
});

test("every certificate of a round has one seed; another is refused, verified or only compared", () => {
  const [one, two] = [certificateOf(notarize), certificateOf(nullify)];
  expect(one.seed).toEqual(two.seed);
  expect(one.signature).not.toEqual(two.signature);
  const other = certificateOf({ ...nullify, view: 8 });
  const swapped = { ...one, seed: other.seed };
  expect(examine([swapped])).toEqual([false]);
  expect(examine([swapped, one], [one.seed, one.seed])).toEqual([false, true]);
  expect(examine([{ ...one, seed: one.signature }])).toEqual([false]);
});

/** The same signature as somebody would bend it. */
function bent(signature: Uint8Array): Uint8Array[] {
  const flip = (at: number, mask: number): Uint8Array => {
    const copy = signature.slice();
    copy[at] = (copy[at] as number) ^ mask;
    return copy;
  };
  const infinity = new Uint8Array(96);
  infinity[0] = 0xc0;
  const longer = new Uint8Array(97);
  longer.set(signature);
  const [negated, uncompressed, flagged] = [flip(0, 0x20), flip(0, 0x80), flip(0, 0x40)];
  return [negated, uncompressed, flagged, infinity, longer, signature.slice(0, 95), new Uint8Array(0)];
}

test("no other encoding of a certificate's signatures is taken", () => {
  const good = certificateOf(notarize);
  const forms = [
    ...bent(good.signature).map((signature) => ({ ...good, signature })),
    ...bent(good.seed).map((seed) => ({ ...good, seed })),
  ];
  expect(examine(forms)).toEqual(forms.map(() => false));
});

test("an envelope covers the whole vote and its signer", () => {
  const [vote] = votesOn(notarize) as [Vote];
  expect(verifier.authenticate(vote)).toBe(true);
  const changes: Partial<Vote>[] = [
    { kind: "finalize" },
    { epoch: 1 },
    { view: 8 },
    { parentView: 5 },
    { payload: ZERO_HASH },
    { signer: 1 },
    { signer: 200 },
    { partial: vote.seedPartial },
    { seedPartial: vote.partial },
    { partial: vote.partial.slice(1) },
    { seedPartial: new Uint8Array(0) },
    { envelope: new Uint8Array(64) },
    { envelope: new Uint8Array(0) },
  ];
  for (const change of changes) expect(verifier.authenticate({ ...vote, ...change })).toBe(false);
  const [foreign] = votesOn(notarize, membersOf(hash(rng.bytes(32)))) as [Vote];
  expect(verifier.authenticate(foreign)).toBe(false);
});

test("whoever bends one of the two partials is named, alone", () => {
  const [a, b, c] = votesOn(notarize) as [Vote, Vote, Vote];
  for (const partial of bent(b.partial)) {
    expect(recover(notarize, [a, { ...b, partial }, c])).toEqual({ result: undefined, bad: [1] });
  }
  for (const seedPartial of bent(b.seedPartial)) {
    expect(recover(notarize, [a, { ...b, seedPartial }, c])).toEqual({ result: undefined, bad: [1] });
    let good: boolean | undefined;
    verifier.examinePartial({ ...b, seedPartial }, (valid) => {
      good = valid;
    });
    expect(good).toBe(false);
  }
  expect(recover(notarize, [a, b, c]).result?.valid).toBe(true);
});
