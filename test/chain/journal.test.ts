// The pool's journal: what was answered comes back, whatever the crash left of the file.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createPoolJournal, JOURNAL_SLACK_BYTES, type JournalFile } from "#chain/pool-journal.ts";
import { concatBytes, toHex } from "#lib/bytes.ts";
import { GWEI, openTestChain, transfer } from "../support/chain.ts";

interface FakeFile extends JournalFile {
  bytes: Uint8Array;
  appends: number;
  replaces: number;
  fail: boolean;
  /** Resolves the appends that are under way. */
  hold: Promise<void> | undefined;
}

function fakeFile(bytes: Uint8Array = new Uint8Array(0)): FakeFile {
  const file: FakeFile = {
    bytes,
    appends: 0,
    replaces: 0,
    fail: false,
    hold: undefined,
    read: () => file.bytes,
    async append(more) {
      file.appends++;
      await file.hold;
      if (file.fail) throw new Error("no space left on device");
      file.bytes = concatBytes(file.bytes, more);
    },
    async replace(all) {
      file.replaces++;
      file.bytes = all;
    },
  };
  return file;
}

const records = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 12 });

test("what was recorded is loaded, in order", async () => {
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      const file = fakeFile();
      const journal = createPoolJournal(file, () => []);
      await Promise.all(list.map((raw) => journal.record(raw)));
      expect(
        createPoolJournal(file, () => [])
          .load()
          .map(toHex),
      ).toEqual(list.map(toHex));
    }),
  );
});

test("a torn or damaged tail costs what is behind it and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.nat(), fc.boolean(), async (list, at, tear) => {
      fc.pre(list.length > 0);
      const file = fakeFile();
      const journal = createPoolJournal(file, () => []);
      const ends: number[] = [];
      for (const raw of list) {
        await journal.record(raw);
        ends.push(file.bytes.length);
      }
      const position = at % file.bytes.length;
      const damaged = tear
        ? file.bytes.slice(0, position)
        : file.bytes.with(position, file.bytes[position]! ^ 0x40);
      const whole = ends.filter((end) => end <= position).length;
      const loaded = createPoolJournal(fakeFile(damaged), () => []).load();
      expect(loaded.map(toHex)).toEqual(list.slice(0, whole).map(toHex));
    }),
  );
});

test("what is recorded after a crash that tore the file is loaded after the next", async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.nat(), records, async (before, at, after) => {
      fc.pre(before.length > 0 && after.length > 0);
      const file = fakeFile();
      const journal = createPoolJournal(file, () => []);
      for (const raw of before) await journal.record(raw);
      file.bytes = file.bytes.slice(0, at % file.bytes.length);
      const restarted = createPoolJournal(file, () => []);
      const survivors = restarted.load();
      await Promise.all(after.map((raw) => restarted.record(raw)));
      const loaded = createPoolJournal(file, () => []).load();
      expect(loaded.map(toHex)).toEqual([...survivors, ...after].map(toHex));
    }),
  );
});

test("records that come while one is written share the next write", async () => {
  const file = fakeFile();
  const journal = createPoolJournal(file, () => []);
  const { promise, resolve } = Promise.withResolvers<void>();
  file.hold = promise;
  const first = journal.record(Uint8Array.of(1));
  await Promise.resolve();
  const others = Array.from({ length: 50 }, (_, i) => journal.record(Uint8Array.of(i)));
  let durable = false;
  void others[0]!.then(() => {
    durable = true;
  });
  await Promise.resolve();
  expect(durable).toBe(false);
  resolve();
  await Promise.all([first, ...others]);
  expect(file.appends).toBe(2);
});

