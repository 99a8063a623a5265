// The merkle cache: twig roots and the upper tree in flat growable arrays from the floor's twig to the tip, and
// the copy-on-write patches that speculative batches lay over it. Knows SNs and hashes, neither keys nor disks.
import { sha256Into, sha256Pairs, sha256Run } from "#crypto/sha256.ts";
import { assert } from "#lib/assert.ts";
import {
  type EmptyNodes,
  emptyNodes,
  HASH_BYTES,
  PAIR_BYTES,
  stateRoot,
  TWIG_BITS_BYTES,
  TWIG_DEPTH,
  TWIG_LEAVES,
  TWIG_MESSAGE_BYTES,
  twigCount,
  upperDepth,
  writeTwigMessage,
} from "./format.ts";

/** Bytes of the node heap of one twig: node 1 is the left root, leaf i is node TWIG_LEAVES + i. */
const HEAP_BYTES = 2 * TWIG_LEAVES * HASH_BYTES;

/** Counters of a state that its root commits to, and how many bits are set. */
export interface Extent {
  readonly nextSN: number;
  readonly floorSN: number;
  readonly live: number;
}

/** Hashes of one level by node index. */
interface PatchLevel {
  readonly slots: ReadonlyMap<number, number>;
  readonly hashes: Uint8Array;
}

/** What one block changed in the tree. */
export interface TreePatch extends Extent {
  /** Touched twigs, ascending; position = slot in `left` and `bits`. */
  readonly twigs: readonly number[];
  readonly slots: ReadonlyMap<number, number>;
  readonly left: Uint8Array;
  readonly bits: Uint8Array;
  readonly levels: readonly PatchLevel[];
  /** Node heap of the youngest twig. */
  readonly young: Uint8Array;
  readonly root: Uint8Array;
}

/** Empty subtrees, and an empty twig's node heap to copy. */
export interface EmptyTree extends EmptyNodes {
  readonly heap: Uint8Array;
}

/** Fixed-width records with a movable first index, in one growing buffer. */
interface Flat {
  readonly width: number;
  data: Uint8Array;
  /** Index of the record at byte 0. */
  first: number;
  /** Index behind the last record. */
  end: number;
}

function createFlat(width: number): Flat {
  return { width, data: new Uint8Array(width * 16), first: 0, end: 0 };
}

function put(flat: Flat, index: number, source: Uint8Array, from: number): void {
  const at = (index - flat.first) * flat.width;
  assert(at >= 0, "records left of the floor are gone");
  if (at + flat.width > flat.data.length) {
    const grown = new Uint8Array(Math.max(at + flat.width, Math.ceil((flat.data.length * 3) / 2)));
    grown.set(flat.data);
    flat.data = grown;
  }
  for (let i = 0; i < flat.width; i++) flat.data[at + i] = source[from + i] as number;
  if (index >= flat.end) flat.end = index + 1;
}

/** Forgets records below `index`; the room is taken back once it is half of the buffer. */
function forget(flat: Flat, index: number): void {
  const dropped = index - flat.first;
  if (dropped <= 0 || dropped * flat.width * 2 < flat.data.length) return;
  flat.data.copyWithin(0, dropped * flat.width, (flat.end - flat.first) * flat.width);
  flat.first = index;
}

/** The committed tree. */
export interface Tree {
  readonly extent: Extent;
  readonly root: Uint8Array;
  readonly empty: EmptyTree;
  readonly young: Uint8Array;
  /** Activity bits of a twig from the floor's on, as a view; undefined for a twig that does not exist. */
  bits(twig: number): Uint8Array | undefined;
  /** Left root of a twig from the floor's on. */
  left(twig: number): Uint8Array;
  /** A node of the upper tree (level 0: twig roots), as a view. */
  node(level: number, index: number): Uint8Array;
  /** Whether node answers for this position: right of what the floor left behind. */
  holds(level: number, index: number): boolean;
  /** Folds a finalized block's patch. */
  apply(patch: TreePatch): void;
  /**
   * Replaces everything. `leftRoots` holds 32 bytes for every twig since SN 0; `bits` of those from the floor's
   * twig on; `young` is the node heap of the youngest.
   */
  load(extent: Extent, leftRoots: Uint8Array, bits: Uint8Array, young: Uint8Array): void;
}

