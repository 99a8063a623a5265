// Bringing the committed state back into memory from chain.db, and proving that it is what the last block's header
// says. Refuses anything else; repairs nothing.
import { keccakHash } from "#crypto/hash.ts";
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { decodeHeader } from "#types/header.ts";
import { bytesOf, hash } from "#types/ids.ts";
import type { Base } from "./base.ts";
import { HASH_BYTES, TWIG_LEAVES, twigCount } from "./format.ts";
import { readIndexFile, type ScanStart } from "./indexfile.ts";
import type { Marker } from "./marker.ts";
import { Marks } from "./marks.ts";
import type { Store } from "./store.ts";
import { heapOf } from "./tree.ts";

/** Checks that marker, block row and header of the last block agree. */
function checkMarker(store: Store, marker: Marker): void {
  const row = store
    .prepare("SELECT hash, root, next_sn, floor_sn, live, header FROM blocks WHERE height = ?")
    .get(marker.height ?? 0);
  if (row === undefined) throw store.corrupt("the block of the height marker is missing");
  const [digest, root, nextSN, floorSN, live, header] = row;
  const same =
    nextSN === marker.nextSN &&
    floorSN === marker.floorSN &&
    live === marker.live &&
    equalBytes(digest as Uint8Array, marker.digest) &&
    equalBytes(root as Uint8Array, marker.root);
  if (!same) throw store.corrupt("the height marker and the block's row differ");
  if (keccakHash(header as Uint8Array) !== hash(marker.digest)) {
    throw store.corrupt("the header of the last block does not have the block's hash");
  }
  const { stateRoot } = decodeHeader(header as Uint8Array);
  if (!equalBytes(bytesOf(stateRoot), marker.root)) {
    throw store.corrupt(`the header's state root ${stateRoot} is not that of the height marker`);
  }
}

/** Rows of stored roots read at once: there are as many as the chain has had ops, by 2,048. */
const ROOTS_AT_ONCE = 4_096;

/** Stored left roots of all `complete` twigs, 32 bytes each, at the front of `out`. */
function readLeftRoots(store: Store, complete: number, out: Uint8Array): void {
  const select = store.prepare(
    `SELECT id, left_root FROM twigs WHERE id >= ? ORDER BY id LIMIT ${ROOTS_AT_ONCE}`,
  );
  let expected = 0;
  for (let rows = select.all(0); rows.length > 0; rows = select.all(expected)) {
    for (const [id, root] of rows) {
      const sound = id === expected && root instanceof Uint8Array && root.length === HASH_BYTES;
      if (!sound || expected >= complete) {
        throw store.corrupt(`the root of twig ${expected} is missing or cut`);
      }
      out.set(root, expected * HASH_BYTES);
      expected++;
    }
  }
  if (expected !== complete) throw store.corrupt(`the root of twig ${expected} is missing`);
}

/** Left roots of all twigs, the youngest computed from its ops; and that twig's node heap. */
export function loadLeftRoots(base: Base, nextSN: number): { leftRoots: Uint8Array; young: Uint8Array } {
  const { store, log, tree } = base;
  const complete = Math.floor(nextSN / TWIG_LEAVES);
  const leftRoots = new Uint8Array(twigCount(nextSN) * HASH_BYTES);
  readLeftRoots(store, complete, leftRoots);
  const messages: Uint8Array[] = [];
  log.scan(complete * TWIG_LEAVES, nextSN, (_, op) => messages.push(op));
  const young = heapOf(tree.empty, messages);
  if (messages.length > 0 || complete === 0) {
    leftRoots.set(young.subarray(HASH_BYTES, 2 * HASH_BYTES), complete * HASH_BYTES);
  }
  return { leftRoots, young };
}

/** Whether an index file led to the right root; one that contradicts the log is as good as none. */
function serves(attempt: () => boolean): boolean {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof KoraError) return false;
    throw error;
  }
}

/** Index and bits at `marker`, from `start` on; returns the bits from the floor's twig on. */
function replayFrom(base: Base, marker: Marker, start: ScanStart): Uint8Array {
  const { store, log, index } = base;
  const { nextSN, floorSN } = marker;
  const marks = new Marks(base, start.floorSN, nextSN);
  marks.bits.set(start.bits);
  index.setFloor(start.floorSN);
  try {
    log.scan(start.nextSN, nextSN, (sn, op) => marks.redo(sn, op));
  } catch (error) {
    if (error instanceof KoraError && error.code !== "INVARIANT") throw error;
    throw store.corrupt("the ops of the log contradict each other", error);
  }
  index.setFloor(floorSN);
  return marks.between(floorSN, nextSN);
}

/**
 * Loads index and tree of `base` for `marker`, and checks the root against marker and header. `indexFile` is where
 * the index file lies, if this store keeps one; a wrong one costs a scan of the log and nothing else.
 * Returns how far the file that served reached, 0 without one.
 */
export function recover(base: Base, marker: Marker, indexFile: string | undefined): number {
  const { store, index, tree } = base;
  index.clear();
  if (marker.height === undefined) return 0;
  checkMarker(store, marker);
  const { nextSN, floorSN } = marker;
  const { leftRoots, young } = loadLeftRoots(base, nextSN);
  const attempt = (start: ScanStart): boolean => {
    tree.load(marker, leftRoots.slice(), replayFrom(base, marker, start), young);
    return equalBytes(tree.root, marker.root);
  };
  const held = indexFile === undefined ? undefined : readIndexFile(indexFile, base, marker);
  if (held !== undefined && held.nextSN <= nextSN && serves(() => attempt(held))) return held.nextSN;
  index.clear();
  if (attempt({ floorSN, nextSN: floorSN, bits: new Uint8Array(0) })) return 0;
  throw store.corrupt(
    `its content has root 0x${tree.root.toHex()}, the header says 0x${marker.root.toHex()}`,
  );
}
