// Torn and edited files: refused with the file, the height and what to do, or harmless because they are derived.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KoraError } from "#lib/error.ts";
import { openStateDb } from "#state/state.ts";
import { type Hash, height, ZERO_HASH } from "#types/ids.ts";
import { createRng } from "../support/rng.ts";
import { addressAt, applyChanges, EMPTY_MODEL, type Model, randomChanges, recordOf } from "./model.ts";

const SPAN = 60;
const TIP = 120;
let root: string;
let pristine: string;
let model: Model;
let tipRoot: Hash;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "kora-test-damage-"));
  pristine = join(root, "pristine");
  const rng = createRng(30);
  const db = openStateDb({ directory: pristine });
  model = EMPTY_MODEL;
  for (let at = 0; at <= TIP; at++) {
    const changes = randomChanges(rng, model, 20, SPAN);
    model = applyChanges(model, at, changes);
    const batch = db.prepare(undefined, height(at), changes);
    db.commit([{ batch, record: recordOf(at, batch.root, at === 0 ? ZERO_HASH : db.head().hash) }]);
  }
  tipRoot = db.head().root;
  db.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let copies = 0;
function damaged(damage: (directory: string) => void): string {
  const directory = join(root, `copy-${copies++}`);
  mkdirSync(directory);
  for (const name of ["chain.db", "chain.index"]) copyFileSync(join(pristine, name), join(directory, name));
  damage(directory);
  return directory;
}
const edit =
  (sql: string) =>
  (directory: string): void => {
    const database = new Database(join(directory, "chain.db"));
    database.run(sql);
    database.close();
  };

