// How final blocks travel to those who are behind: runs of blocks in ascending order, proven by one certificate at or
// above their end and the headers between, so that a run costs one signature check and a hash per block.
import { decodeWhole, malformed, type Reader, Writer } from "#lib/codec.ts";
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
  const writer = new Writer(4_096).u8(RUN).u32(id);
  for (const list of [blocks, headers]) writer.list(list, (_, bytes) => writer.bytes(bytes));
  return writer.optional(certificate, writeCertificate).finish();
}

function readRun(reader: Reader, maxBlockBytes: number): BlockRun {
  const id = reader.u32();
  const blocks = reader.list(MAX_RUN_BLOCKS, () => reader.bytes(maxBlockBytes));
  const headers = reader.list(MAX_RUN_HEADERS, () => reader.bytes(MAX_HEADER_BYTES));
  const certificate = reader.optional(readCertificate);
  if ((certificate === undefined) !== (blocks.length === 0) || (blocks.length === 0 && headers.length > 0)) {
    throw malformed("blocks and their certificate come together");
  }
  return { id, blocks, headers, certificate };
}

function readBackfill(reader: Reader, maxBlockBytes: number): BackfillMessage {
  const tag = reader.u8();
  if (tag === RUN) return { type: "run", run: readRun(reader, maxBlockBytes) };
  if (tag !== REQUEST) throw malformed("unknown kind of message");
  return { type: "request", request: { id: reader.u32(), from: reader.u64() } };
}

/** Decodes a message that spans all of `bytes`; a block is at most `maxBlockBytes`; throws BAD_ENCODING. */
export function decodeBackfill(bytes: Uint8Array, maxBlockBytes: number): BackfillMessage {
  return decodeWhole(bytes, (reader) => readBackfill(reader, maxBlockBytes));
}

/** The wire form of an announcement. */
export function encodeFinalBlock({ certificate, block }: FinalBlock): Uint8Array {
  const writer = new Writer(1_024);
  writeCertificate(writer, certificate);
  return writer.bytes(block).finish();
}

/** Decodes an announcement that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeFinalBlock(bytes: Uint8Array, maxBlockBytes: number): FinalBlock {
  return decodeWhole(bytes, (reader) => ({
    certificate: readCertificate(reader),
    block: reader.bytes(maxBlockBytes),
  }));
}
