// The bound on answers that are made or sent: what is counted, what is given back, and who gives way.
import { expect, test } from "bun:test";
import { bodyOf, createOutbox } from "#rpc/outbox.ts";

/** An outbox of 1,000 characters under a clock set by hand, and readers that hold some of it. */
function setUp() {
  const clock = { now: 0 };
  const outbox = createOutbox({ maxBytesOutgoing: 1_000, readingTime: 5_000 }, () => clock.now);
  const dropped: string[] = [];
  const reader = (name: string, bytes: number): (() => void) => {
    expect(outbox.take(bytes)).toBe(true);
    return outbox.behind({
      since: clock.now,
      drop() {
        dropped.push(name);
        outbox.giveBack(bytes);
      },
    });
  };
  return { clock, outbox, dropped, reader };
}

test("what is taken is refused to others until it is given back", () => {
  const { outbox } = setUp();
  expect(outbox.take(600)).toBe(true);
  expect(outbox.take(401)).toBe(false);
  expect(outbox.take(400)).toBe(true);
  outbox.giveBack(600);
  expect(outbox.take(600)).toBe(true);
  expect(outbox.take(1)).toBe(false);
});

test("where room is needed, the oldest readers give way, and no more of them than it takes", () => {
  const { clock, outbox, dropped, reader } = setUp();
  reader("first", 300);
  clock.now = 1;
  reader("second", 300);
  clock.now = 2;
  reader("third", 300);
  expect(outbox.take(200)).toBe(false);
  expect(dropped).toEqual([]);
  clock.now = 60_000;
  expect(outbox.take(1_001)).toBe(false);
  expect(dropped).toEqual([]);
  expect(outbox.take(200)).toBe(true);
  expect(dropped).toEqual(["first"]);
  expect(outbox.take(700)).toBe(true);
  expect(dropped).toEqual(["first", "second", "third"]);
});

test("a reader has its time first, and one that has caught up is left alone", () => {
  const { clock, outbox, dropped, reader } = setUp();
  const caughtUp = reader("fast", 500);
  caughtUp();
  outbox.giveBack(500);
  clock.now = 60_000;
  reader("young", 900);
  expect(outbox.take(500)).toBe(false);
  expect(dropped).toEqual([]);
});

test("a long body arrives whole and is given back once, read or dropped", async () => {
  const outbox = createOutbox({ maxBytesOutgoing: 2_000_000, readingTime: 5_000 }, () => 0);
  // Characters of two halves, of which one ends where a chunk would.
  const text = `"${"é".repeat(100_000)}${"😀".repeat(400_000)}"`;
  expect(outbox.take(text.length)).toBe(true);
  const body = bodyOf(outbox, text);
  expect(await new Response(body).text()).toBe(text);
  expect(outbox.take(2_000_000)).toBe(true);
  outbox.giveBack(2_000_000);

  expect(outbox.take(text.length)).toBe(true);
  const abandoned = bodyOf(outbox, text) as ReadableStream<Uint8Array>;
  await abandoned.cancel();
  expect(outbox.take(2_000_000)).toBe(true);
});
