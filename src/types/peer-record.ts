// Where a node says it can be dialled, under its own signature, and the two messages in which nodes ask for and pass on
// such records. Whether an address is worth dialling is decided where it is used.

import { utf8 } from "#lib/bytes.ts";
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
import {
  IDENTITY_KEY_BYTES,
  IDENTITY_SIGNATURE_BYTES,
  type IdentityKey,
  identityKey,
  identityKeyBytes,
} from "./identity.ts";
import { bytesOf, type Hash } from "./ids.ts";

/** A node's word on where it is. */
export interface PeerRecord {
  readonly key: IdentityKey;
  /** An IP address in its usual text form; names are not exchanged. */
  readonly host: string;
  readonly port: number;
  /** Unix seconds at which it was signed. */
  readonly time: number;
  readonly signature: Uint8Array;
}

export type ExchangeMessage =
  /** Asks for records, and leaves the asker's own if it can be dialled. */
  | { readonly type: "ask"; readonly own: PeerRecord | undefined }
  | { readonly type: "answer"; readonly records: readonly PeerRecord[] };

/** Letters of the longest IPv6 address. */
const MAX_HOST_BYTES = 39;
/** Records in one answer. */
export const MAX_RECORDS = 16;
/** Bytes of a message at most. */
export const MAX_EXCHANGE_BYTES: number =
  1 + 4 + MAX_RECORDS * (IDENTITY_KEY_BYTES + 4 + MAX_HOST_BYTES + 4 + 8 + IDENTITY_SIGNATURE_BYTES + 4);

const ASK = 0;
const ANSWER = 1;
const HOST = /^[0-9a-f.:]+$/;

function writePlace(writer: Writer, { key, host, port, time }: Omit<PeerRecord, "signature">): Writer {
  return writer.raw(identityKeyBytes(key)).bytes(utf8(host)).u32(port).u64(time);
}

/** What the owner signs: bound to the chain that begins with `genesis`. */
export function recordMessage(genesis: Hash, place: Omit<PeerRecord, "signature">): Uint8Array {
  return writePlace(new Writer(128).raw(utf8("KORA-PEER")).raw(bytesOf(genesis)), place).finish();
}

function readRecord(reader: Reader): PeerRecord {
  const key = identityKey(reader.raw(IDENTITY_KEY_BYTES));
  const host = String.fromCharCode(...reader.bytes(MAX_HOST_BYTES));
  if (!HOST.test(host)) throw malformed("the host is no IP address");
  const port = reader.u32();
  if (port < 1 || port > 65_535) throw malformed("the port is from 1 to 65535");
  const time = reader.u64();
  return { key, host, port, time, signature: reader.raw(IDENTITY_SIGNATURE_BYTES) };
}

const writeRecord = (writer: Writer, record: PeerRecord): Writer =>
  writePlace(writer, record).raw(record.signature);

/** The wire form of a message. */
export function encodeExchange(message: ExchangeMessage): Uint8Array {
  return message.type === "ask"
    ? new Writer(256).u8(ASK).optional(message.own, writeRecord).finish()
    : new Writer(1_024).u8(ANSWER).list(message.records, writeRecord).finish();
}

function readMessage(reader: Reader): ExchangeMessage {
  const tag = reader.u8();
  if (tag === ASK) return { type: "ask", own: reader.optional(readRecord) };
  if (tag !== ANSWER) throw malformed("unknown kind of message");
  return { type: "answer", records: reader.list(MAX_RECORDS, readRecord) };
}

/** Decodes a message that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeExchange(bytes: Uint8Array): ExchangeMessage {
  return decodeWhole(bytes, readMessage);
}