/** An empty node heap to copy. */
function emptyHeap(empty: EmptyNodes): Uint8Array {
  const heap = new Uint8Array(HEAP_BYTES);
  for (let node = 1; node < 2 * TWIG_LEAVES; node++) {
    const level = TWIG_DEPTH - (31 - Math.clz32(node));
    heap.set(empty.leaf[level] as Uint8Array, node * HASH_BYTES);
  }
  return heap;
}

/** Recomputes the inner nodes of a heap above leaves `from`…`to − 1`. */
function climbHeap(heap: Uint8Array, from: number, to: number): void {
  let low = TWIG_LEAVES + from;
  let high = TWIG_LEAVES + to - 1;
  while (low > 1) {
    low >>= 1;
    high >>= 1;
    sha256Pairs(heap, low * PAIR_BYTES, high - low + 1, heap, low * HASH_BYTES);
  }
}

/** Node heap of a twig whose first leaves are hashes of `messages`. */
export function heapOf(empty: EmptyTree, messages: readonly Uint8Array[]): Uint8Array {
  const heap = empty.heap.slice();
  messages.forEach((message, i) => {
    const at = (TWIG_LEAVES + i) * HASH_BYTES;
    sha256Into(message, heap.subarray(at, at + HASH_BYTES));
  });
  if (messages.length > 0) climbHeap(heap, 0, messages.length);
  return heap;
}

/** Twig roots of `count` twigs. */
export function twigRoots(left: Uint8Array, bits: Uint8Array, count: number): Uint8Array {
  const messages = new Uint8Array(count * TWIG_MESSAGE_BYTES);
  for (let i = 0; i < count; i++) {
    writeTwigMessage(
      messages,
      i * TWIG_MESSAGE_BYTES,
      left.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
      bits.subarray(i * TWIG_BITS_BYTES, (i + 1) * TWIG_BITS_BYTES),
    );
  }
  const roots = new Uint8Array(count * HASH_BYTES);
  sha256Run(messages, 0, TWIG_MESSAGE_BYTES, count, roots, 0);
  return roots;
}

/** All levels above `count` twig roots, these included. */
function upperLevels(roots: Uint8Array, count: number, empty: EmptyNodes): Flat[] {
  const levels: Flat[] = [{ width: HASH_BYTES, data: roots, first: 0, end: count }];
  let below = roots;
  for (let height = 0, nodes = count; nodes > 1; height++) {
    const pairs = Math.ceil(nodes / 2);
    const padded = new Uint8Array(pairs * PAIR_BYTES);
    padded.set(below);
    if (nodes % 2 === 1) padded.set(empty.upper[height] as Uint8Array, nodes * HASH_BYTES);
    below = new Uint8Array(pairs * HASH_BYTES);
    sha256Pairs(padded, 0, pairs, below, 0);
    levels.push({ width: HASH_BYTES, data: below, first: 0, end: pairs });
    nodes = pairs;
  }
  return levels;
}

