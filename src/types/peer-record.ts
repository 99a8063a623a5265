// Where a node says it can be dialled, under its own signature, and the two messages in which nodes ask for and pass on
// such records. Whether an address is worth dialling is decided where it is used.

import { utf8 } from "#lib/bytes.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
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

function malformed(why: string): KoraError {
  return new KoraError(`malformed peer record: ${why}`, { code: "BAD_ENCODING" });
}

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
  if (message.type === "ask") {
    const writer = new Writer(256).u8(ASK).u8(message.own === undefined ? 0 : 1);
    return (message.own === undefined ? writer : writeRecord(writer, message.own)).finish();
  }
  const writer = new Writer(1_024).u8(ANSWER).u32(message.records.length);
  for (const record of message.records) writeRecord(writer, record);
  return writer.finish();
}

function readMessage(reader: Reader): ExchangeMessage {
  const tag = reader.u8();
  if (tag === ASK) {
    const has = reader.u8();
    if (has > 1) throw malformed("a flag is 0 or 1");
    return { type: "ask", own: has === 1 ? readRecord(reader) : undefined };
  }
  if (tag !== ANSWER) throw malformed("no such message");
  const count = reader.count(MAX_RECORDS);
  return { type: "answer", records: Array.from({ length: count }, () => readRecord(reader)) };
}

/** Decodes a message that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeExchange(bytes: Uint8Array): ExchangeMessage {
  const reader = new Reader(bytes);
  const message = readMessage(reader);
  reader.end();
  return message;
}
