// What validators say to each other about consensus: one bounded, total wire form for every message.
// Bodies travel as the RLP of their block; everything else is the codec of #lib.
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
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

const TAGS = { vote: 0, certificates: 1, request: 2, hello: 3, echo: 4, bodyRequest: 5, body: 6 } as const;

/** The wire form of a message. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(512).u8(TAGS[message.type]);
  switch (message.type) {
    case "vote":
      writeVote(writer, message.vote);
      break;
    case "certificates":
      writer.list(message.certificates, writeCertificate);
      break;
    case "request":
      writer.list(message.wants, (_, { kind, view }) => writer.flag(kind === "nullify").u64(view));
      break;
    case "hello":
      writer.u64(message.view);
      break;
    case "echo":
      writer.optional(message.vote, writeVote);
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

function readWant(reader: Reader): Want {
  return { kind: reader.flag() ? "nullify" : "notarize", view: reader.u64() };
}

function readMessage(reader: Reader, maxBody: number): Message {
  switch (reader.u8()) {
    case TAGS.vote:
      return { type: "vote", vote: readVote(reader) };
    case TAGS.certificates:
      return { type: "certificates", certificates: reader.list(MAX_BATCH, readCertificate) };
    case TAGS.request:
      return { type: "request", wants: reader.list(MAX_BATCH, readWant) };
    case TAGS.hello:
      return { type: "hello", view: reader.u64() };
    case TAGS.echo:
      return { type: "echo", vote: reader.optional(readVote) };
    case TAGS.bodyRequest:
      return { type: "bodyRequest", digest: hash(reader.raw(32)) };
    case TAGS.body:
      return { type: "body", body: reader.bytes(maxBody) };
    default:
      throw malformed("unknown kind of message");
  }
}

/** Decodes a message that spans all of `bytes`; a body is at most `maxBody` bytes; throws BAD_ENCODING. */
export function decodeMessage(bytes: Uint8Array, maxBody: number): Message {
  return decodeWhole(bytes, (reader) => readMessage(reader, maxBody));
}
