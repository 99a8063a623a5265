// Upper nodes left of the floor, where memory let go of them, against all levels computed at once; and how many stored
// roots a path costs, which must not grow with history.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Pairs } from "#crypto/sha256.ts";
import type { OpRun } from "#state/appender.ts";
import { HASH_BYTES, TWIG_BITS_BYTES, TWIG_LEAVES, upperDepth } from "#state/format.ts";
import { ensureSchema } from "#state/marker.ts";
import { BitPatch, buildPatch } from "#state/patch.ts";
import { openStore, type Store } from "#state/store.ts";
import { createTree, KEPT_LEVEL, type Tree, twigRoots, viewThrough } from "#state/tree.ts";
import { createUpperNodes, MAX_ROOTS_READ, type UpperNodes } from "#state/upper-nodes.ts";
import { createRng } from "../support/rng.ts";

const seed = Number(process.env["KORA_FUZZ_SEED"] ?? Date.now() % 0x1_0000_0000);
/** Eighty million ops. */
const TWIGS = 40_000;
const LIVE_TWIGS = 77;
const FLOOR = (TWIGS - LIVE_TWIGS) * TWIG_LEAVES + 5;

let directory: string;
let store: Store;
let tree: Tree;
/** All nodes, by level. */
const model: Uint8Array[] = [];
let statements = 0;
let rows = 0;

/** `store`, counting what is read. */
const counted: Pick<Store, "prepare" | "corrupt"> = {
  corrupt: (what) => store.corrupt(what),
  prepare(sql) {
    const statement = store.prepare(sql);
    const count = <T>(result: T, found: number): T => {
      statements++;
      rows += found;
      return result;
    };
    return {
      get: (...values) => count(statement.get(...values), 1),
      all: (...values) => {
        const found = statement.all(...values);
        return count(found, found.length);
      },
      run: (...values) => statement.run(...values),
    };
  },
};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kora-test-upper-"));
  store = openStore(join(directory, "chain.db"), { mode: "owner", synchronous: "OFF" });
  ensureSchema(store);
  const rng = createRng(41);
  const left = rng.bytes(TWIGS * HASH_BYTES);
  const bits = rng.bytes(LIVE_TWIGS * TWIG_BITS_BYTES);
  store.write(() => {
    const insert = store.prepare("INSERT INTO twigs(id, left_root) VALUES (?, ?)");
    for (let id = 0; id < TWIGS; id++) insert.run(id, left.slice(id * HASH_BYTES, (id + 1) * HASH_BYTES));
  });
  tree = createTree();
  const extent = { nextSN: TWIGS * TWIG_LEAVES, floorSN: FLOOR, live: 1 };
  const all = new Uint8Array(TWIGS * TWIG_BITS_BYTES);
  all.set(bits, (TWIGS - LIVE_TWIGS) * TWIG_BITS_BYTES);
  model.push(twigRoots(left, all, TWIGS));
  for (let level = 0; level < upperDepth(extent.nextSN); level++) {
    const below = model[level]!;
    const pairs = Math.ceil(below.length / HASH_BYTES / 2);
    const padded = new Uint8Array(pairs * 2 * HASH_BYTES);
    padded.set(below);
    if (padded.length > below.length) padded.set(tree.empty.upper[level]!, below.length);
    const above = new Uint8Array(pairs * HASH_BYTES);
    sha256Pairs(padded, 0, pairs, above, 0);
    model.push(above);
  }
  tree.load(extent, left, bits, tree.empty.heap);
});
afterAll(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Reads the siblings of a twig's path and compares them with the model. */
function expectPath(nodes: UpperNodes, twig: number): void {
  for (let level = 0, index = twig; level < model.length - 1; level++, index >>= 1) {
    const sibling = index ^ 1;
    const expected =
      (sibling + 1) * HASH_BYTES <= model[level]!.length
        ? model[level]!.subarray(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES)
        : tree.empty.upper[level]!;
    expect(nodes.node(level, sibling).toHex()).toBe(expected.toHex());
  }
}

test("the tree's own top is the model's", () => {
  expect(tree.node(model.length - 1, 0).toHex()).toBe(model[model.length - 1]!.toHex());
});

test("a path through dead twigs is right, and reads no more stored roots than one of a small archive", () => {
  console.log(`KORA_FUZZ_SEED=${seed}`);
  const rng = createRng(seed);
  const twigs = [0, 1, MAX_ROOTS_READ, TWIGS - LIVE_TWIGS - 1, TWIGS - LIVE_TWIGS, TWIGS - 1];
  for (let i = 0; i < 200; i++) twigs.push(rng.below(TWIGS));
  let most = 0;
  for (const twig of twigs) {
    const nodes = createUpperNodes(tree, counted);
    statements = 0;
    rows = 0;
    expectPath(nodes, twig);
    expect(statements).toBeLessThanOrEqual(KEPT_LEVEL);
    expect(rows).toBeLessThanOrEqual(2 * MAX_ROOTS_READ - 1);
    most = Math.max(most, rows);
    rows = 0;
    expectPath(nodes, twig);
    expect(rows).toBe(0);
  }
  // Some path needs them all, or nothing was counted.
  expect(most).toBe(2 * MAX_ROOTS_READ - 1);
});

test("a root that is not there is damage", () => {
  const nodes = createUpperNodes(tree, store);
  store.prepare("DELETE FROM twigs WHERE id = ?").run(3);
  expect(() => nodes.node(2, 0)).toThrow("is missing or cut");
});

/** Lets `grown` append random leaves, of which one in some hundred stays live for a while, up to `twigs` twigs. */
function growTo(grown: Tree, twigs: number): Uint8Array {
  const rng = createRng(seed);
  const left = new Uint8Array(twigs * HASH_BYTES);
  const live: number[] = [];
  for (let start = 0; start < twigs * TWIG_LEAVES; start = grown.extent.nextSN) {
    const count = Math.min(1 + rng.below(3 * TWIG_LEAVES), twigs * TWIG_LEAVES - start);
    const run = { start, count, leaves: rng.bytes(count * HASH_BYTES) } as unknown as OpRun;
    const view = viewThrough(grown, []);
    const marks = new BitPatch(view, start + count, 8);
    for (let sn = start + rng.below(300); sn < start + count; sn += 1 + rng.below(300)) {
      marks.set(sn);
      live.push(sn);
    }
    const kept = Math.max(0, start - LIVE_TWIGS * TWIG_LEAVES);
    while ((live[0] ?? kept) < kept) marks.clear(live.shift()!);
    const floorSN = live[0] ?? start + count;
    const patch = buildPatch(view, run, marks, { nextSN: start + count, floorSN, live: live.length });
    grown.apply(patch);
    patch.twigs.forEach((twig, slot) => {
      left.set(patch.left.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES), twig * HASH_BYTES);
    });
  }
  return left;
}

