// The owner of chain.db at work: who may build on, commit, return to and read what. One per data directory.
// Opening it is state.ts's business, how a batch is built batch.ts's, how rows are written commit.ts's.
import { keccakHash } from "#crypto/hash.ts";
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { StateChanges } from "#types/account.ts";
import { decodeHeader } from "#types/header.ts";
import { type Address, bytesOf, type Hash, type Height, hash, height } from "#types/ids.ts";
import { openArchive } from "./archive.ts";
import { type Base, type Layer, viewOf } from "./base.ts";
import { buildLayer } from "./batch.ts";
import { openBlockRows } from "./blocks.ts";
import { createWriters, fold, type Writers } from "./commit.ts";
import { HistoryIndex, OP_TABLES } from "./history.ts";
import { openIndexGap } from "./index-gap.ts";
import { removeIndexFile, writeIndexFile } from "./indexfile.ts";
import { readMarker } from "./marker.ts";
import { openNotes } from "./notes.ts";
import { Prover } from "./proof.ts";
import {
  type Ground,
  type HistorySource,
  type LatestReader,
  openAt,
  openBatchReader,
  openCode,
  openLatest,
} from "./readers.ts";
import { recover } from "./recovery.ts";
import { pruneBelow, type Rollback, rollbackTarget, rollbackTo } from "./rollback.ts";
import type {
  Archive,
  Finalized,
  Head,
  IndexRows,
  Notes,
  StateBatch,
  StateDb,
  StateReader,
} from "./types.ts";

/** Ops after which the index file is written anew, or as many as are live: bounds what opening must scan. */
const INDEX_OPS = 2 ** 20;

/** A batch with what is behind it. */
interface OwnBatch extends StateBatch {
  readonly layer: Layer;
}

/** Refuses a block that does not belong on `head` or whose parts contradict each other. */
function checkNext(head: Head | undefined, { batch, record }: Finalized): void {
  const wrong = (why: string): KoraError =>
    new KoraError(`block ${record.height} cannot be committed: ${why}`, {
      code: "BAD_COMMIT",
      kind: "safety",
    });
  if (record.stateRoot !== batch.root) throw wrong("its state root is not that of its batch");
  if (record.height !== batch.height) throw wrong("its height is not that of its batch");
  if (decodeHeader(record.header).stateRoot !== batch.root) throw wrong("its header has another state root");
  if (keccakHash(record.header) !== record.hash) throw wrong("its header has another hash");
  if (head === undefined) return;
  if (record.height !== head.height + 1) throw wrong(`the head is at ${head.height}`);
  if (record.parentHash !== head.hash) throw wrong(`its parent is not the head ${head.hash}`);
}

function layerOf({ batch }: Finalized): Layer {
  return (batch as OwnBatch).layer;
}

function stale(layer: Layer): KoraError {
  return new KoraError(`the batch at height ${layer.height} stands on a state that lost`, {
    code: "STALE_BATCH",
  });
}

/** The one writer of a chain.db. */
export class StateOwner implements StateDb {
  readonly path: string;
  readonly archive: Archive;
  readonly notes: Notes;
  readonly #base: Base;
  readonly #parts: Rollback;
  readonly #writers: Writers;
  readonly #latest: LatestReader;
  readonly #source: HistorySource;
  readonly #prover: Prover;
  readonly #indexes: boolean;
  readonly #cleanUp: () => void;
  #head: Head | undefined;

  /** Over a recovered `base`; `cleanUp` runs after closing. */
  constructor(base: Base, indexes: boolean, cleanUp: () => void) {
    const { store } = base;
    const history = new HistoryIndex(
      store,
      base.fingerprint,
      base.fingerprintOut,
      OP_TABLES,
      () => readMarker(store).prunedSN,
    );
    const gap = openIndexGap(store, indexes);
    const blocks = openBlockRows(store, base, () => indexes && gap.from() === undefined);
    const code = openCode(store);
    this.path = store.path;
    this.archive = openArchive(store, base, gap);
    this.notes = openNotes(store);
    this.#base = base;
    this.#parts = { base, history, blocks, gap };
    this.#writers = createWriters(base, store, history, blocks);
    this.#latest = openLatest(base, code);
    this.#source = { store, log: base.log, history, code };
    this.#prover = new Prover(base, this.#source);
    this.#indexes = indexes;
    this.#cleanUp = cleanUp;
    this.#readHead();
    if (!indexes && gap.from() === undefined) gap.set(this.#nextHeight());
  }

  #readHead(): void {
    const { height: at, digest, root } = readMarker(this.#base.store);
    this.#head = at === undefined ? undefined : { height: height(at), hash: hash(digest), root: hash(root) };
  }

  #nextHeight(): number {
    return this.#head === undefined ? 0 : this.#head.height + 1;
  }

