// Stand-in cryptography: 32-bit mixes instead of pairings, with the failure modes of the real thing: forged, duplicated,
// wrong index, wrong namespace, one bad partial of two. Nobody but the holder of an index can make its signatures,
// because nobody else is given its signer.
import type { Examined } from "#consensus/events.ts";
import type { Rules } from "#consensus/rules.ts";
import type { SchemeKind } from "#consensus/state.ts";
import type { Recovery, SchemePort } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import { type Subject, sameSubject, type Vote, type VoteKind } from "#types/vote.ts";

const NAMESPACES = { notarize: 11, nullify: 12, finalize: 13 } as const;
const SEED = 14;
const ENVELOPE = 15;
const GROUP = 0x7fff_0001;
/** Answers at hand, a power of two. */
const REMEMBERED = 16;

export function mix(h: number, x: number): number {
  h = Math.imul(h ^ x, 0x9e3779b1);
  return h ^ (h >>> 15);
}

/** A number that stands for a digest; the first 16 hex digits decide. */
export function digestNumber(digest: Hash): number {
  let h = 0x811c9dc5;
  for (let i = 2; i < 18; i++) h = Math.imul(h ^ digest.charCodeAt(i), 0x01000193);
  return h;
}

/** `digestNumber` for those who ask about the same few digests again and again. */
function createDigestNumbers(): (digest: Hash) => number {
  let last: Hash | undefined;
  let value = 0;
  return (digest) => {
    if (digest !== last) {
      last = digest;
      value = digestNumber(digest);
    }
    return value;
  };
}

/** `compute` for those who ask about the same few numbers again and again: the views that are going on. */
function createRemembered<T>(compute: (of: number) => T): (of: number) => T {
  const keys = new Array<number>(REMEMBERED).fill(0);
  const values = new Array<T | undefined>(REMEMBERED).fill(undefined);
  return (of) => {
    const at = of & (REMEMBERED - 1);
    const known = values[at];
    if (known !== undefined && keys[at] === of) return known;
    const value = compute(of);
    keys[at] = of;
    values[at] = value;
    return value;
  };
}

const HEX8: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

export function hex32(x: number): string {
  return HEX8[x >>> 24]! + HEX8[(x >>> 16) & 255]! + HEX8[(x >>> 8) & 255]! + HEX8[x & 255]!;
}

const TAIL = "0".repeat(48);

/** A digest out of two numbers. */
export function digestOf(a: number, b: number): Hash {
  return `0x${hex32(a)}${hex32(b)}${TAIL}` as Hash;
}

function bytes(x: number): Uint8Array {
  const out = new Uint8Array(4);
  out[0] = x >>> 24;
  out[1] = x >>> 16;
  out[2] = x >>> 8;
  out[3] = x;
  return out;
}

function number(b: Uint8Array): number {
  return b.length === 4 ? (b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]! : -1;
}

/** One committee's keys; `signer(i)` is handed to the holder of index i only. */
export interface StandIn {
  vote(signer: number, subject: Subject): Vote;
  seal(vote: Omit<Vote, "envelope">): Vote;
  authentic(vote: Vote): boolean;
  partialGood(vote: Vote): boolean;
  certificateGood(certificate: Certificate): boolean;
  /** What q honest partials would give; for the committee's own use and for past epochs' certificates. */
  certificate(subject: Subject): Certificate;
  lottery(seed: Uint8Array): Uint8Array;
  randao(seed: Uint8Array | undefined): Hash | undefined;
  port(
    signer: number | undefined,
    onCertificate: (votes: readonly Vote[], subject: Subject) => void,
  ): SchemePort;
}

