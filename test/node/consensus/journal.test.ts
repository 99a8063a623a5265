// The vote journal on a real file: what was committed is there after the next open, what was not is not; a vote is never
// replaced; pruning keeps the floor; and the guard notices old copies (R15 to R18).
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fault, JournalRecord } from "#consensus/effects.ts";
import { KoraError } from "#lib/error.ts";
import { MAX_WAL_PAGES } from "#node/consensus/journal.ts";
import { hash } from "#types/ids.ts";
import { until } from "../../support/kora.ts";
import { testFolders } from "../../support/lifetimes.ts";
import { body, bytes, certificate, payload, testJournals, vote } from "../../support/vote-journal.ts";

const folder = testFolders();
const openAt = testJournals();

test("a write that fails is told as what it is, and what was committed before is there", () => {
  const path = folder();
  const journal = openAt(path);
  journal.append({ type: "vote", vote: vote("notarize", 8) }, undefined);
  journal.commit();
  const blocking = new Database(join(path, "consensus.db"));
  blocking.run("BEGIN EXCLUSIVE");
  journal.append({ type: "vote", vote: vote("notarize", 9) }, undefined);
  for (const write of [journal.commit, () => journal.reserve(1_024), () => journal.prune(4)]) {
    expect(write).toThrow(expect.objectContaining({ code: "JOURNAL_FAILED", why: "database is locked" }));
  }
  blocking.close();
  journal.close();
  expect(openAt(path).load().votes).toEqual([vote("notarize", 8)]);
});

test.each(["votes", "certificates", "verdicts", "bodies", "faults"])(
  "without its table %s it is refused",
  (table) => {
    const path = folder();
    openAt(path).close();
    const damaging = new Database(join(path, "consensus.db"));
    damaging.run(`DROP TABLE ${table}`);
    damaging.close();
    const refusal = { code: "JOURNAL_CORRUPT", why: `no such table: ${table}` };
    expect(() => openAt(path)).toThrow(expect.objectContaining(refusal));
  },
);

test("commits leave the database file alone, which a later moment fills; the log keeps to its bound", async () => {
  const path = folder();
  const journal = openAt(path);
  const sizeOf = (file: string): number => statSync(join(path, file)).size;
  const text = "b".repeat(400_000);
  let view = 0;
  const commitBodies = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const digest = hash(bytes(++view, 32));
      journal.append({ type: "body", view, digest }, { ...body, text });
      journal.commit();
    }
  };
  // Much more than the thousand pages at which SQLite alone would move the log.
  commitBodies(30);
  expect(sizeOf("consensus.db")).toBeLessThan(text.length);
  expect(sizeOf("consensus.db-wal")).toBeGreaterThan(30 * text.length);
  await until("the log is moved", () => sizeOf("consensus.db") > 30 * text.length);
  // And where no moment is given, a commit does it at last.
  commitBodies(120);
  expect(sizeOf("consensus.db-wal")).toBeLessThan(MAX_WAL_PAGES * 4_200 + 2 * text.length);
  journal.close();
});