test("a failed write is told to everyone who waits", async () => {
  const file = fakeFile();
  const journal = createPoolJournal(file, () => []);
  file.fail = true;
  const results = await Promise.allSettled([1, 2].map((value) => journal.record(Uint8Array.of(value))));
  for (const result of results) {
    expect(result).toMatchObject({ status: "rejected", reason: { code: "JOURNAL_FAILED" } });
  }
  // Half a frame may be in the file now: nothing may be promised behind it.
  file.fail = false;
  const later = await Promise.allSettled([journal.record(Uint8Array.of(3))]);
  expect(later).toMatchObject([{ status: "rejected", reason: { code: "JOURNAL_FAILED" } }]);
});

test("history is compacted away, what is live stays", async () => {
  const file = fakeFile();
  const live = Uint8Array.of(1, 2, 3);
  const journal = createPoolJournal(file, () => [live]);
  const block = new Uint8Array(JOURNAL_SLACK_BYTES / 4);
  for (let i = 0; i < 6; i++) await journal.record(block);
  expect(file.replaces).toBeGreaterThan(0);
  expect(file.bytes.length).toBeLessThan(JOURNAL_SLACK_BYTES);
  expect(
    createPoolJournal(file, () => [])
      .load()
      .map(toHex),
  ).toContain(toHex(live));
});

test("what is live is looked at seldom, however much of it there is", async () => {
  const file = fakeFile();
  const live = Array.from({ length: 8 }, (_, i) => new Uint8Array(JOURNAL_SLACK_BYTES / 8).fill(i));
  let looks = 0;
  const journal = createPoolJournal(file, () => {
    looks++;
    return live;
  });
  const raw = new Uint8Array(JOURNAL_SLACK_BYTES / 64);
  // Written: twice what is live and the slack above it, four times.
  for (let i = 0; i < 4 * 3 * 64; i++) await journal.record(raw);
  expect(file.replaces).toBeGreaterThan(2);
  // At first nothing is known of it; after that each look replaces.
  expect(looks).toBe(file.replaces + 1);
  expect(file.bytes.length).toBeLessThan(4 * JOURNAL_SLACK_BYTES);
});

test("answered hashes survive: pooled again after a crash, gaps and all, and what was mined is not", async () => {
  const file = fakeFile();
  const first = openTestChain({ journal: file });
  const mined = transfer({ from: 0, nonce: 0 });
  const waiting = [
    transfer({ from: 0, nonce: 1 }),
    transfer({ from: 1, nonce: 3 }),
    transfer({ from: 2, nonce: 0 }),
  ];
  await first.service.submitTx(mined.raw);
  await first.produce();
  for (const each of waiting) await first.service.submitTx(each.raw);
  const peer = transfer({ from: 3, nonce: 0 });
  await first.service.submitTx(peer.raw, "peer");
  // The same store goes on: what a crash takes is memory.
  const second = openTestChain({ journal: fakeFile(file.bytes), state: first.state });
  expect(second.restored).toBe(3);
  expect(new Set(second.pool.all().map(({ hash }) => hash))).toEqual(
    new Set(waiting.map(({ hash }) => hash)),
  );
  expect(second.pool.status()).toMatchObject({ pending: 2, queued: 1 });
  const block = await second.produce();
  expect(block.transactions.length).toBe(2);
  first.close();
});

test("an answered hash survives a base fee that has risen above its cap", async () => {
  const file = fakeFile();
  const first = openTestChain({ journal: file });
  const cheap = transfer({ from: 0, nonce: 0, feeCap: GWEI });
  expect(await first.service.submitTx(cheap.raw)).toMatchObject({ kind: "accepted" });
  first.inputs.set({ baseFeePerGas: 2n * GWEI });
  const second = openTestChain({ journal: fakeFile(file.bytes), state: first.state });
  expect(second.pool.get(cheap.hash)).toBeDefined();
  // A newcomer is still told at once.
  const late = transfer({ from: 1, nonce: 0, feeCap: GWEI });
  expect(await second.service.submitTx(late.raw)).toMatchObject({ code: "FEE_BELOW_BASE_FEE" });
  first.close();
});
