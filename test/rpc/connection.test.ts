// One WebSocket connection without a socket: the order of answers and events, and what is held for a client.
import { expect, test } from "bun:test";
import { createByteBudget } from "#rpc/budget.ts";
import { createConnection, type Socket } from "#rpc/connection.ts";
import { createDispatch } from "#rpc/dispatch.ts";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "#rpc/limits.ts";
import { createMethodTable } from "#rpc/methods.ts";
import { createOutbox } from "#rpc/outbox.ts";
import { createSubscriptionHub } from "#rpc/subscriptions.ts";
import { until } from "../support/kora.ts";
import { fakeNode } from "./fake-node.ts";

interface Message {
  readonly id?: number;
  readonly result?: string;
  readonly error?: { readonly code: number; readonly message: string };
  readonly params?: { readonly subscription: string };
}

/** A connection whose client reads nothing: what it was sent is in `sent`, and stays in its backlog. */
function setUp(changes: Partial<RpcLimits> = {}) {
  const limits = { ...DEFAULT_RPC_LIMITS, ...changes };
  const gate = Promise.withResolvers<string>();
  const node = fakeNode({
    test_wait: () => gate.promise,
    test_fill: ([length]) => "x".repeat(Number(length)),
  });
  const methods = createMethodTable(node.ports, limits, undefined).byName;
  const outbox = createOutbox(limits, () => 0);
  const dispatch = createDispatch({ methods, limits, outbox, report: node.ports.report });
  const hub = createSubscriptionHub(node.ports, limits);
  const inbox = createByteBudget(limits.maxBytesInFlight);
  const connect = () => {
    const sent: (Message | Message[])[] = [];
    const state = { backlog: 0, terminated: false };
    const socket: Socket = {
      send(message) {
        sent.push(JSON.parse(message));
        state.backlog += message.length;
        return true;
      },
      backlog: () => state.backlog,
      terminate() {
        state.terminated = true;
      },
    };
    const free = { admit: () => true, charge: () => undefined };
    const connection = createConnection(socket, { dispatch, hub, limits, ...free, inbox, outbox });
    const ask = (id: number, method: string, ...params: unknown[]) => ({
      jsonrpc: "2.0",
      id,
      method,
      params,
    });
    return { connection, sent, state, ask };
  };
  return { node, gate, outbox, connect };
}

test("events of a subscription made in a batch come after the answer that names it, none is lost", async () => {
  const { node, gate, connect } = setUp();
  const { connection, sent, ask } = connect();
  connection.message(JSON.stringify(ask(1, "eth_subscribe", "newHeads")));
  const early = (sent[0] as Message).result;
  connection.message(JSON.stringify([ask(2, "eth_subscribe", "newHeads"), ask(3, "test_wait")]));
  node.mine([]);
  node.mine([]);
  // The older subscription goes on meanwhile.
  expect(sent.slice(1).map((message) => (message as Message).params?.subscription)).toEqual([early, early]);
  gate.resolve("0x");
  await until("the batch", () => sent.some(Array.isArray));
  const at = sent.findIndex(Array.isArray);
  const late = (sent[at] as Message[])[0]?.result;
  const events = sent.slice(at + 1).map((message) => (message as Message).params?.subscription);
  expect(events).toEqual([late, late]);
  node.mine([]);
  expect(sent.slice(-2).map((message) => (message as Message).params?.subscription)).toEqual([early, late]);
});

test("a batch that subscribes after its connection is gone leaves nothing behind", async () => {
  const { node, gate, connect } = setUp();
  const { connection, ask, sent } = connect();
  const before = node.listeners();
  connection.message(JSON.stringify([ask(1, "test_wait"), ask(2, "eth_subscribe", "newHeads")]));
  connection.closed();
  gate.resolve("0x");
  await gate.promise;
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  node.mine([]);
  expect(sent).toEqual([]);
  expect(node.listeners()).toBe(before);
});

test("what clients leave unread is bounded in common: who is behind and wants more is dropped", () => {
  const { connect, outbox } = setUp({ maxBytesOutgoing: 10_000, maxBacklogBytes: 100_000 });
  const [first, second] = [connect(), connect()];
  for (const { connection, ask } of [first, second]) {
    connection.message(JSON.stringify(ask(1, "test_fill", 4_000)));
  }
  expect([first, second].map(({ sent, state }) => [sent.length, state.terminated])).toEqual([
    [1, false],
    [1, false],
  ]);
  first.connection.message(JSON.stringify(first.ask(2, "test_fill", 4_000)));
  expect(first.sent[1]).toMatchObject({ id: 2, error: { code: -32005 } });
  for (let id = 3; !first.state.terminated && id < 100; id++) {
    first.connection.message(JSON.stringify(first.ask(id, "test_fill", 4_000)));
  }
  expect(first.state.terminated).toBe(true);
  expect(second.state.terminated).toBe(false);
  second.connection.message(JSON.stringify(second.ask(2, "test_fill", 4_000)));
  expect(second.sent[1]).toMatchObject({ id: 2, result: expect.any(String) });
  // Read or gone: nothing stays counted.
  second.state.backlog = 0;
  second.connection.drained();
  second.connection.closed();
  expect(outbox.take(10_000)).toBe(true);
});

test("a refusal names the request", () => {
  const { connect } = setUp({ maxInFlight: 1 });
  const { connection, ask, sent } = connect();
  connection.message(JSON.stringify(ask(1, "test_wait")));
  connection.message(JSON.stringify(ask(7, "eth_blockNumber")));
  expect(sent).toEqual([
    expect.objectContaining({ id: 7, error: expect.objectContaining({ code: -32005 }) }),
  ]);
});
