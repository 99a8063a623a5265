// The solo scheme: a committee of one ed25519 key, whose one signature is the certificate. Its seed is deterministic and
// anybody who holds the key can compute it in advance: on such a chain prevrandao is no secret.
import { signingDomain } from "#crypto/domain.ts";
import { type Identity, verifyIdentity } from "#crypto/identity.ts";
import { concatBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import { encodeRound, encodeSubject, type Subject } from "#types/vote.ts";
import type { SchemePort } from "./ports.ts";

export interface SoloScheme extends SchemePort {
  /** The certificate of a subject: the same each time it is asked for. */
  certify(subject: Subject): Certificate;
}

/** The scheme of `identity` on the chain that begins with `genesis`. */
export function createSoloScheme(identity: Identity, genesis: Hash): SoloScheme {
  const domain = (purpose: string): Uint8Array => signingDomain(`KORA_SOLO_${purpose}`, genesis);
  const domains = {
    notarize: domain("NOTARIZE"),
    nullify: domain("NULLIFY"),
    finalize: domain("FINALIZE"),
    seed: domain("SEED"),
  };
  const message = (subject: Subject): Uint8Array =>
    concatBytes(domains[subject.kind], encodeSubject(subject));
  const round = ({ epoch, view }: Subject): Uint8Array => concatBytes(domains.seed, encodeRound(epoch, view));
  function certify({ kind, epoch, view, parentView, payload }: Subject): Certificate {
    const subject = { kind, epoch, view, parentView, payload };
    return { ...subject, signature: identity.sign(message(subject)), seed: identity.sign(round(subject)) };
  }
  const examine = (certificate: Certificate): boolean =>
    verifyIdentity(identity.publicKey, message(certificate), certificate.signature) &&
    verifyIdentity(identity.publicKey, round(certificate), certificate.seed);
  return {
    certify,
    sign(subject, done) {
      const { kind, epoch, view, parentView, payload, signature, seed } = certify(subject);
      // The partial is the whole signature; nobody else receives the vote, so it needs no envelope beside it.
      const vote = { kind, epoch, view, parentView, payload, signer: 0 };
      done({ ...vote, partial: signature, seedPartial: seed, envelope: EMPTY_BYTES });
    },
    authenticate: () => false,
    recover({ kind, epoch, view, parentView, payload }, votes, done) {
      const [own] = votes;
      if (own === undefined) return;
      const { partial: signature, seedPartial: seed } = own;
      const certificate = { kind, epoch, view, parentView, payload, signature, seed };
      done({ result: { certificate, valid: true, lottery: undefined }, bad: [] });
    },
    examinePartial: (_vote, done) => done(false),
    examine: (certificates, _seeds, done) =>
      done(
        certificates.map((certificate) => ({
          certificate,
          valid: examine(certificate),
          lottery: undefined,
        })),
      ),
    // The block's own maker is the only voter, and a local chain may have been told another value (section 12).
    prevRandao: () => undefined,
  };
}
