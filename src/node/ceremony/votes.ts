// The consensus core's identity scheme for a ceremony: a certificate is q signed votes, there is no seed, and leaders
// take turns. Votes sign under the ceremony's own domain, so that none of another round or chain is ever taken.
import type { CeremonyRules } from "#crypto/dkg/rules.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { decodeWhole, type Reader, Writer } from "#lib/codec.ts";
import type { Recovery, SchemePort } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { quorumOf } from "#types/quorum.ts";
import { encodeUnsealed, MAX_ENVELOPE_BYTES, type Subject, type Vote } from "#types/vote.ts";

interface SignedBy {
  readonly signer: number;
  readonly envelope: Uint8Array;
}

function unsealed(subject: Subject, signer: number): Omit<Vote, "envelope"> {
  const { kind, epoch, view, parentView, payload } = subject;
  return { kind, epoch, view, parentView, payload, signer, partial: EMPTY_BYTES, seedPartial: EMPTY_BYTES };
}

function encodeSigners(signers: readonly SignedBy[]): Uint8Array {
  return new Writer().list(signers, (to, { signer, envelope }) => to.u32(signer).bytes(envelope)).finish();
}

function readSigner(reader: Reader): SignedBy {
  return { signer: reader.u32(), envelope: reader.bytes(MAX_ENVELOPE_BYTES) };
}

/** Signers in strictly ascending order; undefined for anything malformed. */
function decodeSigners(bytes: Uint8Array): readonly SignedBy[] | undefined {
  try {
    const signers = decodeWhole(bytes, (reader) => reader.list(MAX_PARTICIPANTS, readSigner));
    const ascends = signers.every(
      (entry, i) => i === 0 || (signers[i - 1] as SignedBy).signer < entry.signer,
    );
    return ascends ? signers : undefined;
  } catch {
    return undefined;
  }
}

/** The scheme of the ceremony's dealers, who agree on the set of logs. */
export function createVotes(rules: CeremonyRules): SchemePort {
  const { identity, domain, info, dealer } = rules;
  const quorum = quorumOf(info.dealers.length);
  const isSigned = (subject: Subject, { signer, envelope }: SignedBy): boolean => {
    const key = info.dealers[signer];
    const content = domain.vote(encodeUnsealed(unsealed(subject, signer)));
    return key !== undefined && identity.verify(key, content, envelope);
  };
  const isCertificate = (certificate: Certificate): boolean => {
    const signers = decodeSigners(certificate.signature);
    if (signers?.length !== quorum || certificate.seed.length > 0) return false;
    return signers.every((entry) => isSigned(certificate, entry));
  };
  return {
    sign(subject, done) {
      if (dealer === undefined) return;
      const vote = unsealed(subject, dealer);
      done({ ...vote, envelope: identity.sign(domain.vote(encodeUnsealed(vote))) });
    },
    authenticate: (vote) =>
      vote.partial.length === 0 && vote.seedPartial.length === 0 && isSigned(vote, vote),
    recover(subject, votes, done) {
      const { kind, epoch, view, parentView, payload } = subject;
      const signers = [...votes].sort((a, b) => a.signer - b.signer);
      const signature = encodeSigners(signers);
      const certificate = { kind, epoch, view, parentView, payload, signature, seed: EMPTY_BYTES };
      const recovery: Recovery = {
        result: { certificate, valid: true, lottery: undefined },
        bad: [],
      };
      done(recovery);
    },
    examinePartial: (vote, done) => done(isSigned(vote, vote)),
    examine: (certificates, _seeds, done) =>
      done(
        certificates.map((certificate) => ({
          certificate,
          valid: isCertificate(certificate),
          lottery: undefined,
        })),
      ),
    prevRandao: () => undefined,
  };
}