function refusal(directory: string): KoraError {
  try {
    openStateDb({ directory }).close();
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
  throw new Error("it opened");
}

/** Every account, or the refusal that reading met. */
function readAll(directory: string): "intact" | KoraError {
  try {
    const db = openStateDb({ directory });
    try {
      expect(db.head().root).toBe(tipRoot);
      for (let i = 0; i < SPAN; i++) {
        const who = addressAt(i);
        const expected = model.accounts.get(who);
        expect(db.latest().account(who)?.balance).toBe(expected?.balance);
        for (const [slot, value] of expected?.storage ?? []) {
          expect(db.latest().storage(who, slot).toHex()).toBe(value.toHex());
        }
      }
      return "intact";
    } finally {
      db.close();
    }
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
}

describe("edited rows", () => {
  const flip = (column: string): string =>
    `${column} = CAST(unhex(substr(hex(${column}), 1, 20) || CASE substr(hex(${column}), 21, 1) WHEN '0' THEN '1'
      ELSE '0' END || substr(hex(${column}), 22)) AS BLOB)`;
  test.each([
    ["the marker's root", `UPDATE meta SET ${flip("root")}`],
    ["the marker's digest", `UPDATE meta SET ${flip("digest")}`],
    ["the marker's height", "UPDATE meta SET height = height - 1"],
    ["the marker's floor", "UPDATE meta SET floor_sn = floor_sn + 1"],
    ["marker and block row together", `UPDATE blocks SET ${flip("root")} WHERE height = ${TIP}`],
    ["the last header", `UPDATE blocks SET ${flip("header")} WHERE height = ${TIP}`],
    ["a missing last block", `DELETE FROM blocks WHERE height = ${TIP}`],
    ["a twig's root", `UPDATE twigs SET ${flip("left_root")} WHERE id = 0`],
    ["a missing twig", "DELETE FROM twigs WHERE id = 1"],
    ["the youngest ops", `UPDATE ops SET ${flip("op")} WHERE sn = (SELECT max(sn) FROM ops)`],
    ["missing ops", "DELETE FROM ops WHERE sn = (SELECT max(sn) - 1 FROM ops)"],
    ["an op amid the log", `UPDATE ops SET ${flip("op")} WHERE sn = (SELECT next_sn - 1200 FROM meta)`],
  ])("%s", (_, sql) => {
    const directory = damaged(edit(sql));
    rmSync(join(directory, "chain.index"));
    const error = refusal(directory);
    expect(error.code).toBe("STATE_CORRUPT");
    expect(error.kind).toBe("safety");
    expect(error.exitCode).toBe(3);
    expect(error.message).toContain(join(directory, "chain.db"));
    expect(error.message).toContain(sql.includes("height = height - 1") ? String(TIP - 1) : `height ${TIP}`);
    expect(error.hint).toContain("snapshot");
  });

  test.each(["hash", "header", "body", "receipts", "certificate", "seed", "inputs"])(
    "the %s of an old block is noticed when it is read",
    (column) => {
      const shorter = `UPDATE blocks SET ${column} = CASE WHEN ${column} IS NULL THEN x'00' ELSE
        substr(${column}, 1, length(${column}) - 1) || x'55' END WHERE height = 40`;
      const db = openStateDb({ directory: damaged(edit(shorter)) });
      expect(db.archive.block(height(39))?.height).toBe(height(39));
      expect(() => db.archive.block(height(40))).toThrow("the row of block 40 fails its checksum");
      expect(db.archive.hashAt(height(39))).toBe(db.archive.block(height(39))?.hash);
      const hashAt = (): unknown => db.archive.hashAt(height(40));
      if (column === "hash" || column === "header") expect(hashAt).toThrow("does not have the block's hash");
      else expect(db.archive.heightOf(hashAt() as Hash) as unknown).toBe(40);
      expect(db.archive.hashAt(height(TIP + 1))).toBeUndefined();
      db.close();
    },
  );

  test("another layout, and a database of something else", () => {
    // Layout 4 had other notes: one that said nothing of how far the indexes reach, and one for all waiting inputs.
    for (const layout of [4, 99]) {
      expect(refusal(damaged(edit(`UPDATE meta SET schema = ${layout}`))).code).toBe("STATE_SCHEMA");
    }
    expect(refusal(damaged(edit("DROP TABLE meta"))).code).toBe("STATE_CORRUPT");
  });
});

describe("torn files", () => {
  test("a cut chain.db", () => {
    const size = readFileSync(join(pristine, "chain.db")).length;
    for (const keep of [0, 1, 100, 4096, 4097, Math.floor(size / 2), size - 4096, size - 1]) {
      const result = readAll(damaged((directory) => truncateSync(join(directory, "chain.db"), keep)));
      if (result === "intact") throw new Error(`cut to ${keep} of ${size} went unnoticed`);
      expect(result.kind).toBe("safety");
      expect(result.message).toContain("chain.db");
    }
  });

  test("flipped bytes anywhere are refused or harmless, never wrong values", () => {
    const rng = createRng(31);
    let refused = 0;
    for (let i = 0; i < 40; i++) {
      const result = readAll(
        damaged((directory) => {
          const path = join(directory, "chain.db");
          const bytes = readFileSync(path);
          for (let j = 0; j < 200; j++) {
            const at = rng.below(bytes.length);
            bytes[at] = bytes[at]! ^ (1 + rng.below(255));
          }
          writeFileSync(path, bytes);
        }),
      );
      if (result !== "intact") {
        refused++;
        expect(result.kind).toBe("safety");
        expect(result.message).toContain("chain.db");
      }
    }
    expect(refused).toBeGreaterThan(30);
  });

  test("the index file is derived: cut, edited, foreign or missing, the store opens", () => {
    const path = (directory: string): string => join(directory, "chain.index");
    const size = readFileSync(join(pristine, "chain.index")).length;
    const rng = createRng(32);
    expect(readAll(damaged((directory) => rmSync(path(directory))))).toBe("intact");
    expect(readAll(damaged((directory) => truncateSync(path(directory), size - 9)))).toBe("intact");
    expect(readAll(damaged((directory) => writeFileSync(path(directory), rng.bytes(size))))).toBe("intact");
    for (let i = 0; i < 20; i++) {
      const damage = (directory: string): void => {
        const bytes = readFileSync(path(directory));
        const at = rng.below(bytes.length);
        bytes[at] = bytes[at]! ^ (1 + rng.below(255));
        writeFileSync(path(directory), bytes);
      };
      expect(readAll(damaged(damage))).toBe("intact");
    }
  });
});
