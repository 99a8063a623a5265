// The merkle cache in flat growable arrays: twig roots and the lower levels of the upper tree from the floor's twig to
// the tip, its higher levels whole; and how it looks through the patches that speculative batches lay over it. Knows SNs
// and hashes, neither keys nor disks.
import { sha256Into, sha256Pairs } from "#crypto/sha256.ts";
import { assert } from "#lib/assert.ts";
import {
  copyHash,
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

/**
 * Levels of the upper tree from this one on keep all their nodes, a byte for every 2,048 ops of history. So a dead node
 * that is not held stands over fewer twigs than 2 ** KEPT_LEVEL, and is made again from the roots of these.
 */
export const KEPT_LEVEL = 6;

/** Counters of a state that its root commits to, and how many bits are set. */
export interface Extent {
  readonly nextSN: number;
  readonly floorSN: number;
  readonly live: number;
}

/** Slots of a sparse set of indexes in a dense list. */
export interface SlotTable {
  /** The index that `slots[0]` is about. */
  readonly first: number;
  /** Slot plus one; 0 for an index that is not in the set. */
  readonly slots: Int32Array;
}

/** Slot of `index`, or -1. */
export function slotIn({ first, slots }: SlotTable, index: number): number {
  return (slots[index - first] ?? 0) - 1;
}

/** Hashes of one level, by slot. */
export interface PatchLevel {
  readonly at: SlotTable;
  readonly hashes: Uint8Array;
}

/** What one block changed in the tree. */
export interface TreePatch extends Extent {
  /** Touched twigs: position = slot in `left` and `bits`. */
  readonly twigs: readonly number[];
  readonly at: SlotTable;
  readonly left: Uint8Array;
  readonly bits: Uint8Array;
  /** From twig roots upwards. */
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
  if (flat.width === HASH_BYTES) copyHash(flat.data, at, source, from);
  else flat.data.set(source.subarray(from, from + flat.width), at);
  if (index >= flat.end) flat.end = index + 1;
}

/** Forgets records below `index`; the room is given back once it is half of the buffer. */
function forget(flat: Flat, index: number): void {
  const dropped = index - flat.first;
  if (dropped <= 0 || dropped * flat.width * 2 < flat.data.length) return;
  flat.data = flat.data.slice(dropped * flat.width, (flat.end - flat.first) * flat.width);
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
export function climbHeap(heap: Uint8Array, from: number, to: number): void {
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

const twigMessage = new Uint8Array(TWIG_MESSAGE_BYTES);

const NO_BITS = new Uint8Array(TWIG_BITS_BYTES);

/** Twig roots of `count` twigs; `bits` are of the last of them, those before have none set. */
export function twigRoots(left: Uint8Array, bits: Uint8Array, count: number): Uint8Array {
  const roots = new Uint8Array(count * HASH_BYTES);
  const root = new Uint8Array(HASH_BYTES);
  const dead = count - bits.length / TWIG_BITS_BYTES;
  for (let i = 0; i < count; i++) {
    if (i < dead) writeTwigMessage(twigMessage, left, i * HASH_BYTES, NO_BITS, 0);
    else writeTwigMessage(twigMessage, left, i * HASH_BYTES, bits, (i - dead) * TWIG_BITS_BYTES);
    sha256Into(twigMessage, root);
    roots.set(root, i * HASH_BYTES);
  }
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
  /** Keeps, left of the floor, only the siblings that a path from the floor needs, and the levels above. */
  const trim = (floorSN: number): void => {
    const twig = Math.floor(floorSN / TWIG_LEAVES);
    forget(left, twig);
    forget(bits, twig);
    levels.slice(0, KEPT_LEVEL).forEach((flat, height) => {
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
        const { first, slots } = changed.at;
        for (let i = 0; i < slots.length; i++) {
          const slot = (slots[i] as number) - 1;
          if (slot >= 0) put(flat, first + i, changed.hashes, slot * HASH_BYTES);
        }
      });
      extent = { nextSN: patch.nextSN, floorSN: patch.floorSN, live: patch.live };
      young = patch.young;
      root = patch.root;
      trim(extent.floorSN);
    },
    load(newExtent, leftRoots, newBits, newYoung) {
      const count = twigCount(newExtent.nextSN);
      const firstTwig = Math.floor(newExtent.floorSN / TWIG_LEAVES);
      assert(
        newBits.length === (count - firstTwig) * TWIG_BITS_BYTES,
        "bits are those of the floor's twig on",
      );
      Object.assign(left, { data: leftRoots, first: 0, end: count });
      Object.assign(bits, { data: newBits, first: firstTwig, end: count });
      levels = upperLevels(twigRoots(leftRoots, newBits, count), count, empty);
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
      for (const { at, bits } of patches) {
        const slot = slotIn(at, twig);
        if (slot >= 0) return bits.subarray(slot * TWIG_BITS_BYTES, (slot + 1) * TWIG_BITS_BYTES);
      }
      return tree.bits(twig);
    },
    left(twig) {
      for (const { at, left } of patches) {
        const slot = slotIn(at, twig);
        if (slot >= 0) return left.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
      }
      return tree.left(twig);
    },
    node(level, index) {
      for (const { levels } of patches) {
        const changed = levels[level];
        const slot = changed === undefined ? -1 : slotIn(changed.at, index);
        if (changed !== undefined && slot >= 0) {
          return changed.hashes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
        }
      }
      return tree.node(level, index);
    },
  };
}
