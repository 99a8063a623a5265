// Next-key links: which key follows which after a block, and who stood before a key in the state below it.
// Pure bookkeeping over sorted keys; appends nothing.
import { assert } from "#lib/assert.ts";
import { compareBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import { type Fingerprinted, type Found, fetchOps, findKey, fingerprinted, type View } from "./base.ts";
import { compareHash, endKey, HASH_BYTES, hasValue, OP_NEXT, opValue, sentinelKey } from "./format.ts";

/** Keys whose predecessors one statement searches. */
const SEARCHED_AT_ONCE = 4_096;

/** What becomes of one key in a block. */
export interface Write extends Fingerprinted {
  /** First 48 bits of the key: most comparisons end here. */
  readonly head: number;
  /** The op alive in the parent state. */
  readonly before: Found | undefined;
  /** Value afterwards; undefined when absent then. */
  readonly value: Uint8Array | undefined;
  /** Of keys that may be created. */
  readonly preimage: Uint8Array | undefined;
}

/** A write with the key that follows it afterwards. */
export interface LinkedWrite extends Write {
  readonly next: Uint8Array;
}

/** First 48 bits of a key, as a number that sorts as the key does. */
export function headOf(key: Uint8Array): number {
  let head = 0;
  for (let i = 0; i < 6; i++) head = head * 256 + (key[i] as number);
  return head;
}

/** Sorts by key, ascending. */
export function sortWrites<T extends Write>(writes: T[]): T[] {
  return writes.sort((a, b) => a.head - b.head || compareBytes(a.key, b.key));
}

/** Greatest key below `key` among those that `created` (sorted) holds and `exists` confirms. */
function createdBelow(
  created: readonly { readonly key: Uint8Array }[],
  key: Uint8Array,
  exists: (key: Uint8Array) => Found | undefined,
): { key: Uint8Array; found: Found } | undefined {
  let low = 0;
  let high = created.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes((created[middle] as { key: Uint8Array }).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= 0; i--) {
    const candidate = (created[i] as { key: Uint8Array }).key;
    const found = exists(candidate);
    if (found !== undefined) return { key: candidate, found };
  }
  return undefined;
}

/**
 * The key before `key` in `view`, which may be the sentinel; `below` is the committed key before it, undefined for
 * none, if that is known.
 */
export function predecessor(
  view: View,
  key: Uint8Array,
  below: Uint8Array | undefined = view.base.keyBelow(key),
): { key: Uint8Array; found: Found } {
  const exists = (candidate: Uint8Array): Found | undefined => findKey(view, candidate);
  let best: { key: Uint8Array; found: Found } | undefined;
  for (; below !== undefined; below = view.base.keyBelow(below)) {
    const found = exists(below);
    if (found !== undefined) {
      best = { key: below, found };
      break;
    }
  }
  for (const layer of view.layers) {
    const candidate = createdBelow(layer.created, key, exists);
    if (candidate === undefined) continue;
    if (best === undefined || compareBytes(candidate.key, best.key) > 0) best = candidate;
  }
  if (best !== undefined) return best;
  const sentinel = sentinelKey();
  const found = exists(sentinel);
  assert(found !== undefined, "every state holds the sentinel");
  return { key: sentinel, found };
}

/** Committed keys before those of created and deleted keys, with their ops fetched: all by a few statements. */
function committedBelow(view: View, sorted: readonly Write[]): Map<Write, Uint8Array> {
  const { base } = view;
  const asked = sorted.filter(({ before, value }) => before === undefined || value === undefined);
  const found = new Map<Write, Uint8Array>();
  for (let from = 0; from < asked.length; from += SEARCHED_AT_ONCE) {
    const some = asked.slice(from, from + SEARCHED_AT_ONCE);
    base.keysBelow(some.map(({ key }) => key)).forEach((key, i) => {
      if (key !== undefined) found.set(some[i] as Write, key);
    });
  }
  fetchOps(
    base,
    [...found.values()].map((key) => fingerprinted(base, key)),
  );
  return found;
}

/**
 * `sorted` with the predecessors of created and deleted keys, or with the sentinel in a state without any op.
 * Between a key of the parent state and its next key lies nothing of that state, so one search serves a gap.
 */
function withPredecessors(view: View, sorted: readonly Write[]): readonly Write[] {
  if (view.tree.extent.nextSN === 0) {
    const sentinel = {
      ...fingerprinted(view.base, sentinelKey()),
      head: 0,
      before: undefined,
      value: EMPTY_BYTES,
      preimage: undefined,
    };
    return [sentinel, ...sorted];
  }
  const below = committedBelow(view, sorted);
  const all: Write[] = [];
  let gapEnd: Uint8Array | undefined;
  for (const write of sorted) {
    const { key, before, value } = write;
    if (before === undefined || value === undefined) {
      if (gapEnd === undefined || compareBytes(key, gapEnd) > 0) {
        const left = predecessor(view, key, below.get(write));
        all.push({
          ...fingerprinted(view.base, left.key),
          head: headOf(left.key),
          before: left.found,
          value: opValue(left.found.op),
          preimage: undefined,
        });
        gapEnd = nextOf(left.found);
      }
    }
    if (before !== undefined) gapEnd = nextOf(before);
    all.push(write);
  }
  return all;
}

function nextOf(found: Found): Uint8Array {
  return found.op.subarray(OP_NEXT, OP_NEXT + HASH_BYTES);
}

function linkTo({ key, high, low, head, before, value, preimage }: Write, next: Uint8Array): LinkedWrite {
  return { key, high, low, head, before, value, preimage, next };
}

function changes(write: LinkedWrite): boolean {
  const { before, value, next } = write;
  if (before === undefined || value === undefined) return before !== undefined || value !== undefined;
  return compareHash(before.op, OP_NEXT, next, 0) !== 0 || !hasValue(before.op, value);
}

/**
 * Every key whose value or next key differs from the parent state, in ascending order, with its next key.
 * `writes` holds distinct keys; those that change nothing are left out.
 */
export function linkWrites(view: View, writes: Write[]): LinkedWrite[] {
  const sorted = sortWrites(writes);
  const settled = sorted.every(({ before, value }) => before !== undefined && value !== undefined);
  if (settled && view.tree.extent.nextSN > 0) {
    // No key came or went: every link stays.
    return sorted.map((write) => linkTo(write, nextOf(write.before as Found))).filter(changes);
  }
  const all = withPredecessors(view, sorted);
  // Where the gap behind each key ended in the parent state.
  const gapEnds: Uint8Array[] = [];
  let gapEnd = endKey();
  for (const write of all) {
    if (write.before !== undefined) gapEnd = nextOf(write.before);
    gapEnds.push(gapEnd);
  }
  const linked: LinkedWrite[] = [];
  let following: Uint8Array | undefined;
  for (let i = all.length - 1; i >= 0; i--) {
    const write = all[i] as Write;
    const end = gapEnds[i] as Uint8Array;
    const right = all[i + 1];
    let next = end;
    if (right !== undefined && compareBytes(right.key, end) <= 0) {
      next = right.value !== undefined ? right.key : (following as Uint8Array);
    }
    following = next;
    const result = linkTo(write, next);
    if (changes(result)) linked.push(result);
  }
  return linked.reverse();
}
