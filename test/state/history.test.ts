// The log-structured index of history: whatever the sizes of blocks, few runs stay to be looked into, and each entry
// is found.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HistoryIndex, OP_TABLES } from "#state/history.ts";
import { SCHEMA } from "#state/schema.ts";
import { createFingerprinter } from "#state/siphash.ts";
import { openStore } from "#state/store.ts";
import { createRng } from "../support/rng.ts";

test("runs stay few, and no entry is lost in them", () => {
  const seed = Date.now() % 0x1_0000_0000;
  console.log(`seed ${seed}`);
  const rng = createRng(seed);
  const directory = mkdtempSync(join(tmpdir(), "kora-test-history-"));
  const store = openStore(join(directory, "runs.db"), { mode: "owner", synchronous: "OFF" });
  for (const sql of SCHEMA) store.prepare(sql).run();
  const out = new Uint32Array(2);
  const fingerprint = createFingerprinter(rng.bytes(16), out);
  const index = new HistoryIndex(store, fingerprint, out, OP_TABLES, () => 0);
  const keys = Array.from({ length: 500 }, () => rng.bytes(32));
  const written: number[] = [];
  const sizes = [1, 30, 1_100, 1_100, 1_100, 1_100, 9_000] as const;
  for (let block = 0; block < 250; block++) {
    const count = sizes[rng.below(sizes.length)] as number;
    const fingerprints = new Uint32Array(2 * count);
    const start = written.length;
    for (let i = 0; i < count; i++) {
      const key = rng.below(keys.length);
      fingerprint(keys[key]!, 0);
      fingerprints.set(out, 2 * i);
      written.push(key);
    }
    store.write(() => index.append(start, fingerprints));
  }
  const live = store.prepare("SELECT level FROM runs WHERE state = 0 ORDER BY lo").all();
  const levels = live.map(([level]) => level as number);
  // Fewer than eight of each level, and what waits while a merge is under way.
  expect(levels.length).toBeLessThan(8 * (Math.max(...levels) + 1) + 8);
  expect(levels).toEqual([...levels].sort((a, b) => b - a));
  for (let i = 0; i < 300; i++) {
    const key = rng.below(keys.length);
    const bound = 1 + rng.below(written.length);
    expect(index.before(keys[key]!, bound)).toBe(written.lastIndexOf(key, bound - 1));
    expect(index.after(keys[key]!, bound)).toBe(written.indexOf(key, bound));
  }
  store.close();
  rmSync(directory, { recursive: true });
}, 30_000);
