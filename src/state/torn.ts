// Damage that SQLite does not see when it opens a file: one that was cut, or is gone. What is inside, recovery checks.
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { corruption } from "./store.ts";

/** Bytes of SQLite's file header, and where it holds page size and page count (sqlite.org/fileformat2.html, 1.3). */
const HEADER_BYTES = 100;
const PAGE_SIZE_AT = 16;
const PAGE_COUNT_AT = 28;

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function readHeader(path: string): DataView {
  const header = new Uint8Array(HEADER_BYTES);
  const handle = openSync(path, "r");
  try {
    readSync(handle, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(handle);
  }
  return new DataView(header.buffer);
}

/**
 * Refuses a chain.db that is shorter than it says, or empty although `companion` belongs to one. While there is a
 * write-ahead log, the length says nothing: a checkpoint may have been cut short, and SQLite takes it up again.
 */
export function refuseTorn(path: string, companion: string): void {
  const size = sizeOf(path);
  if (size === 0) {
    if (existsSync(companion)) {
      throw corruption(path, undefined, `it is missing or empty, but ${companion} belongs to one`);
    }
    return;
  }
  if (size < HEADER_BYTES) throw corruption(path, undefined, `it is cut to ${size} bytes`);
  if (sizeOf(`${path}-wal`) > 0) return;
  const header = readHeader(path);
  const stored = header.getUint16(PAGE_SIZE_AT);
  const whole = (stored === 1 ? 65_536 : stored) * header.getUint32(PAGE_COUNT_AT);
  if (size < whole) throw corruption(path, undefined, `it has ${size} bytes and should have ${whole}`);
}