describe("the vote journal", () => {
  test("brings back what was committed, and nothing that was not (R15, R16)", () => {
    const path = folder();
    const first = openAt(path);
    const records: JournalRecord[] = [
      { type: "body", view: 9, digest: payload },
      { type: "vote", vote: vote("notarize", 9) },
      { type: "certificate", certificate: certificate("notarize", 9), lottery: bytes(5, 32) },
      { type: "verdict", view: 9, payload, valid: true },
    ];
    for (const record of records) first.append(record, record.type === "body" ? body : undefined);
    first.commit();
    first.append({ type: "vote", vote: vote("finalize", 9) }, undefined);
    first.close();
    const restored = openAt(path).load();
    expect(restored.votes).toEqual([vote("notarize", 9)]);
    expect(restored.certificates).toEqual([
      { certificate: certificate("notarize", 9), lottery: bytes(5, 32) },
    ]);
    expect(restored.verdicts).toEqual([{ view: 9, payload, valid: true }]);
    expect(restored.bodies).toEqual([{ view: 9, digest: payload }]);
    expect(restored.acknowledgedView).toBe(5);
    expect(openAt(path).body(payload)?.text).toBe("a block");
  });

  test("never replaces a vote, and commits all of a turn or nothing (S7)", () => {
    const path = folder();
    const journal = openAt(path);
    journal.append({ type: "vote", vote: vote("notarize", 4) }, undefined);
    journal.commit();
    journal.append({ type: "vote", vote: vote("nullify", 4) }, undefined);
    journal.append(
      { type: "vote", vote: { ...vote("notarize", 4), payload: hash(bytes(8, 32)) } },
      undefined,
    );
    expect(() => journal.commit()).toThrow();
    journal.close();
    expect(openAt(path).load().votes).toEqual([vote("notarize", 4)]);
  });

  test("keeps evidence of each kind whole, in order, by view, also when its views are pruned", () => {
    const path = folder();
    const journal = openAt(path);
    const other = hash(bytes(8, 32));
    const faults: readonly Fault[] = [
      {
        kind: "conflictingNotarize",
        signer: 1,
        first: vote("notarize", 4),
        second: { ...vote("notarize", 4), payload: other },
      },
      {
        kind: "conflictingFinalize",
        signer: 1,
        first: vote("finalize", 5),
        second: { ...vote("finalize", 5), payload: other },
      },
      { kind: "nullifyAndFinalize", signer: 1, first: vote("nullify", 6), second: vote("finalize", 6) },
    ];
    for (const fault of faults) {
      journal.append({ type: "fault", fault }, undefined);
      journal.commit();
    }
    journal.append({ type: "fault", fault: { ...(faults[0] as Fault), signer: 2 } }, undefined);
    journal.prune(100);
    journal.close();
    const reopened = openAt(path);
    expect(reopened.faults(0)).toEqual(faults);
    expect(reopened.faults(5)).toEqual(faults.slice(1));
    expect(reopened.faults(7)).toEqual([]);
    reopened.prune(200);
    reopened.beginEpoch();
    expect(reopened.faults(0)).toEqual(faults);
  });

  test("pruning keeps the newest finalization, the floor (R17)", () => {
    const journal = openAt(folder());
    for (let view = 1; view <= 20; view++) {
      journal.append({ type: "vote", vote: vote("notarize", view) }, undefined);
      journal.append(
        { type: "certificate", certificate: certificate("nullify", view), lottery: undefined },
        undefined,
      );
    }
    journal.append(
      { type: "certificate", certificate: certificate("finalize", 3), lottery: undefined },
      undefined,
    );
    journal.append(
      { type: "certificate", certificate: certificate("finalize", 8), lottery: undefined },
      undefined,
    );
    journal.commit();
    journal.prune(15);
    const { votes, certificates } = journal.load();
    expect(votes.map(({ view }) => view)).toEqual([15, 16, 17, 18, 19, 20]);
    const kept = certificates.map(({ certificate: { kind, view } }) => `${kind} ${view}`);
    expect(kept).toEqual(["finalize 8", ...[15, 16, 17, 18, 19, 20].map((view) => `nullify ${view}`)]);
  });

  test("a copy from before the last reservation, or no journal at all, bars its views (R18)", () => {
    const path = folder();
    const journal = openAt(path);
    expect(journal.load().signFloor).toBe(0);
    journal.reserve(1_024);
    expect(journal.load().signFloor).toBe(0);
    journal.close();
    const copy = join(path, "copy.db");
    copyFileSync(join(path, "consensus.db"), copy);
    const next = openAt(path);
    next.reserve(2_048);
    next.close();
    for (const file of ["consensus.db", "consensus.db-wal", "consensus.db-shm"])
      rmSync(join(path, file), { force: true });
    copyFileSync(copy, join(path, "consensus.db"));
    const restored = openAt(path);
    expect(restored.load().signFloor).toBe(2_048);
    restored.close();
    rmSync(join(path, "consensus.db"), { force: true });
    expect(openAt(path).load().signFloor).toBe(2_048);
  });

  test("views that were barred stay so after the node signed above them and was started again (R18)", () => {
    const path = folder();
    const first = openAt(path);
    first.reserve(1_024);
    first.close();
    for (const file of ["consensus.db", "consensus.db-wal", "consensus.db-shm"])
      rmSync(join(path, file), { force: true });
    const second = openAt(path);
    expect(second.load().signFloor).toBe(1_024);
    second.reserve(2_048);
    second.close();
    const third = openAt(path);
    expect(third.load().signFloor).toBe(1_024);
    third.reserve(3_072);
    expect(third.load().signFloor).toBe(1_024);
  });

  test("views that an operator's word opened are not barred again", () => {
    const path = folder();
    const first = openAt(path);
    first.reserve(1_024);
    first.close();
    rmSync(join(path, "consensus.db"), { force: true });
    const second = openAt(path);
    second.reserve(1_024);
    expect(second.load().signFloor).toBe(0);
    second.reserve(2_048);
    expect(second.load().signFloor).toBe(0);
  });

  test("a journal of the first format opens, and bars nothing more than it did", () => {
    const path = folder();
    openAt(path).close();
    const database = new Database(join(path, "consensus.db"));
    database.run("ALTER TABLE reservation DROP COLUMN barred");
    database.run("INSERT INTO reservation VALUES (1, 3, 1024)");
    database.run("PRAGMA user_version = 1");
    database.close();
    const journal = openAt(path);
    expect(journal.load().signFloor).toBe(0);
    journal.reserve(2_048);
    expect(journal.load().signFloor).toBe(0);
  });

  test("a crash between the two writes of a reservation bars nothing", () => {
    const path = folder();
    const journal = openAt(path);
    journal.reserve(1_024);
    const guard = join(path, "guard");
    copyFileSync(guard, `${guard}.old`);
    journal.reserve(2_048);
    copyFileSync(`${guard}.old`, guard);
    expect(journal.load().signFloor).toBe(0);
  });

  test("a file that is no guard, or no database, is refused for safety", () => {
    const path = folder();
    const journal = openAt(path);
    writeFileSync(join(path, "guard"), "something else\n");
    expect(() => journal.load()).toThrow(KoraError);
    journal.close();
    const other = folder();
    writeFileSync(
      join(other, "consensus.db"),
      "not a database, but long enough to be looked at as one".repeat(20),
    );
    expect(() => openAt(other)).toThrow(KoraError);
    expect(existsSync(join(other, "consensus.db"))).toBeTrue();
  });
});
