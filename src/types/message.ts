// What validators say to each other about consensus: one bounded, total wire form for every message.
// Bodies travel as the RLP of their block; everything else is the codec of #lib.
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import { type Certificate, readCertificate, writeCertificate } from "./certificate.ts";
import { bytesOf, type Hash, hash } from "./ids.ts";
import { readVote, type Vote, writeVote } from "./vote.ts";

/** A certificate somebody lacks: a nullification of the view, or the notarization (or finalization) of a block in it. */
export interface Want {
  readonly view: number;
  readonly kind: "nullify" | "notarize";
}

export type Message =
  | { readonly type: "vote"; readonly vote: Vote }
  | { readonly type: "certificates"; readonly certificates: readonly Certificate[] }
  | { readonly type: "request"; readonly wants: readonly Want[] }
  /** A validator that just started asks what its peers have seen of it (R18). */
  | { readonly type: "hello"; readonly view: number }
  /** The newest vote of the asker that the answerer holds. */
  | { readonly type: "echo"; readonly vote: Vote | undefined }
  | { readonly type: "bodyRequest"; readonly digest: Hash }
  | { readonly type: "body"; readonly body: Uint8Array };

/** Certificates in one message, and wants in one request. */
export const MAX_BATCH = 64;

function malformed(why: string): KoraError {
  return new KoraError(`malformed message: ${why}`, { code: "BAD_ENCODING" });
}

const TAGS = { vote: 0, certificates: 1, request: 2, hello: 3, echo: 4, bodyRequest: 5, body: 6 } as const;

/** The wire form of a message. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(512).u8(TAGS[message.type]);
  switch (message.type) {
    case "vote":
      writeVote(writer, message.vote);
      break;
    case "certificates":
      writer.u32(message.certificates.length);
      for (const certificate of message.certificates) writeCertificate(writer, certificate);
      break;
    case "request":
      writer.u32(message.wants.length);
      for (const want of message.wants) writer.u8(want.kind === "nullify" ? 1 : 0).u64(want.view);
      break;
    case "hello":
      writer.u64(message.view);
      break;
    case "echo":
      writer.u8(message.vote === undefined ? 0 : 1);
      if (message.vote !== undefined) writeVote(writer, message.vote);
      break;
    case "bodyRequest":
      writer.raw(bytesOf(message.digest));
      break;
    case "body":
      writer.bytes(message.body);
      break;
  }
  return writer.finish();
}

function flag(reader: Reader): boolean {
  const value = reader.u8();
  if (value > 1) throw malformed("a flag is 0 or 1");
  return value === 1;
}

function readMessage(reader: Reader, maxBody: number): Message {
  switch (reader.u8()) {
    case TAGS.vote:
      return { type: "vote", vote: readVote(reader) };
    case TAGS.certificates: {
      const count = reader.count(MAX_BATCH);
      return {
        type: "certificates",
        certificates: Array.from({ length: count }, () => readCertificate(reader)),
      };
    }
    case TAGS.request: {
      const wants: Want[] = [];
      for (let left = reader.count(MAX_BATCH); left > 0; left--) {
        const kind = flag(reader) ? "nullify" : "notarize";
        wants.push({ kind, view: reader.u64() });
      }
      return { type: "request", wants };
    }
    case TAGS.hello:
      return { type: "hello", view: reader.u64() };
    case TAGS.echo:
      return { type: "echo", vote: flag(reader) ? readVote(reader) : undefined };
    case TAGS.bodyRequest:
      return { type: "bodyRequest", digest: hash(reader.raw(32)) };
    case TAGS.body:
      return { type: "body", body: reader.bytes(maxBody) };
    default:
      throw malformed("unknown tag");
  }
}

/** Decodes a message that spans all of `bytes`; a body is at most `maxBody` bytes; throws BAD_ENCODING. */
export function decodeMessage(bytes: Uint8Array, maxBody: number): Message {
  const reader = new Reader(bytes);
  const message = readMessage(reader, maxBody);
  reader.end();
  return message;
}
