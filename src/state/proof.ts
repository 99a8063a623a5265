// Making proofs: paths from ops to the committed root, for the present and for earlier blocks, and what state sync
// serves. Reads the committed state only. Formats and verification are in verify.ts, which needs none of this.
import { assert } from "#lib/assert.ts";
import { createLru, type LruMap } from "#lib/bounded.ts";
import { compareBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { Address, Hash } from "#types/ids.ts";
import { type Base, type Found, findKey, viewOf } from "./base.ts";
import {
  accountKey,
  decodeAccount,
  HASH_BYTES,
  OP_KEY,
  opIsLive,
  opValue,
  sameHash,
  sentinelKey,
  slotKey,
  TWIG_BITS_BYTES,
  TWIG_DEPTH,
  TWIG_LEAVES,
  twigCount,
  upperDepth,
} from "./format.ts";
import { predecessor } from "./links.ts";
import { type HistorySource, lastBefore, pruned } from "./readers.ts";
import { heapOf } from "./tree.ts";
import { createUpperNodes, type UpperNodes } from "./upper-nodes.ts";
import {
  encodeManifest,
  encodeProof,
  type KeyProof,
  MAX_PROOF_SLOTS,
  type OpProof,
  peakLevels,
} from "./verify.ts";

/** Node heaps of older twigs kept: 128 KiB each. */
const CACHED_HEAPS = 16;
/** Twigs that one proof may read anew, about 3 ms each: the thread that makes proofs is the one that makes blocks. */
const MAX_TWIGS_READ = 64;
/** Keys of other times that one proof may look at, about 0.1 ms each, while searching those before absent ones. */
const MAX_NEIGHBOURS = 1_000;

function tooDear(why: string): KoraError {
  return new KoraError(`the proof would take too long to make: ${why}`, {
    code: "PROOF_UNAVAILABLE",
    hint: "ask for fewer slots at a time, or for a later height",
  });
}

/** Makes proofs about the committed state. */
export class Prover {
  readonly #base: Base;
  readonly #source: HistorySource;
  readonly #heaps: LruMap<number, Uint8Array> = createLru(CACHED_HEAPS);
  readonly #upper: UpperNodes;
  /** What the proof being made may still spend. */
  #twigsLeft = 0;
  #neighboursLeft = 0;

  constructor(base: Base, source: HistorySource) {
    this.#base = base;
    this.#source = source;
    this.#upper = createUpperNodes(base.tree, base.store);
  }

  /** Forgets everything: a rollback may have replaced it. */
  forget(): void {
    this.#heaps.clear();
    this.#upper.forget();
  }

  /** Ops of a twig, dead ones included, the youngest's as far as it goes. Throws STATE_PRUNED if not held. */
  opsOf(twig: number): Uint8Array[] {
    const { log, tree, store } = this.#base;
    const from = twig * TWIG_LEAVES;
    const prunedSN = store.prepare("SELECT pruned_sn FROM meta").get()?.[0] as number;
    if (from < prunedSN) throw new KoraError(`the ops of twig ${twig} are pruned`, { code: "STATE_PRUNED" });
    const ops: Uint8Array[] = [];
    log.scan(from, Math.min(from + TWIG_LEAVES, tree.extent.nextSN), (_, op) => ops.push(op.slice()));
    return ops;
  }

  #heap(twig: number): Uint8Array {
    const { tree } = this.#base;
    if ((twig + 1) * TWIG_LEAVES > tree.extent.nextSN) return tree.young;
    let heap = this.#heaps.get(twig);
    if (heap === undefined) {
      if (this.#twigsLeft-- === 0) throw tooDear(`it is about more than ${MAX_TWIGS_READ} twigs`);
      heap = heapOf(tree.empty, this.opsOf(twig));
      this.#heaps.set(twig, heap);
    }
    return heap;
  }

  /** The path of the op at `sn` to the committed root. */
  #proveOp(sn: number, op: Uint8Array): OpProof {
    const { tree } = this.#base;
    const { nextSN, floorSN } = tree.extent;
    const twig = Math.floor(sn / TWIG_LEAVES);
    const heap = this.#heap(twig);
    const siblings: Uint8Array[] = [];
    for (let node = TWIG_LEAVES + (sn % TWIG_LEAVES); node > 1; node >>= 1) {
      const sibling = node ^ 1;
      siblings.push(heap.slice(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES));
    }
    assert(siblings.length === TWIG_DEPTH, "a path inside a twig has its depth");
    const dead = twig < Math.floor(floorSN / TWIG_LEAVES);
    const bits = dead ? new Uint8Array(TWIG_BITS_BYTES) : (tree.bits(twig) as Uint8Array).slice();
    const upper: Uint8Array[] = [];
    for (let level = 0, index = twig; level < upperDepth(nextSN); level++, index = Math.floor(index / 2)) {
      upper.push(this.#upper.node(level, index % 2 === 0 ? index + 1 : index - 1).slice());
    }
    return { sn, nextSN, floorSN, op, siblings, bits, upper };
  }

  #proveNow(key: Uint8Array): { proof: KeyProof; found: Found | undefined } {
    const view = viewOf(this.#base, undefined);
    const found = findKey(view, key);
    const { sn, op } = found ?? predecessor(view, key).found;
    return { proof: { witness: this.#proveOp(sn, op), successor: undefined }, found };
  }

  /** The op of `key` alive before `bound`. */
  #aliveBefore(key: Uint8Array, bound: number): Found | undefined {
    const sn = lastBefore(this.#source, key, bound);
    if (sn < 0) return undefined;
    const op = this.#base.log.op(sn);
    return opIsLive(op) ? { sn, op } : undefined;
  }

  /** The key before `key` among those alive before `bound`. */
  #neighbourBefore(key: Uint8Array, bound: number): Found {
    const { store } = this.#base;
    const below = store.prepare("SELECT key FROM keys WHERE key < ? ORDER BY key DESC LIMIT 1");
    const goneBelow = store.prepare("SELECT key FROM gone WHERE key < ? ORDER BY key DESC LIMIT 1");
    let at = key;
    while (this.#neighboursLeft-- > 0) {
      const present = below.get(at)?.[0] as Uint8Array | undefined;
      const gone = goneBelow.get(at)?.[0] as Uint8Array | undefined;
      if (present === undefined && gone === undefined) at = sentinelKey();
      else if (present === undefined || gone === undefined) at = (present ?? gone) as Uint8Array;
      else at = compareBytes(present, gone) > 0 ? present : gone;
      const found = this.#aliveBefore(at, bound);
      if (found !== undefined) return found;
    }
    throw tooDear("many keys came or went since that height beside those that are absent");
  }

  /** SN of the op that replaced the one at `sn`. */
  #replacedBy(key: Uint8Array, sn: number): number {
    const { history, log, store } = { ...this.#source, store: this.#base.store };
    for (let from = sn + 1; ; ) {
      const next = history.after(key, from);
      if (next < 0) throw store.corrupt(`op ${sn} was replaced, but not by any op`);
      if (sameHash(log.op(next), OP_KEY, key, 0)) return next;
      from = next + 1;
    }
  }

  #proveThen(key: Uint8Array, bound: number): { proof: KeyProof; found: Found | undefined } {
    const found = this.#aliveBefore(key, bound);
    const { sn, op } = found ?? this.#neighbourBefore(key, bound);
    const own = op.subarray(OP_KEY, OP_KEY + HASH_BYTES);
    const witness = this.#proveOp(sn, op);
    if (findKey(viewOf(this.#base, undefined), own)?.sn === sn) {
      return { proof: { witness, successor: undefined }, found };
    }
    const next = this.#replacedBy(own, sn);
    return { proof: { witness, successor: this.#proveOp(next, this.#base.log.op(next)) }, found };
  }

  /**
   * Bytes of a proof, under the committed root, of an account and slots of it: as they are, or as they were in the
   * block at `height`. Throws STATE_PRUNED, STATE_UNKNOWN or PROOF_UNAVAILABLE.
   */
  prove(address: Address, slots: readonly Hash[], height?: number): Uint8Array {
    assert(slots.length <= MAX_PROOF_SLOTS, `a proof covers at most ${MAX_PROOF_SLOTS} slots`);
    this.#twigsLeft = MAX_TWIGS_READ;
    this.#neighboursLeft = MAX_NEIGHBOURS;
    const bound = height === undefined ? undefined : this.#boundOf(height);
    const proveKey = (key: Uint8Array): { proof: KeyProof; found: Found | undefined } =>
      bound === undefined ? this.#proveNow(key) : this.#proveThen(key, bound);
    const { proof: account, found } = proveKey(accountKey(address));
    if (found === undefined) return encodeProof({ account, slots: [] });
    const { incarnation } = decodeAccount(opValue(found.op));
    const proofs = slots.map((slot) => proveKey(slotKey(address, incarnation, slot)).proof);
    return encodeProof({ account, slots: proofs });
  }

  #boundOf(height: number): number {
    const row = this.#base.store
      .prepare("SELECT next_sn, (SELECT oldest FROM meta) FROM blocks WHERE height = ?")
      .get(height);
    if (row === undefined) throw new KoraError(`no block at height ${height}`, { code: "STATE_UNKNOWN" });
    const [bound, oldest] = row as readonly [number, number];
    if (height < oldest) throw pruned(height, oldest);
    return bound;
  }

  /** Bytes of the manifest of the committed state. */
  manifest(): Uint8Array {
    const { tree } = this.#base;
    const { nextSN, floorSN } = tree.extent;
    const first = Math.floor(floorSN / TWIG_LEAVES);
    let done = 0;
    const peaks = peakLevels(first).map((level) => {
      const peak = this.#upper.node(level, done / 2 ** level);
      done += 2 ** level;
      return peak;
    });
    const twigs = Array.from({ length: twigCount(nextSN) - first }, (_, i) => ({
      left: tree.left(first + i),
      bits: tree.bits(first + i) as Uint8Array,
    }));
    return encodeManifest({ nextSN, floorSN, peaks, twigs });
  }
}
