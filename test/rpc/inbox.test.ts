// The bounds on what arrives: who gives way to whom, what is given back, and that nothing is counted twice or for ever.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Arrival, createInbox } from "#rpc/inbox.ts";
import { until } from "../support/kora.ts";

/** An inbox of 1,000 bytes and at most five that arrive, under a clock set by hand. */
function setUp(arrivalTime = 30_000) {
  const clock = { now: 0 };
  const inbox = createInbox({ maxRequests: 5, maxBytesInFlight: 1_000, arrivalTime }, () => clock.now);
  const dismissed: string[] = [];
  const begin = (name: string, weight = 0, network = "one"): Arrival => {
    const arrival = inbox.begin(network, () => dismissed.push(name));
    if (weight > 0) expect(arrival.take(weight)).toBe(true);
    return arrival;
  };
  return { clock, inbox, dismissed, begin };
}

test("room is made by those that began earlier and hold something, never by a later one", () => {
  const { dismissed, begin } = setUp();
  begin("idle");
  begin("first", 400);
  const second = begin("second", 400);
  begin("third", 200);
  expect(second.take(100)).toBe(true);
  expect(dismissed).toEqual(["first"]);
  expect(second.take(400)).toBe(false);
  expect(dismissed).toEqual(["first"]);
  begin("fourth", 500);
  expect(dismissed).toEqual(["first", "second"]);
  expect(second.take(1)).toBe(false);
});

test("what has arrived gives way no more and counts until it ends, once", () => {
  const { inbox, dismissed, begin } = setUp();
  const whole = begin("whole", 900);
  whole.complete();
  expect(inbox.take(200)).toBe(false);
  expect(begin("other").take(200)).toBe(false);
  whole.end();
  whole.end();
  expect(inbox.take(1_000)).toBe(true);
  expect(inbox.take(1)).toBe(false);
  expect(dismissed).toEqual([]);
});

test("room is made by the network that holds most, in the order in which its own began", () => {
  const { dismissed, begin } = setUp();
  const patient = begin("patient", 100, "honest");
  begin("first", 200, "greedy");
  begin("second", 400, "greedy").complete();
  begin("third", 200, "greedy");
  expect(patient.take(200)).toBe(true);
  expect(dismissed).toEqual(["first"]);
  const fourth = begin("fourth", 100, "greedy");
  expect(fourth.take(100)).toBe(true);
  expect(dismissed).toEqual(["first", "third"]);
  // What is being answered counts against its network, but does not give way.
  expect(fourth.take(100)).toBe(true);
  expect(fourth.take(100)).toBe(false);
  expect(patient.take(100)).toBe(true);
  expect(dismissed).toEqual(["first", "third", "fourth"]);
});

test("too many that arrive: the first of the network of which most arrive gives way", () => {
  const { dismissed, begin } = setUp();
  begin("patient", 0, "honest");
  for (const name of ["a", "b", "c", "d", "e", "f"]) begin(name, 0, "greedy");
  expect(dismissed).toEqual(["a", "b"]);
});

test("what it was parsed to is given back before it ends, and no more than it holds", () => {
  const { inbox, begin } = setUp();
  const whole = begin("whole", 900);
  whole.complete();
  whole.shrink(950);
  expect(inbox.take(200)).toBe(false);
  whole.shrink(100);
  expect(inbox.take(900)).toBe(true);
  expect(inbox.take(1)).toBe(false);
  whole.end();
  whole.shrink(0);
  expect(inbox.take(100)).toBe(true);
  expect(inbox.take(1)).toBe(false);
});

test("what would not fit even alone makes nobody give way", () => {
  const { inbox, dismissed, begin } = setUp();
  begin("first", 400);
  expect(inbox.take(1_001)).toBe(false);
  expect(dismissed).toEqual([]);
  expect(inbox.take(1_000)).toBe(true);
  expect(dismissed).toEqual(["first"]);
});

test("too many that arrive: the first gives way", () => {
  const { dismissed, begin } = setUp();
  for (const name of ["a", "b", "c", "d", "e", "f", "g"]) begin(name);
  expect(dismissed).toEqual(["a", "b"]);
});

test("whoever takes too long is dismissed, and only those", async () => {
  const { clock, dismissed, begin, inbox } = setUp(20);
  begin("slow", 1_000);
  const fast = begin("fast");
  fast.complete();
  clock.now = 15;
  begin("late");
  clock.now = 20;
  await until("the slow one to be dismissed", () => dismissed.length > 0);
  expect(dismissed).toEqual(["slow"]);
  expect(inbox.take(1_000)).toBe(true);
  clock.now = 35;
  await until("the late one to be dismissed", () => dismissed.length > 1);
  expect(dismissed).toEqual(["slow", "late"]);
});

test("whatever comes and goes, all is given back in the end", () => {
  const step = fc.record({
    kind: fc.constantFrom("begin", "take", "complete", "end", "whole"),
    which: fc.nat(9),
    weight: fc.nat(600),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { inbox, begin } = setUp();
      const arrivals: Arrival[] = [];
      let whole = 0;
      for (const { kind, which, weight } of steps) {
        const arrival = arrivals[which % Math.max(1, arrivals.length)];
        if (kind === "begin") arrivals.push(begin("any"));
        else if (kind === "whole") whole += inbox.take(weight) ? weight : 0;
        else if (kind === "take") arrival?.take(weight);
        else arrival?.[kind]();
      }
      for (const arrival of arrivals) arrival.end();
      inbox.giveBack(whole);
      return inbox.take(1_000) && !inbox.take(1);
    }),
  );
});
