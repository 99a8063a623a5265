// What one block changes in the tree: activity bits and left roots of the twigs it touches, copied when first touched,
// and the nodes above them. Knows SNs and hashes, neither keys nor disks.
import { sha256Pairs } from "#crypto/sha256.ts";
import { assert } from "#lib/assert.ts";
import type { OpRun } from "./appender.ts";
import {
  copyHash,
  HASH_BYTES,
  PAIR_BYTES,
  stateRoot,
  TWIG_BITS_BYTES,
  TWIG_LEAVES,
  upperDepth,
} from "./format.ts";
import {
  climbHeap,
  type Extent,
  type PatchLevel,
  type SlotTable,
  slotIn,
  type TreePatch,
  type TreeView,
  twigRoots,
} from "./tree.ts";

/** Activity bits as a block leaves them. */
export class BitPatch {
  readonly twigs: number[] = [];
  readonly at: SlotTable;
  readonly #view: TreeView;
  #bits: Uint8Array;
  #lastTwig = -1;
  #lastSlot = -1;

  /** Over `view`, for a block that appends nothing from `endSN` on; `expected` touched twigs make it grow no further. */
  constructor(view: TreeView, endSN: number, expected: number) {
    const first = Math.floor(view.extent.floorSN / TWIG_LEAVES);
    this.#view = view;
    this.at = { first, slots: new Int32Array(Math.ceil(endSN / TWIG_LEAVES) - first) };
    this.#bits = new Uint8Array(Math.max(1, Math.min(expected, this.at.slots.length)) * TWIG_BITS_BYTES);
  }

  /** Bits of the touched twigs, by slot. */
  get bits(): Uint8Array {
    return this.#bits.subarray(0, this.twigs.length * TWIG_BITS_BYTES);
  }

