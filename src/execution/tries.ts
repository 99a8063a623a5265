// Roots of Merkle-Patricia tries (yellow paper, appendix D) built in one pass from all their entries: the
// transactions, receipts and withdrawals roots of a header. Nothing is stored and nothing can be looked up.
import { keccak256 } from "#crypto/hash.ts";
import { encodeRlp, type RlpItem, rlpUint } from "#lib/rlp.ts";
import { EMPTY_TRIE_ROOT, type Hash, hash } from "#types/ids.ts";

interface Leaf {
  /** Key as nibbles. */
  readonly path: Uint8Array;
  readonly value: Uint8Array;
}

function nibbles(key: Uint8Array): Uint8Array {
  const path = new Uint8Array(key.length * 2);
  for (const [index, byte] of key.entries()) {
    path[index * 2] = byte >> 4;
    path[index * 2 + 1] = byte & 15;
  }
  return path;
}

/** Hex-prefix encoding (yellow paper, appendix C). */
function hexPrefix(path: Uint8Array, isLeaf: boolean): Uint8Array {
  const odd = path.length % 2;
  const out = new Uint8Array((path.length >> 1) + 1);
  out[0] = ((isLeaf ? 2 : 0) + odd) << 4;
  if (odd === 1) out[0] |= path[0] as number;
  for (let i = odd, at = 1; i < path.length; i += 2, at++) {
    out[at] = ((path[i] as number) << 4) | (path[i + 1] as number);
  }
  return out;
}

/** How a parent refers to a node: inline below 32 bytes, else by hash. */
function reference(node: RlpItem): RlpItem {
  const encoded = encodeRlp(node);
  return encoded.length < 32 ? node : keccak256(encoded);
}

function sharedPrefix(leaves: readonly Leaf[], depth: number): number {
  const first = (leaves[0] as Leaf).path;
  const last = (leaves[leaves.length - 1] as Leaf).path;
  let length = depth;
  while (length < first.length && length < last.length && first[length] === last[length]) length++;
  return length - depth;
}

/** The node over `leaves`, which are sorted by path and agree on the first `depth` nibbles. */
function build(leaves: readonly Leaf[], depth: number): RlpItem {
  const first = leaves[0] as Leaf;
  if (leaves.length === 1) return [hexPrefix(first.path.subarray(depth), true), first.value];
  const shared = sharedPrefix(leaves, depth);
  if (shared > 0) {
    const path = first.path.subarray(depth, depth + shared);
    return [hexPrefix(path, false), reference(build(leaves, depth + shared))];
  }
  const branch: RlpItem[] = [];
  let start = first.path.length === depth ? 1 : 0;
  const own = start === 1 ? first.value : new Uint8Array(0);
  for (let nibble = 0; nibble < 16; nibble++) {
    let end = start;
    while (end < leaves.length && (leaves[end] as Leaf).path[depth] === nibble) end++;
    branch.push(end === start ? new Uint8Array(0) : reference(build(leaves.slice(start, end), depth + 1)));
    start = end;
  }
  branch.push(own);
  return branch;
}

function comparePaths(a: Leaf, b: Leaf): number {
  const length = Math.min(a.path.length, b.path.length);
  for (let i = 0; i < length; i++) {
    const difference = (a.path[i] as number) - (b.path[i] as number);
    if (difference !== 0) return difference;
  }
  return a.path.length - b.path.length;
}

/** Root of the trie that maps each key to its value; keys are distinct, values not empty. */
export function trieRoot(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>): Hash {
  const leaves = Array.from(entries, ([key, value]) => ({ path: nibbles(key), value }));
  if (leaves.length === 0) return EMPTY_TRIE_ROOT;
  leaves.sort(comparePaths);
  return hash(keccak256(encodeRlp(build(leaves, 0))));
}

/** Root of the trie that maps rlp(index) to each item: transactionsRoot, receiptsRoot, withdrawalsRoot. */
export function orderedTrieRoot(items: readonly Uint8Array[]): Hash {
  return trieRoot(items.map((item, index) => [encodeRlp(rlpUint(index)), item] as const));
}