  /** A column of the block at `at`. */
  #blockBytes(column: "hash" | "root", at: number): Uint8Array | undefined {
    const row = this.#base.store.prepare(`SELECT ${column} FROM blocks WHERE height = ?`).get(at);
    return row?.[0] as Uint8Array | undefined;
  }

  /** What a layer stands on now; throws STALE_BATCH for one whose branch lost. */
  #groundOf(layer: Layer): Ground {
    const base = this.#base;
    if (layer.folded && base.ground !== layer.token) {
      const root = this.#blockBytes("root", layer.height);
      if (root === undefined || !equalBytes(root, layer.root)) throw stale(layer);
      return { layers: [], below: openAt(this.#source, layer.height) };
    }
    const { layers } = viewOf(base, layer);
    const lowest = layers[layers.length - 1];
    if (lowest !== undefined && (lowest.parent?.token ?? lowest.ground) !== base.ground) throw stale(layer);
    return { layers, below: this.#latest };
  }

  head(): Head {
    if (this.#head !== undefined) return this.#head;
    throw new KoraError("the store holds no block yet", { code: "NO_GENESIS" });
  }

  get isEmpty(): boolean {
    return this.#head === undefined;
  }

  latest(): StateReader {
    return this.#latest;
  }

  at(to: Height): StateReader {
    return openAt(this.#source, to);
  }

  prepare(parent: StateBatch | undefined, at: Height, changes: StateChanges): StateBatch {
    const below = (parent as OwnBatch | undefined)?.layer;
    if (below !== undefined && this.#groundOf(below).below !== this.#latest) throw stale(below);
    const expected = below?.height ?? this.#head?.height;
    assert(expected === undefined || at === expected + 1, `a batch at height ${at} stands on ${at - 1}`);
    const layer = buildLayer(this.#base, below, at, changes);
    const reader = openBatchReader(this.#base.store, () => this.#groundOf(layer));
    const batch: OwnBatch = {
      height: at,
      root: hash(layer.root),
      get parent() {
        return below === undefined || below.folded ? undefined : parent;
      },
      account: reader.account,
      storage: reader.storage,
      code: reader.code,
      hasStorage: reader.hasStorage,
      layer,
    };
    return batch;
  }

  /** Whether this block is committed already; throws if another one is at its height. */
  #isHeld({ record }: Finalized): boolean {
    if (this.#head === undefined || record.height > this.#head.height) return false;
    const held = this.#blockBytes("hash", record.height);
    if (held !== undefined && equalBytes(held, bytesOf(record.hash))) return true;
    throw new KoraError(`another block is final at height ${record.height}`, {
      code: "BAD_COMMIT",
      kind: "safety",
      hint: "two blocks were finalized at one height: stop and compare with the other validators",
    });
  }

  /** A transaction failed: what its writers remember of it does not hold. */
  #abandon(): void {
    this.#parts.history.abandon();
    this.#parts.blocks.abandon();
  }

  commit(finalized: readonly Finalized[]): void {
    const base = this.#base;
    const fresh = finalized.filter((block) => !this.#isHeld(block));
    const last = fresh[fresh.length - 1];
    if (last === undefined) return;
    let head = this.#head;
    let ground = base.ground;
    for (const block of fresh) {
      checkNext(head, block);
      const layer = layerOf(block);
      if ((layer.parent?.token ?? layer.ground) !== ground) throw stale(layer);
      ground = layer.token;
      head = { height: block.record.height, hash: block.record.hash, root: block.batch.root };
    }
    try {
      base.store.write(() => {
        for (const block of fresh) this.#writers.persist(layerOf(block), block.record);
        this.#writers.mark(layerOf(last), last.record);
      });
    } catch (error) {
      this.#abandon();
      throw error;
    }
    for (const block of fresh) {
      fold(base, layerOf(block));
      this.#latest.follow(layerOf(block));
    }
    this.#head = head;
  }

  rollback(to: Height): void {
    if (to === this.#head?.height) return;
    const base = this.#base;
    const target = rollbackTarget(this.#parts, to);
    if (base.indexFile !== undefined) removeIndexFile(base.indexFile);
    try {
      rollbackTo(this.#parts, target);
    } catch (error) {
      base.log.forget();
      this.#abandon();
      recover(base, readMarker(base.store), base.indexFile);
      throw error;
    } finally {
      base.ground = {};
      this.#latest.forget();
      this.#prover.forget();
      this.#base.indexedSN = 0;
      this.#readHead();
    }
  }

  get unindexed(): Height | undefined {
    const from = this.#indexes ? this.#parts.gap.from() : undefined;
    return from === undefined ? undefined : height(from);
  }

  indexSome(rowsOf: (height: Height) => IndexRows): void {
    const from = this.unindexed;
    if (from === undefined) return;
    const end = this.#nextHeight();
    try {
      this.#base.store.write(() => {
        const next = this.#parts.blocks.index(from, end, rowsOf);
        this.#parts.gap.set(next < end ? next : undefined);
      });
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  prune(oldest: Height): void {
    pruneBelow(this.#parts, oldest);
  }

  prove(address: Address, slots: readonly Hash[], at?: Height): Uint8Array {
    return this.#prover.prove(address, slots, at);
  }

  manifest(): Uint8Array {
    return this.#prover.manifest();
  }

  twigOps(twig: number): readonly Uint8Array[] {
    return this.#prover.opsOf(twig);
  }

  checkpoint(): number {
    const logBytes = this.#base.store.checkpoint(false);
    const { nextSN, live } = this.#base.tree.extent;
    if (nextSN - this.#base.indexedSN > Math.max(INDEX_OPS, live)) this.#writeIndex();
    return logBytes;
  }

  #writeIndex(): void {
    const { store, indexFile, tree } = this.#base;
    if (indexFile === undefined || tree.extent.nextSN === this.#base.indexedSN) return;
    writeIndexFile(indexFile, this.#base, readMarker(store));
    this.#base.indexedSN = tree.extent.nextSN;
  }

  close(): void {
    const { store } = this.#base;
    this.#writeIndex();
    store.checkpoint(true);
    store.close();
    this.#cleanUp();
  }
}
