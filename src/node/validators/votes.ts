// The threshold scheme as the consensus driver uses it: partial signatures over vote and round, envelopes by identity,
// certificates that verify under the group key. Every purpose signs in a domain of its own (R14).

import type { Examined } from "#consensus/events.ts";
import { SIGNATURE_BYTES } from "#crypto/bls/types.ts";
import { signingDomain } from "#crypto/domain.ts";
import { keccakHash, sha256 } from "#crypto/hash.ts";
import { type Identity, verifyIdentity } from "#crypto/identity.ts";
import type { SignerPartials, ThresholdScheme } from "#crypto/threshold.ts";
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { concatBytes, equalBytes } from "#lib/bytes.ts";
import type { Recovery, SchemePort } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import { bytesOf, type Hash } from "#types/ids.ts";
import { encodeRound, encodeSubject, encodeUnsealed, type Subject, type Vote } from "#types/vote.ts";

/** Rounds whose verified seed and own seed partial are remembered. */
const MAX_ROUNDS = 1_024;

type Purpose = "NOTARIZE" | "NULLIFY" | "FINALIZE" | "SEED" | "ENVELOPE" | "LEADER";

/** What is signed and hashed on one chain. */
function domainsOf(genesis: Hash) {
  const domain = (purpose: Purpose): Uint8Array => signingDomain(`KORA_${purpose}`, genesis);
  const kinds = { notarize: domain("NOTARIZE"), nullify: domain("NULLIFY"), finalize: domain("FINALIZE") };
  const [seed, envelope, leader] = [domain("SEED"), domain("ENVELOPE"), domain("LEADER")];
  return {
    vote: (subject: Subject) => concatBytes(kinds[subject.kind], encodeSubject(subject)),
    round: ({ epoch, view }: Subject) => concatBytes(seed, encodeRound(epoch, view)),
    envelope: (vote: Omit<Vote, "envelope">) => concatBytes(envelope, encodeUnsealed(vote)),
    /** R12. */
    lottery: (signature: Uint8Array) => sha256(concatBytes(leader, signature)),
  };
}

type Domains = ReturnType<typeof domainsOf>;

/** Checks certificates against the group key; all that a follower needs of the scheme. */
export interface CertificateVerifier {
  examine(
    certificates: readonly Certificate[],
    seeds: readonly (Uint8Array | undefined)[],
  ): readonly Examined[];
}

interface Claim {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

function verifierOf(scheme: Pick<ThresholdScheme, "verify">, domains: Domains): CertificateVerifier {
  const claimsOf = (certificate: Certificate, seed: Uint8Array | undefined): readonly Claim[] => {
    const vote = { message: domains.vote(certificate), signature: certificate.signature };
    return seed === undefined
      ? [vote, { message: domains.round(certificate), signature: certificate.seed }]
      : [vote];
  };
  const shaped = (certificate: Certificate, seed: Uint8Array | undefined): boolean =>
    certificate.signature.length === SIGNATURE_BYTES &&
    certificate.seed.length === SIGNATURE_BYTES &&
    (seed === undefined || equalBytes(seed, certificate.seed));
  return {
    examine(certificates, seeds) {
      const claims = certificates.map((certificate, at) =>
        shaped(certificate, seeds[at]) ? claimsOf(certificate, seeds[at]) : undefined,
      );
      const together = claims.flatMap((of) => of ?? []);
      const all = together.length > 0 && scheme.verify(together);
      return certificates.map((certificate, at) => {
        const own = claims[at];
        const valid = own !== undefined && (all || scheme.verify(own));
        return { certificate, valid, lottery: valid ? domains.lottery(certificate.seed) : undefined };
      });
    },
  };
}

/** A verifier of certificates of the chain that begins with `genesis`. */
export function createCertificateVerifier(
  scheme: Pick<ThresholdScheme, "verify">,
  genesis: Hash,
): CertificateVerifier {
  return verifierOf(scheme, domainsOf(genesis));
}

/** The scheme of a committee. Without `identity`, or with a scheme that has no share, nothing is ever signed. */
export function createThresholdVotes(
  scheme: ThresholdScheme,
  identity: Identity | undefined,
  genesis: Hash,
): SchemePort {
  const domains = domainsOf(genesis);
  const verifier = verifierOf(scheme, domains);
  const participants = scheme.participants();
  const ownSeedPartials = createLru<string, Uint8Array>(MAX_ROUNDS);
  const seeds = createLru<string, Uint8Array>(MAX_ROUNDS);
  const roundKey = ({ epoch, view }: Subject): string => `${epoch}/${view}`;

  function seedPartial(subject: Subject): Uint8Array {
    const key = roundKey(subject);
    const made = ownSeedPartials.get(key) ?? scheme.signPartial(domains.round(subject));
    ownSeedPartials.set(key, made);
    return made;
  }
  function partialsOf(vote: Vote, known: boolean): SignerPartials {
    return { index: vote.signer, signatures: known ? [vote.partial] : [vote.partial, vote.seedPartial] };
  }
  function messagesOf(subject: Subject, known: boolean): Uint8Array[] {
    return known ? [domains.vote(subject)] : [domains.vote(subject), domains.round(subject)];
  }
  function recover(subject: Subject, votes: readonly Vote[]): Recovery {
    const { kind, epoch, view, parentView, payload } = subject;
    const known = seeds.get(roundKey(subject));
    const partials = votes.map((vote) => partialsOf(vote, known !== undefined));
    const recovered = scheme.recover(messagesOf(subject, known !== undefined), partials);
    if (recovered.kind === "bad") return { result: undefined, bad: recovered.signers };
    const [signature, fresh] = recovered.signatures;
    const seed = known ?? fresh;
    assert(signature !== undefined && seed !== undefined, "one signature is recovered for each message");
    seeds.set(roundKey(subject), seed);
    const certificate = { kind, epoch, view, parentView, payload, signature, seed };
    return { result: { certificate, valid: true, lottery: domains.lottery(seed) }, bad: [] };
  }
  return {
    sign(subject, done) {
      const { index } = scheme;
      assert(identity !== undefined && index !== undefined, "only a member with a share votes");
      const { kind, epoch, view, parentView, payload } = subject;
      const partial = scheme.signPartial(domains.vote(subject));
      const place = { kind, epoch, view, parentView, payload, signer: index };
      const vote = { ...place, partial, seedPartial: seedPartial(subject) };
      done({ ...vote, envelope: identity.sign(domains.envelope(vote)) });
    },
    authenticate(vote) {
      const key = participants[vote.signer];
      if (key === undefined) return false;
      if (vote.partial.length !== SIGNATURE_BYTES || vote.seedPartial.length !== SIGNATURE_BYTES)
        return false;
      return verifyIdentity(key, domains.envelope(vote), vote.envelope);
    },
    recover: (subject, votes, done) => done(recover(subject, votes)),
    examinePartial: (vote, done) =>
      done(scheme.verifyPartial(messagesOf(vote, false), partialsOf(vote, false))),
    examine: (certificates, known, done) => done(verifier.examine(certificates, known)),
    prevRandao: (seed) => keccakHash(seed ?? bytesOf(genesis)),
  };
}
