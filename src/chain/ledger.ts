// The ledger view: all state management in one place, and the tree of blocks above the finalized tip. Answers what
// a block stands on, which transactions are in flight below it and what its ancestors' hashes are.
// Does not execute, judge or commit anything.

import { assert } from "#lib/assert.ts";
import type { StateBatch, StateDb, StateReader } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { decodeHeader, type Header } from "#types/header.ts";
import { bytesOf, type Hash, type Height, height } from "#types/ids.ts";
import { BLOCK_HASH_WINDOW } from "#types/limits.ts";
import { createFinalHashes } from "./hashes.ts";
import type { Mempool, SeedTracker, Snapshot, SnapshotStore } from "./ports.ts";
import { seedHash } from "./snapshots.ts";

/** Bodies held above the finalized tip; a body pushed out is fetched again when it is needed. */
export const MAX_BODIES = 512;

/** What a child is built on. */
export interface ParentView {
  readonly header: Header;
  readonly hash: Hash;
  /** Undefined when the parent is the finalized tip: its state is the committed one. */
  readonly batch: StateBatch | undefined;
  readonly reader: StateReader;
}

/** The way from the finalized tip to a block: every body, oldest first, or what is missing. */
export type Ancestry =
  | { readonly kind: "complete"; readonly blocks: readonly Block[] }
  | { readonly kind: "missing"; readonly digest: Hash }
  | { readonly kind: "lost" };

/** A block without its body. */
export interface Tip {
  readonly header: Header;
  readonly hash: Hash;
}

export interface LedgerView {
  readonly mempool: Mempool;
  readonly snapshots: SnapshotStore;
  readonly seeds: SeedTracker;
  readonly state: StateDb;
  /** The finalized tip. */
  tip(): Tip;
  /** Remembers a body above the tip; a body is no verdict. */
  addBody(block: Block): void;
  body(digest: Hash): Block | undefined;
  /** The tip or an executed block; undefined when there is no state for it here. */
  parent(digest: Hash): ParentView | undefined;
  /** Consensus certified a block above the tip: until it certifies another, the next one is to stand on it. */
  certify(digest: Hash): void;
  /**
   * Executed blocks from above the tip up to the certified one, oldest first; none where no block above the tip is
   * certified, or where one of them has not been executed here.
   */
  certified(): readonly Snapshot[];
  /** Blocks from above the tip up to and including `digest`. */
  ancestry(digest: Hash): Ancestry;
  /** Hashes of the transactions in those blocks. */
  inFlight(digest: Hash): ReadonlySet<Hash>;
  /** Hash of the ancestor of `child`'s parent at a height, within the BLOCKHASH window. */
  blockHashes(parent: Hash): (at: Height) => Hash | undefined;
  /** Whether the block is final here. */
  isFinal(digest: Hash): boolean;
  /** Moves to the head just committed: drops bodies and snapshots that won or lost. */
  advance(head: Tip): void;
  /** Forgets everything above the committed head, after a rollback. */
  reset(): void;
}

function readTip(state: StateDb, seeds: SeedTracker): Tip {
  const head = state.head();
  const stored = state.archive.block(head.height);
  assert(stored !== undefined, "the store holds the block of its head");
  if (head.height === 0) {
    // R13: genesis has no round, its hash stands in for the seed.
    seeds.insert(head.hash, head.height, seedHash(bytesOf(head.hash)));
  } else if (stored.seed !== undefined) {
    seeds.insert(head.hash, head.height, seedHash(stored.seed), stored.seed);
  }
  return { header: decodeHeader(stored.header), hash: head.hash };
}

/** A ledger view over its four parts; the store must hold its genesis. */
export function createLedgerView(
  parts: Pick<LedgerView, "mempool" | "snapshots" | "seeds" | "state">,
): LedgerView {
  const { snapshots, seeds, state } = parts;
  const bodies = new Map<Hash, Block>();
  const finalHashes = createFinalHashes(state.archive);
  let tip = readTip(state, seeds);
  let certifiedTip: Hash | undefined;

  const isArchived = (digest: Hash): boolean => state.archive.heightOf(digest) !== undefined;

  const ancestry = (digest: Hash): Ancestry => {
    const blocks: Block[] = [];
    for (let at = digest; at !== tip.hash; ) {
      const block = bodies.get(at);
      if (block === undefined) return isArchived(at) ? { kind: "lost" } : { kind: "missing", digest: at };
      if (block.header.number <= tip.header.number) return { kind: "lost" };
      blocks.push(block);
      at = block.header.parentHash;
    }
    return { kind: "complete", blocks: blocks.reverse() };
  };

  const blockHashes = (parent: Hash): ((at: Height) => Hash | undefined) => {
    const above = new Map<Height, Hash>();
    for (let at = bodies.get(parent); at !== undefined; at = bodies.get(at.header.parentHash)) {
      above.set(at.header.number, at.hash);
    }
    const base = tip.header.number;
    return (at) => (at > base ? above.get(at) : finalHashes.at(at));
  };

  return {
    ...parts,
    tip: () => tip,
    addBody(block) {
      if (block.header.number <= tip.header.number) return;
      bodies.set(block.hash, block);
      if (bodies.size > MAX_BODIES) bodies.delete(bodies.keys().next().value as Hash);
    },
    body: (digest) => bodies.get(digest),
    parent(digest) {
      if (digest === tip.hash) return { ...tip, batch: undefined, reader: state.latest() };
      const snapshot = snapshots.get(digest);
      if (snapshot === undefined) return undefined;
      const { block, batch } = snapshot;
      return { header: block.header, hash: block.hash, batch, reader: batch };
    },
    certify(digest) {
      if (bodies.has(digest)) certifiedTip = digest;
    },
    certified() {
      const way = certifiedTip === undefined ? undefined : ancestry(certifiedTip);
      if (way?.kind !== "complete") return [];
      const executed = way.blocks.map(({ hash }) => snapshots.get(hash));
      return executed.includes(undefined) ? [] : (executed as Snapshot[]);
    },
    ancestry,
    inFlight(digest) {
      const way = ancestry(digest);
      const blocks = way.kind === "complete" ? way.blocks : [];
      return new Set(blocks.flatMap(({ transactions }) => transactions.map(({ hash }) => hash)));
    },
    blockHashes,
    // Bodies are held of blocks above the tip only: for those the archive need not be asked.
    isFinal: (digest) => digest === tip.hash || (!bodies.has(digest) && isArchived(digest)),
    advance({ header, hash }) {
      assert(hash === state.head().hash, "the ledger follows the store");
      tip = { header, hash };
      snapshots.prune(header.number);
      for (const [digest, body] of bodies) {
        if (body.header.number <= header.number) bodies.delete(digest);
      }
      if (certifiedTip !== undefined && !bodies.has(certifiedTip)) certifiedTip = undefined;
      seeds.prune(height(Math.max(0, header.number - BLOCK_HASH_WINDOW)));
    },
    reset() {
      bodies.clear();
      certifiedTip = undefined;
      snapshots.clear();
      finalHashes.clear();
      tip = readTip(state, seeds);
    },
  };
}
