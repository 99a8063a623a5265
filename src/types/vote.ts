// Votes of the consensus protocol: what is signed, and the envelope in which it travels.
// Signing domains (R14) are prepended where the keys are; nothing here signs or verifies.
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
import { bytesOf, type Hash, hash, ZERO_HASH } from "./ids.ts";
import { MAX_PARTICIPANTS } from "./limits.ts";

/** The three votes; a certificate carries the kind of the votes it stands for. */
export type VoteKind = "notarize" | "nullify" | "finalize";

/** What a vote says. A nullify names only its round: parent view 0, payload zero. */
export interface Subject {
  readonly kind: VoteKind;
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  /** Block hash. */
  readonly payload: Hash;
}

/** One signer's vote with both partial signatures (R11) and the identity signature over all of it (R14). */
export interface Vote extends Subject {
  /** Index in the sorted list of participants. */
  readonly signer: number;
  /** Partial signature over the subject; empty where the scheme needs only the envelope. */
  readonly partial: Uint8Array;
  /** Partial signature over the round in the seed namespace; empty without a seed. */
  readonly seedPartial: Uint8Array;
  /** Identity signature over everything above. */
  readonly envelope: Uint8Array;
}

/** Bytes of a partial signature at most: a compressed point of BLS12-381 G2. */
export const MAX_PARTIAL_BYTES = 96;
/** Bytes of an identity signature at most (ed25519). */
export const MAX_ENVELOPE_BYTES = 64;
/** Bytes of an encoded vote at most. */
export const MAX_VOTE_BYTES: number =
  1 + 3 * 8 + 32 + 4 + 2 * (4 + MAX_PARTIAL_BYTES) + 4 + MAX_ENVELOPE_BYTES;

const KINDS: readonly VoteKind[] = ["notarize", "nullify", "finalize"];

/** Appends the canonical form of a subject: kind, epoch, view, parent view, payload. */
export function writeSubject(writer: Writer, subject: Subject): void {
  writer.u8(KINDS.indexOf(subject.kind)).u64(subject.epoch).u64(subject.view);
  writer.u64(subject.parentView).raw(bytesOf(subject.payload));
}

/** Reads a subject; throws BAD_ENCODING for an unknown kind or a nullify that names more than its round. */
export function readSubject(reader: Reader): Subject {
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw malformed("unknown kind of vote");
  const subject: Subject = {
    kind,
    epoch: reader.u64(),
    view: reader.u64(),
    parentView: reader.u64(),
    payload: hash(reader.raw(32)),
  };
  if (kind === "nullify" && (subject.parentView !== 0 || subject.payload !== ZERO_HASH)) {
    throw malformed("a nullify names only its round");
  }
  return subject;
}

/** The bytes a partial signature covers, behind the domain of its kind. */
export function encodeSubject(subject: Subject): Uint8Array {
  const writer = new Writer(64);
  writeSubject(writer, subject);
  return writer.finish();
}

/** The bytes a seed signature covers, behind its domain: the round alone (R11). */
export function encodeRound(epoch: number, view: number): Uint8Array {
  return new Writer(16).u64(epoch).u64(view).finish();
}

/** The bytes an envelope covers, behind its domain: the whole vote but the envelope itself. */
export function encodeUnsealed(vote: Omit<Vote, "envelope">): Uint8Array {
  const writer = new Writer(MAX_VOTE_BYTES);
  writeUnsealed(writer, vote);
  return writer.finish();
}

function writeUnsealed(writer: Writer, vote: Omit<Vote, "envelope">): void {
  writeSubject(writer, vote);
  writer.u32(vote.signer).bytes(vote.partial).bytes(vote.seedPartial);
}

/** Appends a vote. */
export function writeVote(writer: Writer, vote: Vote): void {
  writeUnsealed(writer, vote);
  writer.bytes(vote.envelope);
}

/** Reads a vote; throws BAD_ENCODING. */
export function readVote(reader: Reader): Vote {
  const subject = readSubject(reader);
  const signer = reader.u32();
  if (signer >= MAX_PARTICIPANTS) throw malformed("signer out of range");
  return {
    ...subject,
    signer,
    partial: reader.bytes(MAX_PARTIAL_BYTES),
    seedPartial: reader.bytes(MAX_PARTIAL_BYTES),
    envelope: reader.bytes(MAX_ENVELOPE_BYTES),
  };
}

/** A vote alone, as it is kept. */
export function encodeVote(vote: Vote): Uint8Array {
  const writer = new Writer(MAX_VOTE_BYTES);
  writeVote(writer, vote);
  return writer.finish();
}

/** Decodes a vote that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeVote(bytes: Uint8Array): Vote {
  return decodeWhole(bytes, readVote);
}

/** Whether two votes or certificates of one kind and view say the same. */
export function sameSubject(a: Subject, b: Subject): boolean {
  return a.payload === b.payload && a.parentView === b.parentView && a.epoch === b.epoch;
}