test("a tree that grew block by block has the upper nodes of one that was loaded", () => {
  console.log(`KORA_FUZZ_SEED=${seed}`);
  // Past the levels that keep all: of these there is more than one node, some of them left of the floor.
  const twigs = 5 * 2 ** KEPT_LEVEL;
  const [grown, loaded] = [createTree(), createTree()];
  const left = growTo(grown, twigs);
  const { extent } = grown;
  const firstTwig = Math.floor(extent.floorSN / TWIG_LEAVES);
  const bits = new Uint8Array((twigs - firstTwig) * TWIG_BITS_BYTES);
  for (let twig = firstTwig; twig < twigs; twig++) {
    bits.set(grown.bits(twig)!, (twig - firstTwig) * TWIG_BITS_BYTES);
  }
  loaded.load(extent, left, bits, grown.young);
  expect(grown.root.toHex()).toBe(loaded.root.toHex());
  for (let level = 0; level <= upperDepth(extent.nextSN); level++) {
    const end = Math.ceil(twigs / 2 ** level);
    const onPath = Math.floor(firstTwig / 2 ** level);
    const first = level < KEPT_LEVEL ? onPath - (onPath % 2) : 0;
    for (let index = first; index < end; index++) {
      expect(grown.holds(level, index) && loaded.holds(level, index)).toBe(true);
      expect(grown.node(level, index).toHex()).toBe(loaded.node(level, index).toHex());
    }
  }
  expect(grown.holds(0, 0)).toBe(false);
});
