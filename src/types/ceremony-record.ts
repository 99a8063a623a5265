// What a participant of the key ceremony keeps on disk, in the order it happened: replaying the records gives the
// state back. Seeds and shares are secret; encrypting and erasing them is the store's work.
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
import {
  type CeremonyInfo,
  type DealerLog,
  decodeCeremonyInfo,
  decodeLog,
  encodeCeremonyInfo,
  encodeLog,
  MAX_COMMITMENT_BYTES,
  MAX_LOG_BYTES,
  MAX_LOG_SET_BYTES,
  MAX_SCALAR_BYTES,
} from "./ceremony.ts";
import { IDENTITY_SIGNATURE_BYTES } from "./identity.ts";
import { MAX_PARTICIPANTS } from "./limits.ts";

/** What somebody was caught at; each kind is kept once per member. */
export const CEREMONY_FAULTS = [
  "malformed-message",
  "bad-signature",
  "bad-commitment",
  "bad-share",
  "two-commitments",
  "bad-log",
  "two-logs",
  "bad-confirmation",
] as const;
export type CeremonyFault = (typeof CEREMONY_FAULTS)[number];

/** Something that a dealer signed: two that contradict each other show to anybody that it lied. */
export type DealerStatement =
  | { readonly kind: "deal"; readonly commitmentHash: Uint8Array; readonly signature: Uint8Array }
  | { readonly kind: "log"; readonly log: DealerLog };

export type CeremonyRecord =
  /** The ceremony begins: all of a dealer's secrets follow from the seed (32 bytes). */
  | { readonly kind: "begin"; readonly info: CeremonyInfo; readonly seed: Uint8Array }
  /** A share that was checked against its dealer's commitment, which the dealer signed. */
  | {
      readonly kind: "share";
      readonly dealer: number;
      readonly commitment: Uint8Array;
      readonly share: Uint8Array;
      readonly signature: Uint8Array;
    }
  /** A player's acknowledgement of this node's own deal. */
  | { readonly kind: "ack"; readonly player: number; readonly signature: Uint8Array }
  /** This node's own closed log. */
  | { readonly kind: "log"; readonly log: Uint8Array }
  /** The agreed set of logs. */
  | { readonly kind: "agreed"; readonly set: Uint8Array }
  /** Confirmations of a quorum: the output may be used. */
  | { readonly kind: "final"; readonly confirms: Uint8Array }
  /** Somebody was caught; `member` counts dealers and players together, ascending. */
  | {
      readonly kind: "fault";
      readonly member: number;
      readonly fault: CeremonyFault;
      /** What proves it to others: two statements that contradict each other, or nothing. */
      readonly evidence: readonly DealerStatement[];
    };

const KINDS: readonly CeremonyRecord["kind"][] = ["begin", "share", "ack", "log", "agreed", "final", "fault"];
const STATEMENTS: readonly DealerStatement["kind"][] = ["deal", "log"];
const HASH_BYTES = 32;
/** Statements of one proof. */
const MAX_STATEMENTS = 2;
const MAX_INFO_BYTES: number = 64 + 3 * MAX_PARTICIPANTS * 32 + MAX_COMMITMENT_BYTES;

function writeStatement(writer: Writer, statement: DealerStatement): void {
  writer.u8(STATEMENTS.indexOf(statement.kind));
  if (statement.kind === "log") writer.bytes(encodeLog(statement.log));
  else writer.raw(statement.commitmentHash).raw(statement.signature);
}

function readStatement(reader: Reader): DealerStatement {
  const kind = STATEMENTS[reader.u8()];
  if (kind === "log") return { kind, log: decodeLog(reader.bytes(MAX_LOG_BYTES)) };
  if (kind === "deal") {
    return { kind, commitmentHash: reader.raw(HASH_BYTES), signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
  }
  throw malformed("unknown statement");
}

/** Canonical bytes of a record. */
export function encodeCeremonyRecord(record: CeremonyRecord): Uint8Array {
  const writer = new Writer(1024).u8(KINDS.indexOf(record.kind));
  switch (record.kind) {
    case "begin":
      return writer.bytes(encodeCeremonyInfo(record.info)).raw(record.seed).finish();
    case "share":
      return writer
        .u8(record.dealer)
        .bytes(record.commitment)
        .bytes(record.share)
        .raw(record.signature)
        .finish();
    case "ack":
      return writer.u8(record.player).raw(record.signature).finish();
    case "log":
      return writer.bytes(record.log).finish();
    case "agreed":
      return writer.bytes(record.set).finish();
    case "final":
      return writer.bytes(record.confirms).finish();
    case "fault":
      writer.u32(record.member).u8(CEREMONY_FAULTS.indexOf(record.fault));
      return writer.list(record.evidence, writeStatement).finish();
  }
}

function readRecord(reader: Reader): CeremonyRecord {
  const kind = KINDS[reader.u8()];
  switch (kind) {
    case "begin":
      return { kind, info: decodeCeremonyInfo(reader.bytes(MAX_INFO_BYTES)), seed: reader.raw(32) };
    case "share": {
      const dealer = reader.u8();
      const commitment = reader.bytes(MAX_COMMITMENT_BYTES);
      const share = reader.bytes(MAX_SCALAR_BYTES);
      return { kind, dealer, commitment, share, signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
    }
    case "ack":
      return { kind, player: reader.u8(), signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
    case "log":
      return { kind, log: reader.bytes(MAX_LOG_BYTES) };
    case "agreed":
      return { kind, set: reader.bytes(MAX_LOG_SET_BYTES) };
    case "final":
      return { kind, confirms: reader.bytes(MAX_LOG_SET_BYTES) };
    case "fault": {
      const member = reader.u32();
      const fault = CEREMONY_FAULTS[reader.u8()];
      if (fault === undefined) throw malformed("unknown fault");
      return { kind, member, fault, evidence: reader.list(MAX_STATEMENTS, readStatement) };
    }
    default:
      throw malformed("unknown record");
  }
}

/** Inverse of `encodeCeremonyRecord`; throws BAD_ENCODING. */
export function decodeCeremonyRecord(bytes: Uint8Array): CeremonyRecord {
  return decodeWhole(bytes, readRecord);
}
