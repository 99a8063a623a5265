// Events that concern many: told in order and in slices, and who is let go where they come faster than they are told.
import { expect, test } from "bun:test";
import { createAnnouncer, type Listener } from "#rpc/announcer.ts";
import { DEFAULT_RPC_LIMITS, MAX_WAITING_EVENT_BYTES, WORK_SLICE } from "#rpc/limits.ts";
import { createSubscriptionHub, type Topic } from "#rpc/subscriptions.ts";
import { hash } from "#types/ids.ts";
import { until } from "../support/kora.ts";
import { fakeNode, oneOfEach, TOKEN, TOPIC } from "./fake-node.ts";

/** Works for a slice: whoever tells another one after it has to give others a turn. */
function workASlice(): void {
  const end = performance.now() + WORK_SLICE;
  while (performance.now() < end);
}

function setUp() {
  const reported: unknown[] = [];
  const announcer = createAnnouncer((error) => reported.push(error));
  const heard: string[] = [];
  const dropped: string[] = [];
  const listen = (name: string, idle = false) => {
    const listener: Listener = { steps: 0, listens: () => !idle, drop: () => dropped.push(name) };
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
  return { announcer, heard, dropped, listen, event, reported };
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
  gone.listener.steps = 1_000;
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

test("who listens to nothing is never let go; where nobody is left, the event is told to nobody", async () => {
  const { announcer, heard, dropped, listen, event } = setUp();
  const [idle, late, busy] = [listen("idle", true), listen("late"), listen("busy")];
  idle.listener.steps = 1_000;
  announcer.announce(event("a", busy.listener, "work", busy.listener), MAX_WAITING_EVENT_BYTES);
  announcer.announce(event("b", late.listener), 1);
  expect(dropped).toEqual(["busy"]);
  announcer.announce(event("c", late.listener), 1);
  expect(dropped).toEqual(["busy"]);
  await until("what was kept to be told", () => heard.includes("b"));
  expect(heard).toEqual(["a", "a", "b"]);
  announcer.announce(event("d", late.listener), MAX_WAITING_EVENT_BYTES);
  expect(heard.at(-1)).toBe("d");
});

test("an event that fails is reported, and silences no other", async () => {
  const { announcer, heard, listen, event, reported } = setUp();
  const { listener } = listen("one");
  const broken = function* (): Generator<Listener> {
    yield listener;
    throw new Error("broken");
  };
  announcer.announce(broken(), MAX_WAITING_EVENT_BYTES);
  announcer.announce(event("a", listener), MAX_WAITING_EVENT_BYTES);
  await until("the next one to be told", () => heard.length === 1);
  expect(reported).toEqual([new Error("broken")]);
});

test("logs that were looked at in vain count: who asks for them is let go before who hears of blocks", () => {
  const node = fakeNode();
  const hub = createSubscriptionHub(node.ports, DEFAULT_RPC_LIMITS);
  const dropped: string[] = [];
  const connect = (name: string, hear: () => void) => hub.connect(hear, () => dropped.push(name));
  connect("honest", () => undefined).subscribe({ kind: "newHeads" });
  connect("idle", () => expect.unreachable());
  const greedy = connect("greedy", () => expect.unreachable());
  const never = [[hash(`0x${"bb".repeat(32)}`)]];
  for (let i = 0; i < 10; i++) {
    greedy.subscribe({ kind: "logs", criteria: { addresses: [TOKEN], topics: never } });
  }
  const large = oneOfEach(10n).map((one) => ({ ...one, raw: new Uint8Array(MAX_WAITING_EVENT_BYTES) }));
  let heard = 0;
  // The next block comes while the first of its logs is told.
  const mining = connect("mining", () => {
    if (++heard === 1) node.mine(large);
  });
  mining.subscribe({ kind: "logs", criteria: { addresses: [TOKEN], topics: [[TOPIC]] } });
  node.mine(oneOfEach(0n));
  expect(dropped).toEqual(["greedy"]);
  hub.close();
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
