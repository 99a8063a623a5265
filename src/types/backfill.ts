// How final blocks travel to those who are behind: runs of blocks in ascending order, proven by one certificate at or
// above their end and the headers between, so that a run costs one signature check and a hash per block.
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import { type Certificate, readCertificate, writeCertificate } from "./certificate.ts";

/** Asks for final blocks from height `from` on. */
export interface BlockRequest {
  /** Chosen by the asker; the answer repeats it. */
  readonly id: number;
  readonly from: number;
}

/** Consecutive final blocks. None: the answerer does not hold the first one asked for. */
export interface BlockRun {
  readonly id: number;
  /** Wire forms, ascending by height. */
  readonly blocks: readonly Uint8Array[];
  /** Headers of the blocks that follow, up to the one that the certificate is of. */
  readonly headers: readonly Uint8Array[];
  /** Finalization of the last of these blocks or headers; undefined in an empty run. */
  readonly certificate: Certificate | undefined;
}

export type BackfillMessage =
  | { readonly type: "request"; readonly request: BlockRequest }
  | { readonly type: "run"; readonly run: BlockRun };

/** A final block with its certificate, as it is announced to followers. */
export interface FinalBlock {
  readonly certificate: Certificate;
  readonly block: Uint8Array;
}

/** Blocks, and headers, of one run at most. */
export const MAX_RUN_BLOCKS = 256;
export const MAX_RUN_HEADERS = 1_024;
/** Bytes of an encoded header at most: its fields and extraData. */
export const MAX_HEADER_BYTES = 1_024;

const REQUEST = 0;
const RUN = 1;

/** The wire form of a backfill message. */
export function encodeBackfill(message: BackfillMessage): Uint8Array {
  if (message.type === "request") {
    return new Writer(16).u8(REQUEST).u32(message.request.id).u64(message.request.from).finish();
  }
  const { id, blocks, headers, certificate } = message.run;
  const writer = new Writer(4_096).u8(RUN).u32(id).u32(blocks.length);
  for (const block of blocks) writer.bytes(block);
  writer.u32(headers.length);
  for (const header of headers) writer.bytes(header);
  writer.u8(certificate === undefined ? 0 : 1);
  if (certificate !== undefined) writeCertificate(writer, certificate);
  return writer.finish();
}

function malformed(why: string): KoraError {
  return new KoraError(`malformed backfill: ${why}`, { code: "BAD_ENCODING" });
}

function readMany(reader: Reader, count: number, maxBytes: number): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) items.push(reader.bytes(maxBytes));
  return items;
}

function readRun(reader: Reader, maxBlockBytes: number): BlockRun {
  const id = reader.u32();
  const blocks = readMany(reader, reader.count(MAX_RUN_BLOCKS), maxBlockBytes);
  const headers = readMany(reader, reader.count(MAX_RUN_HEADERS), MAX_HEADER_BYTES);
  const has = reader.u8();
  if (has > 1) throw malformed("a flag is 0 or 1");
  const certificate = has === 1 ? readCertificate(reader) : undefined;
  if ((certificate === undefined) !== (blocks.length === 0) || (blocks.length === 0 && headers.length > 0)) {
    throw malformed("blocks and their certificate come together");
  }
  return { id, blocks, headers, certificate };
}

/** Decodes a message that spans all of `bytes`; a block is at most `maxBlockBytes`; throws BAD_ENCODING. */
export function decodeBackfill(bytes: Uint8Array, maxBlockBytes: number): BackfillMessage {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  if (tag > RUN) throw malformed("unknown tag");
  const message: BackfillMessage =
    tag === REQUEST
      ? { type: "request", request: { id: reader.u32(), from: reader.u64() } }
      : { type: "run", run: readRun(reader, maxBlockBytes) };
  reader.end();
  return message;
}

/** The wire form of an announcement. */
export function encodeFinalBlock({ certificate, block }: FinalBlock): Uint8Array {
  const writer = new Writer(1_024);
  writeCertificate(writer, certificate);
  return writer.bytes(block).finish();
}

/** Decodes an announcement that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeFinalBlock(bytes: Uint8Array, maxBlockBytes: number): FinalBlock {
  const reader = new Reader(bytes);
  const certificate = readCertificate(reader);
  const block = reader.bytes(maxBlockBytes);
  reader.end();
  return { certificate, block };
}
