// Bringing the committed state back into memory from chain.db, and proving that it is what the last block's header
// says. Refuses anything else; repairs nothing.
import { keccakHash } from "#crypto/hash.ts";
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { decodeHeader } from "#types/header.ts";
import { bytesOf, hash } from "#types/ids.ts";
import type { Base } from "./base.ts";
import {
  HASH_BYTES,
  NONE,
  OP_KEY,
  opIsLive,
  opPrev,
  TWIG_BITS_BYTES,
  TWIG_LEAVES,
  twigCount,
} from "./format.ts";
import { readIndexFile, type ScanStart } from "./indexfile.ts";
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import type { Store } from "./store.ts";
import { type Extent, heapOf } from "./tree.ts";

/** The height marker. */
export interface Marker extends Extent {
  /** Undefined before genesis. */
  readonly height: number | undefined;
  readonly digest: Uint8Array;
  readonly root: Uint8Array;
  /** Ops below are pruned. */
  readonly prunedSN: number;
  /** Key of the fingerprints. */
  readonly secret: Uint8Array;
}

/** Makes the tables of a new database; refuses one with another layout. */
export function ensureSchema(store: Store): void {
  const tables = store.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table'").get()?.[0];
  if (tables === 0) {
    store.write(() => {
      for (const sql of SCHEMA) store.prepare(sql).run();
      const secret = crypto.getRandomValues(new Uint8Array(16));
      store
        .prepare("INSERT INTO meta VALUES (0, ?, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, ?)")
        .run(SCHEMA_VERSION, secret);
    });
    return;
  }
  checkSchema(store);
}

/** Refuses a database that is not Kora's, or has another layout. */
export function checkSchema(store: Store): void {
  if (store.prepare("SELECT 1 FROM sqlite_master WHERE name = 'meta'").get() === undefined) {
    throw store.corrupt("it is a database, but not one of Kora");
  }
  const version = store.prepare("SELECT schema FROM meta").get()?.[0];
  if (version !== SCHEMA_VERSION) {
    throw new KoraError(`${store.path} has layout ${version}, this version of Kora reads ${SCHEMA_VERSION}`, {
      code: "STATE_SCHEMA",
      kind: "safety",
      why: "the data directory was written by another version",
      hint: "use that version, or start with an empty data directory and sync",
    });
  }
}

/** Reads the height marker. */
export function readMarker(store: Store): Marker {
  const row = store
    .prepare("SELECT height, digest, root, next_sn, floor_sn, live, pruned_sn, secret FROM meta")
    .get();
  if (row === undefined) throw store.corrupt("the height marker is missing");
  const [height, digest, root, nextSN, floorSN, live, prunedSN, secret] = row;
  if (!(secret instanceof Uint8Array) || secret.length !== 16)
    throw store.corrupt("the height marker is cut");
  return {
    height: (height as number | null) ?? undefined,
    digest: digest instanceof Uint8Array ? digest : new Uint8Array(0),
    root: root instanceof Uint8Array ? root : new Uint8Array(0),
    nextSN: nextSN as number,
    floorSN: floorSN as number,
    live: live as number,
    prunedSN: prunedSN as number,
    secret,
  };
}

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

/** Left roots of all twigs, the youngest computed from its ops; and that twig's node heap. */
export function loadLeftRoots(base: Base, nextSN: number): { leftRoots: Uint8Array; young: Uint8Array } {
  const { store, log, tree } = base;
  const complete = Math.floor(nextSN / TWIG_LEAVES);
  const leftRoots = new Uint8Array(twigCount(nextSN) * HASH_BYTES);
  let expected = 0;
  for (const [id, root] of store.prepare("SELECT id, left_root FROM twigs ORDER BY id").all()) {
    if (
      id !== expected ||
      !(root instanceof Uint8Array) ||
      root.length !== HASH_BYTES ||
      expected >= complete
    ) {
      throw store.corrupt(`the root of twig ${expected} is missing or cut`);
    }
    leftRoots.set(root, expected * HASH_BYTES);
    expected++;
  }
  if (expected !== complete) throw store.corrupt(`the root of twig ${expected} is missing`);
  const messages: Uint8Array[] = [];
  log.scan(complete * TWIG_LEAVES, nextSN, (_, op) => messages.push(op));
  const young = heapOf(tree.empty, messages);
  if (messages.length > 0 || complete === 0) {
    leftRoots.set(young.subarray(HASH_BYTES, 2 * HASH_BYTES), complete * HASH_BYTES);
  }
  return { leftRoots, young };
}

/** Applies the ops of [from, to) to index and bits (bits from the twig of `floorSN` on). */
export function replayOps(base: Base, from: number, to: number, floorSN: number, bits: Uint8Array): void {
  const { log, index, fingerprint, fingerprintOut } = base;
  const origin = Math.floor(floorSN / TWIG_LEAVES) * TWIG_LEAVES;
  const flip = (sn: number): void => {
    const leaf = sn - origin;
    bits[leaf >> 3] = (bits[leaf >> 3] as number) ^ (1 << (leaf & 7));
  };
  log.scan(from, to, (sn, op) => {
    fingerprint(op, OP_KEY);
    const high = fingerprintOut[0] as number;
    const low = fingerprintOut[1] as number;
    const prev = opPrev(op);
    const held = prev !== NONE && prev >= floorSN;
    if (held) flip(prev);
    if (opIsLive(op)) {
      flip(sn);
      if (held) index.replace(high, low, prev, sn);
      else index.insert(high, low, sn);
    } else if (held) {
      index.remove(high, low, prev);
    }
  });
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
  const { nextSN, floorSN } = marker;
  const origin = Math.floor(start.floorSN / TWIG_LEAVES);
  const bits = new Uint8Array((twigCount(nextSN) - origin) * TWIG_BITS_BYTES);
  bits.set(start.bits);
  base.index.setFloor(start.floorSN);
  try {
    replayOps(base, start.nextSN, nextSN, start.floorSN, bits);
  } catch (error) {
    if (error instanceof KoraError && error.code !== "INVARIANT") throw error;
    throw base.store.corrupt("the ops of the log contradict each other", error);
  }
  base.index.setFloor(floorSN);
  return bits.slice((Math.floor(floorSN / TWIG_LEAVES) - origin) * TWIG_BITS_BYTES);
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
