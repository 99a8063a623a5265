// Wire formats of the key ceremony: what it is about, the six messages, the log a dealer closes and the agreed set
// of logs. Decoding is total and canonical (BAD_ENCODING otherwise); whether a signature or a share is right is
// decided elsewhere. Scalars, points and signatures are opaque here: their scheme checks exact lengths.
import { assert } from "#lib/assert.ts";
import { compareBytes } from "#lib/bytes.ts";
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
import { IDENTITY_KEY_BYTES, IDENTITY_SIGNATURE_BYTES } from "./identity.ts";
import { bytesOf, type Hash, hash } from "./ids.ts";
import { MAX_PARTICIPANTS } from "./limits.ts";
import { MAX_PARTIAL_BYTES } from "./vote.ts";

/** Longest scalar and point of a commitment of any scheme (BLS12-381 with public keys in G1). */
export const MAX_SCALAR_BYTES = 32;
const MAX_POINT_BYTES = 48;
/** A commitment has at most one point per participant. */
export const MAX_COMMITMENT_BYTES: number = MAX_PARTICIPANTS * MAX_POINT_BYTES;
/** A log: its commitment, one entry per player, signature and lengths. */
export const MAX_LOG_BYTES: number =
  MAX_COMMITMENT_BYTES + MAX_PARTICIPANTS * (1 + IDENTITY_SIGNATURE_BYTES) + 128;
/** An agreed set: one log per dealer at the very most. */
export const MAX_LOG_SET_BYTES: number = MAX_PARTICIPANTS * (MAX_LOG_BYTES + 4) + 4;
/** Any message of the ceremony itself; agreement on the set travels apart from these. */
export const MAX_CEREMONY_MESSAGE_BYTES: number = MAX_LOG_SET_BYTES + 64;

assert(MAX_PARTICIPANTS <= 256, "the index of a participant fits one byte");

/** The committee whose key is passed on: its public polynomial (points, constant term first) and its members. */
export interface PreviousCommittee {
  readonly polynomial: Uint8Array;
  readonly participants: readonly Uint8Array[];
}

/** What a ceremony is about. Every signature made in it binds the hash of this value's encoding. */
export interface CeremonyInfo {
  /** Genesis hash of the chain the key is for. */
  readonly chain: Hash;
  /** Never used twice on one chain. */
  readonly round: number;
  /** ed25519 public keys of those who deal, ascending; the position is the dealer's index. */
  readonly dealers: readonly Uint8Array[];
  /** ed25519 public keys of those who get a share, ascending; the position is the share's index. */
  readonly players: readonly Uint8Array[];
  /** Undefined for a chain's first key. */
  readonly previous: PreviousCommittee | undefined;
}

/** What a player may be owed or have given in a dealer's log. */
export type LogEntry =
  | { readonly kind: "ack"; readonly signature: Uint8Array }
  | { readonly kind: "reveal"; readonly share: Uint8Array };

/** One dealer's closed account of a round: an entry for every player, in their order. */
export interface DealerLog {
  readonly dealer: number;
  readonly commitment: Uint8Array;
  readonly entries: readonly LogEntry[];
  readonly signature: Uint8Array;
}

/** A dealer's evaluation for the player it is sent to. */
export interface Deal {
  readonly kind: "deal";
  readonly commitment: Uint8Array;
  readonly share: Uint8Array;
  readonly signature: Uint8Array;
}
/** A player's word to a dealer that its share is right and durable. */
export interface Ack {
  readonly kind: "ack";
  readonly commitmentHash: Uint8Array;
  readonly signature: Uint8Array;
}
/** A closed log, from its dealer or passed on. */
export interface LogMessage {
  readonly kind: "log";
  readonly log: DealerLog;
}
/** What the sender already holds, so that peers send what it lacks; the ceremony's only retry. */
export interface Status {
  readonly kind: "status";
  /** Dealers whose share the sender holds. */
  readonly shares: readonly number[];
  /** Players from whom the sender, as a dealer, needs no acknowledgement any more. */
  readonly acks: readonly number[];
  /** Dealers whose log the sender holds. */
  readonly logs: readonly number[];
  /** Players whose confirmation the sender holds. */
  readonly confirms: readonly number[];
  readonly stage: StatusStage;
}
/** A player's word that it holds its share of this output, with a partial signature to prove it. */
export interface Confirm {
  readonly kind: "confirm";
  readonly player: number;
  readonly digest: Uint8Array;
  readonly partial: Uint8Array;
  readonly signature: Uint8Array;
}
/** The agreed set, from a dealer to a player that does not deal and so takes no part in agreeing. */
export interface SetMessage {
  readonly kind: "set";
  readonly set: Uint8Array;
}
export type CeremonyBody = Deal | Ack | LogMessage | Status | Confirm | SetMessage;