/** The committed tree, empty. */
export function createTree(): Tree {
  const nodes = emptyNodes();
  const empty: EmptyTree = { ...nodes, heap: emptyHeap(nodes) };
  const left = createFlat(HASH_BYTES);
  const bits = createFlat(TWIG_BITS_BYTES);
  let levels: Flat[] = [createFlat(HASH_BYTES)];
  let extent: Extent = { nextSN: 0, floorSN: 0, live: 0 };
  let young = empty.heap;
  let root: Uint8Array = stateRoot(0, 0, empty.upper[0] as Uint8Array);

  const record = (flat: Flat, index: number): Uint8Array => {
    const at = (index - flat.first) * flat.width;
    assert(at >= 0, "records left of the floor are gone");
    return flat.data.subarray(at, at + flat.width);
  };
  const level = (height: number): Flat => {
    while (levels.length <= height) levels.push(createFlat(HASH_BYTES));
    return levels[height] as Flat;
  };
  /** Keeps, left of the floor, only the siblings that a path from the floor needs. */
  const trim = (floorSN: number): void => {
    const twig = Math.floor(floorSN / TWIG_LEAVES);
    forget(left, twig);
    forget(bits, twig);
    levels.forEach((flat, height) => {
      const index = Math.floor(twig / 2 ** height);
      forget(flat, index - (index % 2));
    });
  };
  const node = (height: number, index: number): Uint8Array => {
    const flat = levels[height];
    if (flat === undefined || index >= flat.end) return empty.upper[height] as Uint8Array;
    return record(flat, index);
  };

  return {
    get extent() {
      return extent;
    },
    get root() {
      return root;
    },
    get young() {
      return young;
    },
    empty,
    bits: (twig) => (twig < bits.end ? record(bits, twig) : undefined),
    left: (twig) => record(left, twig),
    node,
    holds: (height, index) => index >= (levels[height]?.first ?? 0),
    apply(patch) {
      patch.twigs.forEach((twig, slot) => {
        put(left, twig, patch.left, slot * HASH_BYTES);
        put(bits, twig, patch.bits, slot * TWIG_BITS_BYTES);
      });
      patch.levels.forEach((changed, height) => {
        const flat = level(height);
        for (const [index, slot] of changed.slots) put(flat, index, changed.hashes, slot * HASH_BYTES);
      });
      extent = { nextSN: patch.nextSN, floorSN: patch.floorSN, live: patch.live };
      young = patch.young;
      root = patch.root;
      trim(extent.floorSN);
    },
    load(newExtent, leftRoots, newBits, newYoung) {
      const count = twigCount(newExtent.nextSN);
      const firstTwig = Math.floor(newExtent.floorSN / TWIG_LEAVES);
      const allBits = new Uint8Array(count * TWIG_BITS_BYTES);
      allBits.set(newBits, firstTwig * TWIG_BITS_BYTES);
      Object.assign(left, { data: leftRoots, first: 0, end: count });
      Object.assign(bits, { data: allBits, first: 0, end: count });
      levels = upperLevels(twigRoots(leftRoots, allBits, count), count, empty);
      extent = newExtent;
      young = newYoung;
      root = stateRoot(extent.nextSN, extent.floorSN, node(upperDepth(extent.nextSN), 0));
      trim(extent.floorSN);
    },
  };
}

/** The tree as seen through patches that were not folded yet, newest first. */
export interface TreeView {
  readonly extent: Extent;
  readonly young: Uint8Array;
  bits(twig: number): Uint8Array | undefined;
  left(twig: number): Uint8Array;
  node(level: number, index: number): Uint8Array;
  readonly empty: EmptyTree;
}

/** `tree` under `patches` (newest first). */
export function viewThrough(tree: Tree, patches: readonly TreePatch[]): TreeView {
  const newest = patches[0];
  return {
    extent: newest ?? tree.extent,
    young: newest?.young ?? tree.young,
    empty: tree.empty,
    bits(twig) {
      for (const patch of patches) {
        const slot = patch.slots.get(twig);
        if (slot !== undefined) {
          return patch.bits.subarray(slot * TWIG_BITS_BYTES, (slot + 1) * TWIG_BITS_BYTES);
        }
      }
      return tree.bits(twig);
    },
    left(twig) {
      for (const patch of patches) {
        const slot = patch.slots.get(twig);
        if (slot !== undefined) return patch.left.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
      }
      return tree.left(twig);
    },
    node(level, index) {
      for (const patch of patches) {
        const changed = patch.levels[level];
        const slot = changed?.slots.get(index);
        if (changed !== undefined && slot !== undefined) {
          return changed.hashes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
        }
      }
      return tree.node(level, index);
    },
  };
}

/** Ops appended in one block: messages one after the other, `offsets[i]` to `offsets[i + 1]`. */
export interface OpRun {
  /** SN of the first. */
  readonly start: number;
  readonly count: number;
  readonly data: Uint8Array;
  readonly offsets: Uint32Array;
}

/** Left roots of the twigs that `run` reaches, in order, and the heap of the last. */
function appendLeaves(view: TreeView, run: OpRun): { roots: Uint8Array[]; young: Uint8Array } {
  const roots: Uint8Array[] = [];
  let young = view.young;
  const end = run.start + run.count;
  for (let sn = run.start; sn < end; ) {
    const from = sn % TWIG_LEAVES;
    const to = Math.min(TWIG_LEAVES, from + end - sn);
    const heap = from === 0 ? view.empty.heap.slice() : young.slice();
    for (let leaf = from; leaf < to; leaf++) {
      const i = sn - run.start + leaf - from;
      const message = run.data.subarray(run.offsets[i], run.offsets[i + 1]);
      const at = (TWIG_LEAVES + leaf) * HASH_BYTES;
      sha256Into(message, heap.subarray(at, at + HASH_BYTES));
    }
    climbHeap(heap, from, to);
    roots.push(heap.subarray(HASH_BYTES, 2 * HASH_BYTES));
    young = heap;
    sn += to - from;
  }
  return { roots, young };
}

