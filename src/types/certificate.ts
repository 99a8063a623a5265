// Certificates: q votes of one kind in one view, folded by the scheme into one signature, with the round's seed.
import { decodeWhole, type Reader, Writer } from "#lib/codec.ts";
import { MAX_PARTICIPANTS } from "./limits.ts";
import { MAX_ENVELOPE_BYTES, MAX_PARTIAL_BYTES, readSubject, type Subject, writeSubject } from "./vote.ts";

/** A notarization, nullification or finalization: `kind` is that of the votes behind it. */
export interface Certificate extends Subject {
  /** threshold: the group signature; solo: the one signature; identity: q envelopes with what they sign. */
  readonly signature: Uint8Array;
  /** Group signature over the round in the seed namespace; empty in the identity scheme. */
  readonly seed: Uint8Array;
}

/** Bytes of a certificate's signature at most: every participant's index and envelope. */
export const MAX_SIGNATURE_BYTES: number = 4 + MAX_PARTICIPANTS * (4 + MAX_ENVELOPE_BYTES);

/** Appends a certificate. */
export function writeCertificate(writer: Writer, certificate: Certificate): void {
  writeSubject(writer, certificate);
  writer.bytes(certificate.signature).bytes(certificate.seed);
}

/** Reads a certificate; throws BAD_ENCODING. */
export function readCertificate(reader: Reader): Certificate {
  return {
    ...readSubject(reader),
    signature: reader.bytes(MAX_SIGNATURE_BYTES),
    seed: reader.bytes(MAX_PARTIAL_BYTES),
  };
}

/** A certificate alone, as it is kept and proven with. */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  const writer = new Writer(256);
  writeCertificate(writer, certificate);
  return writer.finish();
}

/** Decodes a certificate that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  return decodeWhole(bytes, readCertificate);
}
