// Nodes of the upper tree wherever they stand: what the tree in memory let go of left of the floor, where all bits are
// clear, is made again from the stored left roots, a bounded number of rows at a time.
import { sha256Pairs } from "#crypto/sha256.ts";
import { assert } from "#lib/assert.ts";
import { createLru } from "#lib/bounded.ts";
import { HASH_BYTES } from "./format.ts";
import type { Store } from "./store.ts";
import { KEPT_LEVEL, type Tree, twigRoots } from "./tree.ts";

/** Stored left roots that one node is made from at most, read by one statement. */
export const MAX_ROOTS_READ: number = 2 ** (KEPT_LEVEL - 1);
/** Nodes kept of those made again; they never change. */
const CACHED_NODES = 4_096;

const NO_BITS = new Uint8Array(0);

export interface UpperNodes {
  /** The node at `index` of `level` (level 0: twig roots). Its bytes must not be changed. */
  node(level: number, index: number): Uint8Array;
  /** Forgets what was made: a rollback may have replaced it. */
  forget(): void;
}

/** The upper nodes of the state that `tree` and `store` hold. */
export function createUpperNodes(tree: Tree, store: Pick<Store, "prepare" | "corrupt">): UpperNodes {
  const made = createLru<string, Uint8Array>(CACHED_NODES);
  const rootsOf = store.prepare("SELECT left_root FROM twigs WHERE id >= ? AND id < ? ORDER BY id");

  const make = (level: number, index: number): Uint8Array => {
    assert(level < KEPT_LEVEL, "the upper levels are held");
    const count = 2 ** level;
    const first = index * count;
    const rows = rootsOf.all(first, first + count);
    const left = new Uint8Array(count * HASH_BYTES);
    for (let i = 0; i < count; i++) {
      const root = rows[i]?.[0];
      if (!(root instanceof Uint8Array) || root.length !== HASH_BYTES) {
        throw store.corrupt(`a root of the twigs from ${first} to ${first + count - 1} is missing or cut`);
      }
      left.set(root, i * HASH_BYTES);
    }
    let nodes = twigRoots(left, NO_BITS, count);
    for (let pairs = count / 2; pairs >= 1; pairs /= 2) {
      const above = new Uint8Array(pairs * HASH_BYTES);
      sha256Pairs(nodes, 0, pairs, above, 0);
      nodes = above;
    }
    return nodes;
  };

  return {
    node(level, index) {
      if (tree.holds(level, index)) return tree.node(level, index);
      const name = `${level}/${index}`;
      let node = made.get(name);
      if (node === undefined) {
        node = make(level, index);
        made.set(name, node);
      }
      return node;
    },
    forget: () => made.clear(),
  };
}
