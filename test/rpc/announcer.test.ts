// Events that concern many: told in order and in slices, and who is let go where they come faster than they are told.
import { expect, test } from "bun:test";
import { createAnnouncer, type Listener } from "#rpc/announcer.ts";
import { DEFAULT_RPC_LIMITS, MAX_WAITING_EVENT_BYTES, WORK_SLICE } from "#rpc/limits.ts";
import { createSubscriptionHub, type Topic } from "#rpc/subscriptions.ts";
import { until } from "../support/kora.ts";
import { fakeNode, oneOfEach } from "./fake-node.ts";

/** Works for a slice: whoever tells another one after it has to give others a turn. */
function workASlice(): void {
  const end = performance.now() + WORK_SLICE;
  while (performance.now() < end);
}

function setUp() {
  const announcer = createAnnouncer();
  const heard: string[] = [];
  const dropped: string[] = [];
  const listen = (name: string) => {
    const listener: Listener = { told: 0, drop: () => dropped.push(name) };
    return { listener, leave: announcer.join(listener) };
  };
  /** Tells each of them, or works. */
  function* event(name: string, ...to: (Listener | "work")[]): Generator<Listener | undefined> {
    for (const one of to) {
      if (one === "work") workASlice();
      else heard.push(name);
      yield one === "work" ? undefined : one;
    }
  }
  return { announcer, heard, dropped, listen, event };
}

test("what is little is told at once", () => {
  const { announcer, heard, listen, event } = setUp();
  const { listener } = listen("one");
  announcer.announce(event("a", listener, listener), 1);
  announcer.announce(event("b", listener), 1);
  expect(heard).toEqual(["a", "a", "b"]);
});

test("what is much takes turns with others, in order", async () => {
  const { announcer, heard, listen, event } = setUp();
  const { listener } = listen("one");
  let turns = 0;
  const count = setInterval(() => turns++, 0);
  announcer.announce(event("a", "work", listener, "work", listener, "work", listener), 1);
  announcer.announce(event("b", listener), 1);
  expect(heard).toEqual([]);
  await until("all to be told", () => heard.length === 4);
  clearInterval(count);
  expect(heard).toEqual(["a", "a", "a", "b"]);
  expect(turns).toBeGreaterThan(0);
});

test("where too much waits, whoever is told most is let go, one for each event", async () => {
  const { announcer, heard, dropped, listen, event } = setUp();
  const [quiet, busy, gone] = [listen("quiet"), listen("busy"), listen("gone")];
  gone.listener.told = 1_000;
  gone.leave();
  const half = MAX_WAITING_EVENT_BYTES / 2;
  announcer.announce(event("a", quiet.listener, busy.listener, busy.listener, "work", quiet.listener), half);
  announcer.announce(event("b", quiet.listener), half);
  expect(dropped).toEqual([]);
  announcer.announce(event("c", quiet.listener), 1);
  expect(dropped).toEqual(["busy"]);
  announcer.announce(event("d", quiet.listener), 1);
  expect(dropped).toEqual(["busy", "quiet"]);
  await until("all to be told", () => heard.at(-1) === "d");
  // What was told is not held any more, and is not held against anybody.
  announcer.announce(event("e", "work", "work"), MAX_WAITING_EVENT_BYTES);
  expect(dropped).toHaveLength(2);
  announcer.close();
});

test("an event alone may be of any size", () => {
  const { announcer, dropped, heard, listen, event } = setUp();
  announcer.announce(event("a", listen("one").listener), 2 * MAX_WAITING_EVENT_BYTES);
  expect([heard, dropped]).toEqual([["a"], []]);
});

test("a subscription made while a block is told hears of the next one first", async () => {
  const node = fakeNode();
  const hub = createSubscriptionHub(node.ports, DEFAULT_RPC_LIMITS);
  const logs: Topic = { kind: "logs", criteria: { addresses: [], topics: [] } };
  const heard: string[] = [];
  const fail = () => expect.unreachable();
  const slow = hub.connect(() => {
    heard.push("early");
    workASlice();
  }, fail);
  slow.subscribe(logs);
  node.mine(oneOfEach(10n));
  expect(heard).toEqual(["early"]);
  hub.connect(() => heard.push("late"), fail).subscribe(logs);
  await until("the first block to be told", () => heard.length === 3);
  node.mine(oneOfEach(20n));
  await until("the second block to be told", () => heard.length === 9);
  expect(heard.slice(0, 3)).toEqual(["early", "early", "early"]);
  expect(heard.filter((name) => name === "late")).toHaveLength(3);
  hub.close();
});
