// The ops that one block appends: their messages, leaf hashes and fingerprints, in flat growing buffers.
// Knows the layout of an op, not why it is appended.
import { sha256Into } from "#crypto/sha256.ts";
import {
  copyHash,
  HASH_BYTES,
  KIND_DEL,
  KIND_MOVE,
  KIND_PUT,
  MAX_OP_BYTES,
  OP_HEIGHT,
  OP_KEY,
  OP_KIND,
  OP_NEXT,
  OP_PREV,
  OP_VALUE,
  TAG_LEAF,
  writeU64,
} from "./format.ts";

/** Ops appended in one block: messages one after the other, `offsets[i]` to `offsets[i + 1]`. */
export interface OpRun {
  /** SN of the first. */
  readonly start: number;
  readonly count: number;
  readonly data: Uint8Array;
  readonly offsets: Uint32Array;
  /** Leaf hash of each op. */
  readonly leaves: Uint8Array;
  /** High and low fingerprint of each op's key. */
  readonly fingerprints: Uint32Array;
}

/** Op i of a run, as a view. */
export function opOfRun(run: OpRun, i: number): Uint8Array {
  return run.data.subarray(run.offsets[i], run.offsets[i + 1]);
}

/** Room made at first for each op: an account with a usual balance. */
const USUAL_OP_BYTES = 160;

// The op being written, and a view of it for each length: it is hashed and copied away at once, so one serves.
const message = new Uint8Array(MAX_OP_BYTES).fill(TAG_LEAF, 0, 1);
const views = Array.from({ length: MAX_OP_BYTES - OP_VALUE + 1 }, (_, i) =>
  message.subarray(0, OP_VALUE + i),
);
const leaf = new Uint8Array(HASH_BYTES);

function writeMeta(kind: number, prev: number, height: number): void {
  message[OP_KIND] = kind;
  writeU64(message, OP_PREV, prev);
  writeU64(message, OP_HEIGHT, height);
}

/** A key being written, with its fingerprint. */
interface Key {
  readonly key: Uint8Array;
  readonly high: number;
  readonly low: number;
}

/** Collects the ops of the block at `height`, whose first has SN `start`. */
export class Appender {
  readonly start: number;
  readonly #height: number;
  #count = 0;
  #length = 0;
  #data: Uint8Array;
  #offsets: Uint32Array;
  #leaves: Uint8Array;
  #fingerprints: Uint32Array;

  /** `expected` ops make it grow no further. */
  constructor(start: number, height: number, expected: number) {
    this.start = start;
    this.#height = height;
    this.#data = new Uint8Array(expected * USUAL_OP_BYTES + MAX_OP_BYTES);
    this.#offsets = new Uint32Array(expected + 1);
    this.#leaves = new Uint8Array(expected * HASH_BYTES);
    this.#fingerprints = new Uint32Array(expected * 2);
  }

  get count(): number {
    return this.#count;
  }

  /** SN of the next op. */
  get end(): number {
    return this.start + this.#count;
  }

  /** Appends put{key, next, value}; `nextAt` is where in `next` the next key lies. */
  put({ key, high, low }: Key, next: Uint8Array, nextAt: number, value: Uint8Array, prev: number): void {
    copyHash(message, OP_KEY, key, 0);
    copyHash(message, OP_NEXT, next, nextAt);
    writeMeta(KIND_PUT, prev, this.#height);
    for (let i = 0; i < value.length; i++) message[OP_VALUE + i] = value[i] as number;
    this.#push(OP_VALUE + value.length, high, low);
  }

  /** Appends del{key}. */
  del({ key, high, low }: Key, prev: number): void {
    copyHash(message, OP_KEY, key, 0);
    message.fill(0, OP_NEXT, OP_NEXT + HASH_BYTES);
    writeMeta(KIND_DEL, prev, this.#height);
    this.#push(OP_VALUE, high, low);
  }

  /** Appends move{the same key, next and value as `op`}, which lies at `prev`. */
  move(op: Uint8Array, high: number, low: number, prev: number): void {
    message.set(op);
    writeMeta(KIND_MOVE, prev, this.#height);
    this.#push(op.length, high, low);
  }

  #push(length: number, high: number, low: number): void {
    const op = views[length - OP_VALUE] as Uint8Array;
    const at = this.#count;
    if (this.#length + length > this.#data.length || at + 1 === this.#offsets.length) this.#grow();
    this.#data.set(op, this.#length);
    sha256Into(op, leaf);
    this.#leaves.set(leaf, at * HASH_BYTES);
    this.#fingerprints[2 * at] = high;
    this.#fingerprints[2 * at + 1] = low;
    this.#length += length;
    this.#count = at + 1;
    this.#offsets[at + 1] = this.#length;
  }

  #grow(): void {
    const room = 2 * this.#offsets.length;
    const data = new Uint8Array(2 * this.#data.length);
    const offsets = new Uint32Array(room + 1);
    const leaves = new Uint8Array(room * HASH_BYTES);
    const fingerprints = new Uint32Array(room * 2);
    data.set(this.#data);
    offsets.set(this.#offsets);
    leaves.set(this.#leaves);
    fingerprints.set(this.#fingerprints);
    this.#data = data;
    this.#offsets = offsets;
    this.#leaves = leaves;
    this.#fingerprints = fingerprints;
  }

  /** What was appended. */
  finish(): OpRun {
    return {
      start: this.start,
      count: this.#count,
      data: this.#data.subarray(0, this.#length),
      offsets: this.#offsets.subarray(0, this.#count + 1),
      leaves: this.#leaves.subarray(0, this.#count * HASH_BYTES),
      fingerprints: this.#fingerprints.subarray(0, this.#count * 2),
    };
  }
}