/** `chain`: whose children's prevrandao R13 fixes in the chain's own way. */
export function createStandIn(
  secret: number,
  scheme: SchemeKind,
  rules: Rules,
  chain?: { randao(seed: Uint8Array | undefined): Hash },
): StandIn {
  const seeded = scheme !== "identity";
  const numberOf = createDigestNumbers();
  const space = (subject: Subject): number => (rules.r14Domains ? NAMESPACES[subject.kind] : 11);
  const subjectMix = (who: number, subject: Subject): number => {
    let h = mix(mix(secret, who), space(subject));
    h = mix(mix(h, subject.epoch), subject.view);
    return mix(mix(h, subject.parentView), numberOf(subject.payload));
  };
  const roundMix = (who: number, epoch: number, view: number): number =>
    mix(mix(mix(mix(secret, who), SEED), epoch), view);
  const envelopeOf = (subject: number, partial: number, seedPartial: number, kind: VoteKind): number =>
    mix(mix(mix(mix(subject, ENVELOPE), NAMESPACES[kind]), partial), seedPartial);
  const envelopeMix = (vote: Omit<Vote, "envelope">): number =>
    envelopeOf(subjectMix(vote.signer, vote), number(vote.partial), number(vote.seedPartial), vote.kind);
  const noSeed = new Uint8Array(0);
  const seal = (vote: Omit<Vote, "envelope">): Vote => ({
    kind: vote.kind,
    epoch: vote.epoch,
    view: vote.view,
    parentView: vote.parentView,
    payload: vote.payload,
    signer: vote.signer,
    partial: vote.partial,
    seedPartial: vote.seedPartial,
    envelope: bytes(envelopeMix(vote)),
  });
  const partialGood = (vote: Vote): boolean =>
    number(vote.partial) === (subjectMix(vote.signer, vote) | 0) &&
    (!seeded || number(vote.seedPartial) === (roundMix(vote.signer, vote.epoch, vote.view) | 0));
  const makeCertificate = (subject: Subject): Certificate => ({
    kind: subject.kind,
    epoch: subject.epoch,
    view: subject.view,
    parentView: subject.parentView,
    payload: subject.payload,
    signature: bytes(subjectMix(GROUP, subject)),
    seed: seeded ? bytes(roundMix(GROUP, subject.epoch, subject.view)) : noSeed,
  });
  // One node after the other recovers the same certificate: the newest of each kind is at hand.
  const newest: Partial<Record<VoteKind, Certificate>> = {};
  const certificate = (subject: Subject): Certificate => {
    const { kind, view } = subject;
    const known = newest[kind];
    if (known !== undefined && known.view === view && sameSubject(known, subject)) return known;
    const made = makeCertificate(subject);
    newest[kind] = made;
    return made;
  };
  const lottery = createRemembered((seed) => bytes(mix(mix(seed, 77), 78)));
  const examined = (cert: Certificate, valid: boolean): Examined => ({
    certificate: cert,
    valid,
    lottery: seeded && valid ? lottery(number(cert.seed)) : undefined,
  });
  const certificateGood = (cert: Certificate): boolean =>
    number(cert.signature) === (subjectMix(GROUP, cert) | 0) &&
    (seeded ? number(cert.seed) === (roundMix(GROUP, cert.epoch, cert.view) | 0) : cert.seed.length === 0);
  /** The newest of each signer: both votes of a view carry the same. */
  const seedPartials: Uint8Array[] = [];
  const seedPartialOf = (signer: number, seedPartial: number): Uint8Array => {
    if (!seeded) return noSeed;
    let held = seedPartials[signer];
    if (held === undefined || number(held) !== (seedPartial | 0)) {
      held = bytes(seedPartial);
      seedPartials[signer] = held;
    }
    return held;
  };
  const vote = (signer: number, subject: Subject): Vote => {
    const partial = subjectMix(signer, subject);
    const seedPartial = roundMix(signer, subject.epoch, subject.view);
    return {
      kind: subject.kind,
      epoch: subject.epoch,
      view: subject.view,
      parentView: subject.parentView,
      payload: subject.payload,
      signer,
      partial: bytes(partial),
      seedPartial: seedPartialOf(signer, seedPartial),
      envelope: bytes(envelopeOf(partial, partial, seeded ? seedPartial : -1, subject.kind)),
    };
  };
  const authentic = (v: Vote): boolean => number(v.envelope) === (envelopeMix(v) | 0);
  const randaoOf = createRemembered((seed) => digestOf(mix(seed, 5), mix(seed, 6)));
  const randao = (seed: Uint8Array | undefined): Hash | undefined => {
    if (!seeded) return undefined;
    if (chain !== undefined) return chain.randao(seed);
    if (seed === undefined) return ZERO_HASH;
    return randaoOf(number(seed));
  };
  return {
    vote,
    seal,
    authentic,
    partialGood,
    certificateGood,
    certificate,
    lottery: (seed) => lottery(number(seed)),
    randao,
    port: (signer, onCertificate) => ({
      sign(subject, done) {
        if (signer !== undefined) done(vote(signer, subject));
      },
      authenticate: authentic,
      recover(subject, votes, done) {
        const bad: number[] = [];
        for (const v of votes) if (!partialGood(v)) bad.push(v.signer);
        const recovery: Recovery =
          bad.length > 0 ? { result: undefined, bad } : { result: examined(certificate(subject), true), bad };
        if (bad.length === 0) onCertificate(votes, subject);
        done(recovery);
      },
      examinePartial: (v, done) => done(partialGood(v)),
      examine: (certificates, _seeds, done) => done(certificates.map((c) => examined(c, certificateGood(c)))),
      prevRandao: randao,
    }),
  };
}