  /** Slot of `twig`, which from now on is touched. */
  touch(twig: number): number {
    const held = slotIn(this.at, twig);
    if (held >= 0) return held;
    const slot = this.twigs.length;
    if ((slot + 1) * TWIG_BITS_BYTES > this.#bits.length) {
      const grown = new Uint8Array(this.#bits.length * 2);
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.at.slots[twig - this.at.first] = slot + 1;
    this.twigs.push(twig);
    const before = this.#view.bits(twig);
    if (before !== undefined) this.#bits.set(before, slot * TWIG_BITS_BYTES);
    return slot;
  }

  /** Sets or clears the bit of `sn`, which must change by that. */
  #flip(sn: number, on: boolean): void {
    const twig = Math.floor(sn / TWIG_LEAVES);
    if (twig !== this.#lastTwig) {
      this.#lastTwig = twig;
      this.#lastSlot = this.touch(twig);
    }
    const leaf = sn - twig * TWIG_LEAVES;
    const at = this.#lastSlot * TWIG_BITS_BYTES + (leaf >> 3);
    const mask = 1 << (leaf & 7);
    const before = this.#bits[at] as number;
    if (((before & mask) === 0) !== on) assert(false, `SN ${sn} changes its activity once`);
    this.#bits[at] = before ^ mask;
  }

  set(sn: number): void {
    this.#flip(sn, true);
  }

  clear(sn: number): void {
    this.#flip(sn, false);
  }

  /** The first SN from `from` on whose bit is set; `end` if there is none below that. */
  nextLive(from: number, end: number): number {
    let twig = -1;
    let bits: Uint8Array | undefined;
    for (let sn = from; sn < end; sn++) {
      if (Math.floor(sn / TWIG_LEAVES) !== twig) {
        twig = Math.floor(sn / TWIG_LEAVES);
        const slot = slotIn(this.at, twig);
        bits =
          slot < 0
            ? this.#view.bits(twig)
            : this.#bits.subarray(slot * TWIG_BITS_BYTES, (slot + 1) * TWIG_BITS_BYTES);
      }
      const leaf = sn - twig * TWIG_LEAVES;
      if (bits !== undefined && ((bits[leaf >> 3] as number) & (1 << (leaf & 7))) !== 0) return sn;
    }
    return end;
  }
}

/** Left roots of the twigs that `run` reaches, in order, and the heap of the last. */
function appendLeaves(view: TreeView, run: OpRun): { roots: Uint8Array[]; young: Uint8Array } {
  const roots: Uint8Array[] = [];
  let young = view.young;
  const end = run.start + run.count;
  for (let sn = run.start; sn < end; ) {
    const from = sn % TWIG_LEAVES;
    const to = Math.min(TWIG_LEAVES, from + end - sn);
    const heap = (from === 0 ? view.empty.heap : young).slice();
    const first = (sn - run.start) * HASH_BYTES;
    heap.set(run.leaves.subarray(first, first + (to - from) * HASH_BYTES), (TWIG_LEAVES + from) * HASH_BYTES);
    climbHeap(heap, from, to);
    roots.push(heap.subarray(HASH_BYTES, 2 * HASH_BYTES));
    young = heap;
    sn += to - from;
  }
  return { roots, young };
}

/** The parents of the nodes in `table`, ascending, and where they are. */
function parentsOf({ first, slots }: SlotTable): { parents: number[]; at: SlotTable } {
  const firstParent = Math.floor(first / 2);
  const table = new Int32Array(Math.floor((first + slots.length - 1) / 2) - firstParent + 1);
  const parents: number[] = [];
  for (let i = 0; i < slots.length; i++) {
    if (slots[i] === 0) continue;
    const parent = Math.floor((first + i) / 2);
    if (table[parent - firstParent] !== 0) continue;
    parents.push(parent);
    table[parent - firstParent] = parents.length;
  }
  return { parents, at: { first: firstParent, slots: table } };
}

/** Upper levels above changed twigs, bottom up, each in one call. */
function climbUpper(view: TreeView, twigs: PatchLevel, depth: number): PatchLevel[] {
  let current = twigs;
  const levels: PatchLevel[] = [current];
  for (let level = 0; level < depth; level++) {
    const { parents, at } = parentsOf(current.at);
    const pairs = new Uint8Array(parents.length * PAIR_BYTES);
    for (let i = 0; i < 2 * parents.length; i++) {
      const index = 2 * (parents[i >> 1] as number) + (i & 1);
      const slot = slotIn(current.at, index);
      if (slot < 0) pairs.set(view.node(level, index), i * HASH_BYTES);
      else copyHash(pairs, i * HASH_BYTES, current.hashes, slot * HASH_BYTES);
    }
    const hashes = new Uint8Array(parents.length * HASH_BYTES);
    sha256Pairs(pairs, 0, parents.length, hashes, 0);
    current = { at, hashes };
    levels.push(current);
  }
  return levels;
}

/** The patch of one block over `view`: `run` is appended, `marks` has the bits that it set and cleared. */
export function buildPatch(view: TreeView, run: OpRun, marks: BitPatch, extent: Extent): TreePatch {
  const end = run.start + run.count;
  assert(run.count > 0 && run.start === view.extent.nextSN && end === extent.nextSN, "ops continue the log");
  const { roots, young } = appendLeaves(view, run);
  const firstNew = Math.floor(run.start / TWIG_LEAVES);
  roots.forEach((_, i) => {
    marks.touch(firstNew + i);
  });
  const { twigs, bits, at } = marks;
  const left = new Uint8Array(twigs.length * HASH_BYTES);
  for (let slot = 0; slot < twigs.length; slot++) {
    const twig = twigs[slot] as number;
    const root = twig < firstNew ? view.left(twig) : (roots[twig - firstNew] as Uint8Array);
    copyHash(left, slot * HASH_BYTES, root, 0);
  }
  const depth = upperDepth(end);
  const levels = climbUpper(view, { at, hashes: twigRoots(left, bits, twigs.length) }, depth);
  const top = (levels[depth] as PatchLevel).hashes;
  const root = stateRoot(extent.nextSN, extent.floorSN, top);
  return { ...extent, twigs, at, left, bits, levels, young, root };
}
