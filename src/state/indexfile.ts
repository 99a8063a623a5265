// The index file beside chain.db: key index and activity bits as they were at one block, so that opening need not
// scan the whole log. Derived and checksummed: a missing, torn or foreign one is ignored, and deleting it is safe.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { equalBytes } from "#lib/bytes.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import type { Base } from "./base.ts";
import { HASH_BYTES, TWIG_BITS_BYTES, TWIG_LEAVES, twigCount } from "./format.ts";
import type { Marker } from "./marker.ts";

const MAGIC = 0x4b4f5241;
const FORMAT = 1;
const SHARDS = 256;
const SECRET_BYTES = 16;
/** Magic, format, height, digest, nextSN, floorSN, secret, words per shard. */
const HEAD_BYTES: number = 4 + 4 + 8 + HASH_BYTES + 8 + 8 + SECRET_BYTES + 4 * SHARDS;
const CHECKSUM_BYTES = 8;

/** Where a scan of the log may start. */
export interface ScanStart {
  /** Floor of the state that index and bits are of. */
  readonly floorSN: number;
  readonly nextSN: number;
  /** From the floor's twig on. */
  readonly bits: Uint8Array;
}

function checksumOf(bytes: Uint8Array): bigint {
  return Bun.hash.xxHash3(bytes);
}

function bytesOfWords(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** Writes index and bits of the committed state at `marker`; atomic, durable. Throws STATE_IO. */
export function writeIndexFile(path: string, base: Base, marker: Marker): void {
  const { index, tree } = base;
  if (marker.height === undefined) return;
  const { nextSN, floorSN } = tree.extent;
  const shards = index.dump();
  const head = new Writer(HEAD_BYTES).u32(MAGIC).u32(FORMAT).u64(marker.height).raw(marker.digest);
  head.u64(nextSN).u64(floorSN).raw(marker.secret);
  for (const shard of shards) head.u32(shard.length);
  const first = Math.floor(floorSN / TWIG_LEAVES);
  const twigs = Array.from({ length: twigCount(nextSN) - first }, (_, i) => tree.bits(first + i));
  const body = shards.reduce((sum, shard) => sum + shard.byteLength, twigs.length * TWIG_BITS_BYTES);
  const file = new Uint8Array(HEAD_BYTES + body + CHECKSUM_BYTES);
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    file.set(bytes, at);
    at += bytes.length;
  };
  put(head.finish());
  for (const bits of twigs) put(bits as Uint8Array);
  for (const shard of shards) put(bytesOfWords(shard));
  new DataView(file.buffer).setBigUint64(at, checksumOf(file.subarray(0, at)));
  place(path, file);
}

/** Puts a whole file in its place, or leaves nothing of it. Throws STATE_IO. */
function place(path: string, file: Uint8Array): void {
  const fresh = `${path}.new`;
  try {
    const handle = openSync(fresh, "w");
    try {
      for (let done = 0; done < file.length; ) done += writeSync(handle, file, done);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(fresh, path);
  } catch (cause) {
    rmSync(fresh, { force: true });
    throw new KoraError(`${path} cannot be written`, {
      code: "STATE_IO",
      why: messageOf(cause),
      hint: "check free space and the health of the disk; nothing is lost, it is made anew from chain.db",
      cause,
    });
  }
}

/** Removes the file: what it describes is no longer part of the chain. */
export function removeIndexFile(path: string): void {
  rmSync(path, { force: true });
}

function readWhole(path: string): Uint8Array | undefined {
  try {
    const bytes = readFileSync(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch {
    // Missing or unreadable: the log tells the same.
    return undefined;
  }
}

/** Loads the index and returns where to scan from; undefined, index untouched, if the file cannot serve. */
export function readIndexFile(path: string, base: Base, marker: Marker): ScanStart | undefined {
  const file = readWhole(path);
  if (file === undefined || file.length < HEAD_BYTES + CHECKSUM_BYTES) return undefined;
  const end = file.length - CHECKSUM_BYTES;
  const stored = new DataView(file.buffer, file.byteOffset + end).getBigUint64(0);
  if (stored !== checksumOf(file.subarray(0, end))) return undefined;
  const head = new Reader(file.subarray(0, HEAD_BYTES));
  if (head.u32() !== MAGIC || head.u32() !== FORMAT) return undefined;
  const height = head.u64();
  const digest = head.raw(HASH_BYTES);
  const nextSN = head.u64();
  const floorSN = head.u64();
  if (!equalBytes(head.raw(SECRET_BYTES), marker.secret)) return undefined;
  const row = base.store.prepare("SELECT hash, next_sn, floor_sn FROM blocks WHERE height = ?").get(height);
  if (row === undefined || !equalBytes(row[0] as Uint8Array, digest)) return undefined;
  if (row[1] !== nextSN || row[2] !== floorSN) return undefined;
  const bitBytes = (twigCount(nextSN) - Math.floor(floorSN / TWIG_LEAVES)) * TWIG_BITS_BYTES;
  const sizes = Array.from({ length: SHARDS }, () => head.u32());
  if (sizes.reduce((sum, words) => sum + words * 4, HEAD_BYTES + bitBytes) !== end) return undefined;
  let at = HEAD_BYTES + bitBytes;
  const shards = sizes.map((words) => {
    const bytes = file.slice(at, at + words * 4);
    at += words * 4;
    return new Uint32Array(bytes.buffer);
  });
  if (!base.index.load(shards)) return undefined;
  return { floorSN, nextSN, bits: file.slice(HEAD_BYTES, HEAD_BYTES + bitBytes) };
}