/** How far the sender of a status is. */
export type StatusStage = "dealing" | "agreed" | "final";

/** A body under the ceremony it belongs to; the round stands in clear so that a mix-up can be explained. */
export interface CeremonyMessage {
  readonly round: number;
  readonly ceremony: Hash;
  readonly body: CeremonyBody;
}

const STAGES: readonly StatusStage[] = ["dealing", "agreed", "final"];
const KINDS: readonly CeremonyBody["kind"][] = ["deal", "ack", "log", "status", "confirm", "set"];

function writeKeys(writer: Writer, keys: readonly Uint8Array[]): void {
  writer.list(keys, (_, key) => writer.raw(key));
}

function readKeys(reader: Reader): Uint8Array[] {
  const keys = reader.list(MAX_PARTICIPANTS, () => reader.raw(IDENTITY_KEY_BYTES));
  for (let i = 1; i < keys.length; i++) {
    if (compareBytes(keys[i - 1] as Uint8Array, keys[i] as Uint8Array) >= 0) {
      throw malformed("keys are not ascending");
    }
  }
  return keys;
}

function writePrevious(writer: Writer, { polynomial, participants }: PreviousCommittee): void {
  writeKeys(writer.bytes(polynomial), participants);
}

function readPrevious(reader: Reader): PreviousCommittee {
  return { polynomial: reader.bytes(MAX_COMMITMENT_BYTES), participants: readKeys(reader) };
}

/** Canonical bytes of what a ceremony is about. */
export function encodeCeremonyInfo(info: CeremonyInfo): Uint8Array {
  const writer = new Writer().raw(bytesOf(info.chain)).u64(info.round);
  writeKeys(writer, info.dealers);
  writeKeys(writer, info.players);
  return writer.optional(info.previous, writePrevious).finish();
}

/** Inverse of `encodeCeremonyInfo`. */
export function decodeCeremonyInfo(bytes: Uint8Array): CeremonyInfo {
  return decodeWhole(bytes, (reader) => ({
    chain: hash(reader.raw(32)),
    round: reader.u64(),
    dealers: readKeys(reader),
    players: readKeys(reader),
    previous: reader.optional(readPrevious),
  }));
}

function writeIndices(writer: Writer, indices: readonly number[]): void {
  writer.list(indices, (_, index) => writer.u8(index));
}

function readIndices(reader: Reader): number[] {
  const indices = reader.list(MAX_PARTICIPANTS, () => reader.u8());
  for (let i = 1; i < indices.length; i++) {
    if ((indices[i - 1] as number) >= (indices[i] as number)) throw malformed("indices are not ascending");
  }
  return indices;
}

function writeLog(writer: Writer, log: DealerLog): void {
  writer.raw(encodeLogContent(log)).raw(log.signature);
}

/** What a dealer signs of its log: everything but the signature. */
export function encodeLogContent(log: Omit<DealerLog, "signature">): Uint8Array {
  return new Writer(1024).u8(log.dealer).bytes(log.commitment).list(log.entries, writeEntry).finish();
}

function writeEntry(writer: Writer, entry: LogEntry): void {
  const reveals = entry.kind === "reveal";
  writer.flag(reveals);
  if (reveals) writer.bytes(entry.share);
  else writer.raw(entry.signature);
}