/** Upper levels above changed twigs, bottom up, each in one call. */
function climbUpper(
  view: TreeView,
  twigs: readonly number[],
  roots: Uint8Array,
  depth: number,
): PatchLevel[] {
  const slotsOf = (indexes: readonly number[]): Map<number, number> => {
    const slots = new Map<number, number>();
    indexes.forEach((index, slot) => {
      slots.set(index, slot);
    });
    return slots;
  };
  let indexes = twigs;
  let current: PatchLevel = { slots: slotsOf(twigs), hashes: roots };
  const levels: PatchLevel[] = [current];
  for (let level = 0; level < depth; level++) {
    const parents: number[] = [];
    for (const index of indexes) {
      const parent = Math.floor(index / 2);
      if (parents[parents.length - 1] !== parent) parents.push(parent);
    }
    const pairs = new Uint8Array(parents.length * PAIR_BYTES);
    const child = (index: number, at: number): void => {
      const slot = current.slots.get(index);
      if (slot === undefined) pairs.set(view.node(level, index), at);
      else pairs.set(current.hashes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES), at);
    };
    parents.forEach((parent, i) => {
      child(parent * 2, i * PAIR_BYTES);
      child(parent * 2 + 1, i * PAIR_BYTES + HASH_BYTES);
    });
    const hashes = new Uint8Array(parents.length * HASH_BYTES);
    sha256Pairs(pairs, 0, parents.length, hashes, 0);
    current = { slots: slotsOf(parents), hashes };
    levels.push(current);
    indexes = parents;
  }
  return levels;
}

/**
 * The patch of one block over `view`: `run` is appended, `dead` lists the cleared SNs (of earlier blocks), and
 * `liveOps[i]` tells whether op i of the run sets its own bit.
 */
export function buildPatch(
  view: TreeView,
  run: OpRun,
  dead: readonly number[],
  sets: (i: number) => boolean,
  extent: Extent,
): TreePatch {
  const end = run.start + run.count;
  assert(run.count > 0 && run.start === view.extent.nextSN && end === extent.nextSN, "ops continue the log");
  const touched = new Set<number>();
  for (const sn of dead) touched.add(Math.floor(sn / TWIG_LEAVES));
  const firstNew = Math.floor(run.start / TWIG_LEAVES);
  const lastNew = Math.floor((end - 1) / TWIG_LEAVES);
  for (let twig = firstNew; twig <= lastNew; twig++) touched.add(twig);
  const twigs = Float64Array.from(touched).sort();
  const order = Array.from(twigs);
  const slots = new Map<number, number>();
  const bits = new Uint8Array(order.length * TWIG_BITS_BYTES);
  const left = new Uint8Array(order.length * HASH_BYTES);
  order.forEach((twig, slot) => {
    slots.set(twig, slot);
    const before = view.bits(twig);
    if (before !== undefined) bits.set(before, slot * TWIG_BITS_BYTES);
    if (twig < firstNew) left.set(view.left(twig), slot * HASH_BYTES);
  });
  let lastTwig = -1;
  let lastSlot = 0;
  const mark = (sn: number, on: boolean): void => {
    const twig = Math.floor(sn / TWIG_LEAVES);
    const leaf = sn % TWIG_LEAVES;
    if (twig !== lastTwig) {
      lastTwig = twig;
      lastSlot = slots.get(twig) as number;
    }
    const at = lastSlot * TWIG_BITS_BYTES + (leaf >> 3);
    const mask = 1 << (leaf & 7);
    assert(((bits[at] as number) & mask) === (on ? 0 : mask), `SN ${sn} changes its activity once`);
    bits[at] = (bits[at] as number) ^ mask;
  };
  for (const sn of dead) mark(sn, false);
  for (let i = 0; i < run.count; i++) if (sets(i)) mark(run.start + i, true);
  const { roots, young } = appendLeaves(view, run);
  roots.forEach((root, i) => {
    left.set(root, (slots.get(firstNew + i) as number) * HASH_BYTES);
  });
  const depth = upperDepth(end);
  const levels = climbUpper(view, order, twigRoots(left, bits, order.length), depth);
  const top = (levels[depth] as PatchLevel).hashes;
  const root = stateRoot(extent.nextSN, extent.floorSN, top);
  return { ...extent, twigs: order, slots, left, bits, levels, young, root };
}
