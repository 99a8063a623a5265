// consensus.db as a crash or a bad disk may leave it: its write-ahead log cut off or with a changed byte, at every
// frame's edge and at places in between that a printed seed chose. What is loaded then is whole turns, all of those
// before the damage; where the last reservation is gone, the guard bars its views (R15, R16, R18).
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Restored } from "#consensus/state.ts";
import { type Hash, hash } from "#types/ids.ts";
import { testFolders } from "../../support/lifetimes.ts";
import { createRng, type Rng } from "../../support/rng.ts";
import {
  body,
  bytes,
  certificate,
  type TestJournal,
  testJournals,
  vote,
} from "../../support/vote-journal.ts";

const folder = testFolders();
const openAt = testJournals();

// From SQLite's file format: a log's header, and a frame's before the page it holds.
const LOG_HEADER = 32;
const FRAME_HEADER = 24;
const FRAME = FRAME_HEADER + 4_096;
/** Turns of which a log holds the records, and views that one reservation bars. */
const TURNS = 8;
const RESERVED = 4;
/** Places within frames, for each kind of damage to each log. */
const PLACES = 20;

/** What the journal held when its log was `logged` bytes long. */
interface Moment {
  readonly logged: number;
  readonly reservations: number;
  readonly restored: Restored;
  readonly text: string | undefined;
}

interface Recorded {
  readonly database: Uint8Array;
  readonly log: Uint8Array;
  readonly guard: Uint8Array;
  /** Views up to this one are reserved. */
  readonly upTo: number;
  /** The first is what no damage to the log can take. */
  readonly moments: readonly Moment[];
}

const digestOf = (view: number): Hash => hash(bytes(view + 100, 32));

/** The journalled body of the newest view. */
function newestText(journal: TestJournal, { bodies }: Restored): string | undefined {
  const newest = bodies.at(-1);
  return newest && journal.body(newest.digest)?.text;
}

/** All that one view brings, with a body that fills some pages. */
function appendTurn(journal: TestJournal, view: number): void {
  const digest = digestOf(view);
  const text = `${view} `.repeat(view % 3 === 0 ? 6_000 : 40);
  journal.append({ type: "body", view, digest }, { ...body, text });
  journal.append({ type: "verdict", view, payload: digest, valid: true }, undefined);
  journal.append({ type: "vote", vote: vote("notarize", view) }, undefined);
  const notarization = certificate("notarize", view);
  journal.append({ type: "certificate", certificate: notarization, lottery: bytes(5, 32) }, undefined);
  journal.append({ type: "vote", vote: vote("finalize", view) }, undefined);
}

/** Bytes of a log up to the end of its newest frame: those behind it bear an older salt. */
function loggedOf(log: Uint8Array): number {
  const salt = log.subarray(16, 24).toHex();
  let end = LOG_HEADER;
  while (log.subarray(end + 8, end + 16).toHex() === salt) end += FRAME;
  return end;
}

/** The files of a journal at work; `moved`: as many turns stand in the database file before those of the log. */
function record(moved: boolean): Recorded {
  const path = folder();
  const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(path, name)));
  const journal = openAt(path);
  const moments: Moment[] = [];
  let reservations = 0;
  let view = 0;
  const look = (): void => {
    const restored = journal.load();
    const logged = loggedOf(file("consensus.db-wal"));
    moments.push({ logged, reservations, restored, text: newestText(journal, restored) });
  };
  const turn = (): void => {
    if (view % RESERVED === 0) {
      journal.reserve(view + RESERVED);
      reservations++;
      look();
    }
    appendTurn(journal, ++view);
    journal.commit();
    look();
  };
  look();
  if (moved) {
    for (let i = 0; i < TURNS; i++) turn();
    using other = new Database(join(path, "consensus.db"));
    other.run("PRAGMA wal_checkpoint(PASSIVE)");
    moments.splice(0, moments.length - 1);
  }
  for (let i = 0; i < TURNS; i++) turn();
  const files = {
    database: file("consensus.db"),
    log: file("consensus.db-wal"),
    guard: file("guard"),
  };
  journal.close();
  return { ...files, upTo: view, moments };
}

/** What has to be there when nothing of the log counts from byte `at` on. */
function expectedAt({ moments, upTo }: Recorded, at: number): object {
  const last = moments.at(-1) as Moment;
  const { restored, text, reservations } =
    moments.findLast(({ logged }) => logged <= at) ?? (moments[0] as Moment);
  const signFloor = reservations === last.reservations ? 0 : upTo;
  return { restored: { ...restored, signFloor }, text };
}

function reopened(
  path: string,
  { database, guard }: Pick<Recorded, "database" | "guard">,
  log: Uint8Array,
): object {
  // New files: what the library still holds of those before is no part of what a new process finds.
  for (const name of ["consensus.db", "consensus.db-wal", "consensus.db-shm"])
    rmSync(join(path, name), { force: true });
  writeFileSync(join(path, "consensus.db"), database);
  writeFileSync(join(path, "consensus.db-wal"), log);
  writeFileSync(join(path, "guard"), guard);
  const journal = openAt(path);
  try {
    const restored = journal.load();
    return { restored, text: newestText(journal, restored) };
  } finally {
    journal.close();
  }
}

type Damage = readonly [what: string, at: number, damaged: Uint8Array];

/** Damages at every frame's edge and in `PLACES` others each, of the frames that count. */
function* damagesTo({ log, moments }: Recorded, rng: Rng): Generator<Damage> {
  const { logged } = moments.at(-1) as Moment;
  const cut = (at: number): Damage => ["cut off", at, log.slice(0, at)];
  const change = (at: number): Damage => ["one byte changed", at, log.with(at, (log[at] as number) ^ 0x10)];
  const spoil = (at: number): Damage => [
    "nothing right behind",
    at,
    log.map((byte, index) => (index < at ? byte : byte ^ 0xff)),
  ];
  yield cut(0);
  for (let edge = LOG_HEADER; edge < logged; edge += FRAME) {
    yield cut(edge);
    yield change(edge + rng.below(FRAME_HEADER));
  }
  for (const damage of [cut, change, spoil]) for (let i = 0; i < PLACES; i++) yield damage(rng.below(logged));
}

const seed = Number(process.env["KORA_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

describe(`a damaged log (KORA_FUZZ_SEED=${seed})`, () => {
  test.each([
    ["that holds everything", false],
    ["whose beginning is in the database file", true],
  ])(
    "%s leaves whole turns, and the guard where reservations are gone",
    (_, moved) => {
      const recorded = record(moved);
      const rng = createRng(seed);
      const path = folder();
      let tried = 0;
      for (const [what, at, damaged] of damagesTo(recorded, rng)) {
        const found = reopened(path, recorded, damaged);
        tried++;
        expect({ seed, what, at, ...found }).toEqual({ seed, what, at, ...expectedAt(recorded, at) });
      }
      const whole = reopened(path, recorded, recorded.log);
      expect(whole).toEqual(expectedAt(recorded, recorded.log.length));
      expect(tried).toBeGreaterThan(200);
    },
    60_000,
  );
});

describe("a damaged guard", () => {
  test("that is cut off anywhere, or empty, is refused", () => {
    const { database, log, guard } = record(false);
    const path = folder();
    for (let length = 0; length < guard.length; length++) {
      const torn = guard.slice(0, length);
      const open = (): object => reopened(path, { database, guard: torn }, log);
      expect(open).toThrow(expect.objectContaining({ code: "GUARD_CORRUPT", kind: "safety" }));
    }
  });
});