function readEntry(reader: Reader): LogEntry {
  return reader.flag()
    ? { kind: "reveal", share: reader.bytes(MAX_SCALAR_BYTES) }
    : { kind: "ack", signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
}

function readLog(reader: Reader): DealerLog {
  return {
    dealer: reader.u8(),
    commitment: reader.bytes(MAX_COMMITMENT_BYTES),
    entries: reader.list(MAX_PARTICIPANTS, readEntry),
    signature: reader.raw(IDENTITY_SIGNATURE_BYTES),
  };
}

/** Canonical bytes of a log with its signature. */
export function encodeLog(log: DealerLog): Uint8Array {
  const writer = new Writer(1024);
  writeLog(writer, log);
  return writer.finish();
}

/** Inverse of `encodeLog`. */
export function decodeLog(bytes: Uint8Array): DealerLog {
  return decodeWhole(bytes, readLog);
}

/** Canonical bytes of a set of logs, which must be strictly ascending by dealer. */
export function encodeLogSet(logs: readonly DealerLog[]): Uint8Array {
  return new Writer(4096).list(logs, writeLog).finish();
}

/** Inverse of `encodeLogSet`; rejects dealers that are not strictly ascending. */
export function decodeLogSet(bytes: Uint8Array): readonly DealerLog[] {
  if (bytes.length > MAX_LOG_SET_BYTES) throw malformed(`a set of ${bytes.length} bytes`);
  const logs = decodeWhole(bytes, (reader) => reader.list(MAX_PARTICIPANTS, readLog));
  for (let i = 1; i < logs.length; i++) {
    if ((logs[i - 1] as DealerLog).dealer >= (logs[i] as DealerLog).dealer) {
      throw malformed("dealers are not ascending");
    }
  }
  return logs;
}

function writeConfirm(writer: Writer, body: Confirm): void {
  writer.u8(body.player).raw(body.digest).bytes(body.partial).raw(body.signature);
}

function readConfirm(reader: Reader): Confirm {
  return {
    kind: "confirm",
    player: reader.u8(),
    digest: reader.raw(32),
    partial: reader.bytes(MAX_PARTIAL_BYTES),
    signature: reader.raw(IDENTITY_SIGNATURE_BYTES),
  };
}

/** Canonical bytes of a list of confirmations, ascending by player. */
export function encodeConfirms(confirms: readonly Confirm[]): Uint8Array {
  return new Writer(1024).list(confirms, writeConfirm).finish();
}

/** Inverse of `encodeConfirms`. */
export function decodeConfirms(bytes: Uint8Array): readonly Confirm[] {
  return decodeWhole(bytes, (reader) => reader.list(MAX_PARTICIPANTS, readConfirm));
}

function writeBody(writer: Writer, body: CeremonyBody): void {
  switch (body.kind) {
    case "deal":
      writer.bytes(body.commitment).bytes(body.share).raw(body.signature);
      break;
    case "ack":
      writer.raw(body.commitmentHash).raw(body.signature);
      break;
    case "log":
      writeLog(writer, body.log);
      break;
    case "status":
      for (const list of [body.shares, body.acks, body.logs, body.confirms]) writeIndices(writer, list);
      writer.u8(STAGES.indexOf(body.stage));
      break;
    case "confirm":
      writeConfirm(writer, body);
      break;
    case "set":
      writer.bytes(body.set);
  }
}

function readStatus(reader: Reader): Status {
  const shares = readIndices(reader);
  const acks = readIndices(reader);
  const logs = readIndices(reader);
  const confirms = readIndices(reader);
  const stage = STAGES[reader.u8()];
  if (stage === undefined) throw malformed("unknown stage");
  return { kind: "status", shares, acks, logs, confirms, stage };
}

function readBody(kind: CeremonyBody["kind"], reader: Reader): CeremonyBody {
  switch (kind) {
    case "deal": {
      const commitment = reader.bytes(MAX_COMMITMENT_BYTES);
      const share = reader.bytes(MAX_SCALAR_BYTES);
      return { kind, commitment, share, signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
    }
    case "ack": {
      const commitmentHash = reader.raw(32);
      return { kind, commitmentHash, signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
    }
    case "log":
      return { kind, log: readLog(reader) };
    case "status":
      return readStatus(reader);
    case "confirm":
      return readConfirm(reader);
    case "set":
      return { kind, set: reader.bytes(MAX_LOG_SET_BYTES) };
  }
}

/** Canonical bytes of a message. */
export function encodeCeremonyMessage(message: CeremonyMessage): Uint8Array {
  const writer = new Writer().u8(KINDS.indexOf(message.body.kind)).u64(message.round);
  writer.raw(bytesOf(message.ceremony));
  writeBody(writer, message.body);
  return writer.finish();
}

function readMessage(reader: Reader): CeremonyMessage {
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw malformed("unknown kind of message");
  return { round: reader.u64(), ceremony: hash(reader.raw(32)), body: readBody(kind, reader) };
}

/** Inverse of `encodeCeremonyMessage`; at most `MAX_CEREMONY_MESSAGE_BYTES`. */
export function decodeCeremonyMessage(bytes: Uint8Array): CeremonyMessage {
  if (bytes.length > MAX_CEREMONY_MESSAGE_BYTES) throw malformed(`a message of ${bytes.length} bytes`);
  return decodeWhole(bytes, readMessage);
}
