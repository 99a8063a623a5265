// Bounded binary reading and writing for Kora's own wire and file formats: big-endian, canonical, total.
// A decoder consumes everything or throws BAD_ENCODING; callers facing peers turn that into a verdict.
import { KoraError } from "./error.ts";

/** The error of a decoder: BAD_ENCODING, and what is wrong with the bytes. */
export function malformed(why: string): KoraError {
  return new KoraError(`malformed encoding: ${why}`, { code: "BAD_ENCODING" });
}

/** Appends to a growing buffer. */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #reserve(count: number): number {
    const offset = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return offset;
  }

  u8(value: number): this {
    const offset = this.#reserve(1);
    this.#view.setUint8(offset, value);
    return this;
  }

  u32(value: number): this {
    const offset = this.#reserve(4);
    this.#view.setUint32(offset, value);
    return this;
  }

  /** A safe integer as 8 bytes. */
  u64(value: number): this {
    const offset = this.#reserve(8);
    this.#view.setUint32(offset, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(offset + 4, value >>> 0);
    return this;
  }

  /** Yes or no as 1 or 0. */
  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** Bytes whose length the format fixes. */
  raw(bytes: Uint8Array): this {
    const offset = this.#reserve(bytes.length);
    this.#bytes.set(bytes, offset);
    return this;
  }

  /** Bytes behind a u32 length. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  /** Items behind a u32 count. */
  list<T>(items: readonly T[], write: (writer: Writer, item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** A value behind a flag that says whether there is one. */
  optional<T>(value: T | undefined, write: (writer: Writer, value: T) => void): this {
    this.flag(value !== undefined);
    if (value !== undefined) write(this, value);
    return this;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Reads forward; every method throws BAD_ENCODING past the end. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #take(count: number): number {
    const offset = this.#offset;
    if (offset + count > this.#bytes.length) throw malformed(`needs ${count} bytes at ${offset}`);
    this.#offset += count;
    return offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A u64 that must be a safe integer. */
  u64(): number {
    const offset = this.#take(8);
    const high = this.#view.getUint32(offset);
    if (high > 0x1f_ffff) throw malformed("integer above 2^53 - 1");
    return high * 0x1_0000_0000 + this.#view.getUint32(offset + 4);
  }

  /** A byte that is 0 or 1. */
  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw malformed(`a flag is ${value}`);
    return value === 1;
  }

  /** A copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const offset = this.#take(length);
    return this.#bytes.slice(offset, offset + length);
  }

  /** Bytes behind a u32 length of at most `max`. */
  bytes(max: number): Uint8Array {
    const length = this.u32();
    if (length > max) throw malformed(`${length} bytes, at most ${max}`);
    return this.raw(length);
  }

  /** A u32 count of at most `max`. */
  count(max: number): number {
    const count = this.u32();
    if (count > max) throw malformed(`${count} items, at most ${max}`);
    return count;
  }

  /** Items behind a u32 count of at most `max`. */
  list<T>(max: number, read: (reader: Reader) => T): T[] {
    const items: T[] = [];
    for (let left = this.count(max); left > 0; left--) items.push(read(this));
    return items;
  }

  /** The value behind a flag that says whether there is one. */
  optional<T>(read: (reader: Reader) => T): T | undefined {
    return this.flag() ? read(this) : undefined;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Throws unless everything was consumed. */
  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} trailing bytes`);
  }
}

/** What `read` makes of all of `bytes`; throws BAD_ENCODING, also for what is left over. */
export function decodeWhole<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}
