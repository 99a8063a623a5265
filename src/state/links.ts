// Next-key links: which key follows which after a block, and who stood before a key in the state below it.
// Pure bookkeeping over sorted keys; appends nothing.
import { assert } from "#lib/assert.ts";
import { compareBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import { type Fingerprinted, type Found, findKey, findKeys, fingerprinted, type View } from "./base.ts";
import { endKey, HASH_BYTES, hasValue, OP_NEXT, opValue, sameHash, sentinelKey } from "./format.ts";
import { orderOf } from "./order.ts";

/** Keys whose predecessors one statement searches. */
const SEARCHED_AT_ONCE = 4_096;

/** What becomes of one key in a block. */
export interface Write extends Fingerprinted {
  /** The op alive in the parent state. */
  readonly before: Found | undefined;
  /** Value afterwards; undefined when absent then. */
  readonly value: Uint8Array | undefined;
  /** Of keys that come into being. */
  readonly preimage: Uint8Array | undefined;
  /** The key that follows it afterwards; undefined for the one that followed it before. */
  next: Uint8Array | undefined;
}

/** A key with the op alive in some view. */
export interface Neighbour {
  readonly key: Uint8Array;
  readonly found: Found;
}

const HEAD_BYTES = 6;

/** `writes` by key, ascending. */
export function sortWrites<T extends { readonly key: Uint8Array }>(writes: readonly T[]): T[] {
  const heads = new Float64Array(writes.length);
  for (let i = 0; i < heads.length; i++) {
    const { key } = writes[i] as T;
    let head = 0;
    for (let byte = 0; byte < HEAD_BYTES; byte++) head = head * 256 + (key[byte] as number);
    heads[i] = head;
  }
  const order = orderOf(heads);
  const sorted: T[] = [];
  for (let i = 0; i < order.length; i++) {
    const write = writes[order[i] as number] as T;
    // Nearly always the order is right by now: what is left are keys that begin alike.
    let at = sorted.push(write) - 1;
    for (; at > 0 && compareBytes((sorted[at - 1] as T).key, write.key) > 0; at--) {
      sorted[at] = sorted[at - 1] as T;
    }
    sorted[at] = write;
  }
  return sorted;
}

/** Greatest key below `key` among those that `created` (sorted) holds and `exists` confirms. */
function createdBelow(
  created: readonly { readonly key: Uint8Array }[],
  key: Uint8Array,
  exists: (key: Uint8Array) => Found | undefined,
): Neighbour | undefined {
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

/** The committed key before `key` that exists in `view` too. */
function committedBefore(view: View, key: Uint8Array): Neighbour | undefined {
  for (let below = view.base.keyBelow(key); below !== undefined; below = view.base.keyBelow(below)) {
    const found = findKey(view, below);
    if (found !== undefined) return { key: below, found };
  }
  return undefined;
}

/** The key before `key` in `view`, which may be the sentinel; `best` is the committed one, if that is known. */
export function predecessor(
  view: View,
  key: Uint8Array,
  best: Neighbour | undefined = committedBefore(view, key),
): Neighbour {
  const exists = (candidate: Uint8Array): Found | undefined => findKey(view, candidate);
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

/**
 * The committed key before each created or deleted key, all by a few statements; nothing for one whose predecessor was
 * deleted in the layers, or is the sentinel.
 */
function committedBelow(view: View, sorted: readonly Write[]): Map<Write, Neighbour> {
  const asked = sorted.filter(({ before, value }) => before === undefined || value === undefined);
  const neighbours = new Map<Write, Neighbour>();
  for (let from = 0; from < asked.length; from += SEARCHED_AT_ONCE) {
    const some = asked.slice(from, from + SEARCHED_AT_ONCE);
    const keys = view.base.keysBelow(some.map(({ key }) => key));
    const known = keys.filter((key) => key !== undefined).map((key) => fingerprinted(view.base, key));
    const ops = findKeys(view, known);
    let next = 0;
    keys.forEach((key, i) => {
      const found = key === undefined ? undefined : ops[next++];
      if (key !== undefined && found !== undefined) neighbours.set(some[i] as Write, { key, found });
    });
  }
  return neighbours;
}

/**
 * `sorted` with the predecessors of created and deleted keys, or with the sentinel in a state without any op.
 * Between a key of the parent state and its next key lies nothing of that state, so one search serves a gap.
 */
function withPredecessors(view: View, sorted: readonly Write[]): readonly Write[] {
  if (view.tree.extent.nextSN === 0) {
    const sentinel = {
      ...fingerprinted(view.base, sentinelKey()),
      before: undefined,
      value: EMPTY_BYTES,
      preimage: undefined,
      next: undefined,
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
          before: left.found,
          value: opValue(left.found.op),
          preimage: undefined,
          next: undefined,
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

function changes({ before, value, next }: Write): boolean {
  if (before === undefined || value === undefined) return before !== undefined || value !== undefined;
  return (next !== undefined && !sameHash(before.op, OP_NEXT, next, 0)) || !hasValue(before.op, value);
}

/**
 * Every key whose value or next key differs from the parent state, in ascending order, with its next key.
 * `writes` holds distinct keys, each of which comes, goes or gets another value.
 */
export function linkWrites(view: View, writes: readonly Write[]): readonly Write[] {
  const sorted = sortWrites(writes);
  const settled = sorted.every(({ before, value }) => before !== undefined && value !== undefined);
  // No key came or went: every link stays.
  if (settled && view.tree.extent.nextSN > 0) return sorted;
  const all = withPredecessors(view, sorted);
  // Where the gap behind each key ended in the parent state.
  const gapEnds: Uint8Array[] = [];
  let gapEnd = endKey();
  for (const write of all) {
    if (write.before !== undefined) gapEnd = nextOf(write.before);
    gapEnds.push(gapEnd);
  }
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
    write.next = next;
  }
  return all.filter(changes);
}
