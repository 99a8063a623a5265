// The one row of meta: the height marker that everything of a block commits together with, and the layout's version.
// Says what is stored; whether it is true, recovery.ts finds out.
import { KoraError } from "#lib/error.ts";
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import type { Store } from "./store.ts";
import type { Extent } from "./tree.ts";

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
