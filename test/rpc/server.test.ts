// The server on a real socket: HTTP and WebSocket on one port, who may talk, how much, and slow or vanishing clients.
import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { DEFAULT_RPC_LIMITS } from "#rpc/limits.ts";
import { startRpcServer } from "#rpc/server.ts";
import { until } from "../support/kora.ts";
import { oneOfEach, SENDER, TOKEN, TOPIC } from "./fake-node.ts";
import type { Answer } from "./harness.ts";
import {
  BLOCK_NUMBER,
  closeServers,
  HEAD_2,
  type RawClient,
  rawClient,
  serve,
  socket,
} from "./live-server.ts";

afterAll(closeServers);

describe("HTTP", () => {
  test("one port answers requests, probes and preflights", async () => {
    const { url, post } = await serve();
    const answer = await post(BLOCK_NUMBER);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.json()).toEqual(HEAD_2);
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(`${url}?key=1`, { method: "OPTIONS" })).status).toBe(204);
    expect((await fetch(`${url}nowhere`)).status).toBe(404);
    expect(await (await post("{")).json()).toMatchObject({ error: { code: -32700 } });
    const concurrent = await Promise.all(Array.from({ length: 200 }, () => post(BLOCK_NUMBER)));
    for (const each of concurrent) expect(await each.json()).toEqual(HEAD_2);
  });

  test("bodies are bounded, whether or not their length is announced", async () => {
    const { post, url } = await serve({ maxRequestBytes: 100_000 });
    expect((await post(`"${"x".repeat(50_000)}"`)).status).toBe(200);
    expect((await post(`"${"x".repeat(200_000)}"`)).status).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 30; i++) controller.enqueue(new TextEncoder().encode("x".repeat(10_000)));
        controller.close();
      },
    });
    const headers = { "content-type": "application/json" };
    const streamed = await fetch(url, { method: "POST", body: chunks, headers });
    expect([400, 413]).toContain(streamed.status);
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
  });

  test("a page cannot send without a preflight, and no preflight passes for a foreign origin", async () => {
    const closed = await serve();
    expect((await closed.post(BLOCK_NUMBER, { "content-type": "text/plain" })).status).toBe(415);
    const preflight = { "access-control-request-method": "POST", origin: "https://evil.example" };
    const refused = await fetch(closed.url, { method: "OPTIONS", headers: preflight });
    expect(refused.headers.get("access-control-allow-origin")).toBeNull();

    const one = await serve({}, { origins: ["https://good.example"] });
    const allowed = await fetch(one.url, {
      method: "OPTIONS",
      headers: { ...preflight, origin: "https://good.example" },
    });
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://good.example");
    const evil = await fetch(one.url, { method: "OPTIONS", headers: preflight });
    expect(evil.headers.get("access-control-allow-origin")).toBeNull();

    const open = await serve({}, { origins: ["*"] });
    const headers = { ...preflight, "access-control-request-private-network": "true" };
    const any = await fetch(open.url, { method: "OPTIONS", headers });
    expect(any.headers.get("access-control-allow-origin")).toBe("*");
    expect(any.headers.get("access-control-allow-private-network")).toBe("true");
    const answer = await open.post(BLOCK_NUMBER, { origin: "https://evil.example" });
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const refusal = await open.post(BLOCK_NUMBER, {
      origin: "https://evil.example",
      "content-type": "text/x",
    });
    expect([refusal.status, refusal.headers.get("access-control-allow-origin")]).toEqual([415, "*"]);
  });

  test("a name that rebinds to this address is refused", async () => {
    const { post, port } = await serve({}, { hosts: ["node.example"] });
    expect((await post(BLOCK_NUMBER, { host: `evil.example:${port}` })).status).toBe(403);
    for (const host of ["node.example", "NODE.example:1", "localhost:8545", "[::1]:8545", "10.0.0.1"]) {
      expect((await post(BLOCK_NUMBER, { host })).status).toBe(200);
    }
    const any = await serve({}, { hosts: ["*"] });
    expect((await any.post(BLOCK_NUMBER, { host: "evil.example" })).status).toBe(200);
  });

  test("the rate of one address is bounded where the operator asks for it", async () => {
    const { post } = await serve({ requestsPerSecond: 5 });
    const statuses = await Promise.all(
      Array.from({ length: 30 }, async () => (await post(BLOCK_NUMBER)).status),
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(10);
    expect(statuses).toContain(429);
    const { post: other, wsUrl } = await serve({ requestsPerSecond: 5 });
    expect((await other(`[${Array(100).fill(BLOCK_NUMBER).join()}]`)).status).toBe(200);
    expect((await other(BLOCK_NUMBER)).status).toBe(429);
    const { call } = await socket(wsUrl);
    expect(await call("eth_blockNumber")).toMatchObject({ error: { code: -32005 } });
  });

  test("only the namespaces asked for are served", async () => {
    const { post } = await serve({}, { namespaces: new Set(["net"]) });
    expect(await (await post(BLOCK_NUMBER)).json()).toMatchObject({ error: { code: -32601 } });
    const version = await post('{"jsonrpc":"2.0","id":1,"method":"net_version"}');
    expect(await version.json()).toMatchObject({ result: "1337" });
  });

  test("a port in use is an error with a hint and leaves nothing behind", async () => {
    const { port, node } = await serve();
    const before = node.listeners();
    const again = startRpcServer(node.ports, {
      listen: [
        { host: "127.0.0.1", port: 0 },
        { host: "127.0.0.1", port },
      ],
      hosts: [],
      origins: [],
      namespaces: undefined,
      limits: DEFAULT_RPC_LIMITS,
    });
    await expect(again).rejects.toMatchObject({ code: "LISTEN_FAILED", hint: expect.any(String) });
    expect(node.listeners()).toBe(before);
  });

  test("half a request and a reset connection do no harm", async () => {
    const { port, post } = await serve();
    for (const part of [
      "POST / HT",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
      "\u0000\u0001",
    ]) {
      const raw = connect(port, "127.0.0.1");
      await new Promise<void>((resolve) => raw.write(part, () => resolve()));
      raw.destroy();
    }
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
  });
});

describe("answers that are not read", () => {
  const FILL = '{"jsonrpc":"2.0","id":1,"method":"test_fill","params":[12000000]}';
  const busy = { error: { code: -32005, message: "too many bytes of answers are being sent" } };

  /** A client that has asked for a long answer and reads none of it. */
  const askUnheard = async ({ port, fills }: { port: number; fills: () => number }) => {
    const before = fills();
    const client = connect(port, "127.0.0.1");
    client.pause();
    const head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    client.write(`${head}content-length: ${FILL.length}\r\n\r\n${FILL}`);
    await until("the answer to be made", () => fills() > before);
    return client;
  };

  test("are bounded in common, whoever asked for them, and leave no trace when their clients are gone", async () => {
    const server = await serve({ maxBytesOutgoing: 30_000_000 });
    const { post } = server;
    expect(((await (await post(FILL)).json()) as Answer).result).toHaveLength(12_000_000);
    const deaf = [await askUnheard(server), await askUnheard(server)];
    expect(await (await post(FILL)).json()).toMatchObject(busy);
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
    for (const client of deaf) client.destroy();
    await until("room", async () => ((await (await post(FILL)).json()) as Answer).error === undefined);
  }, 30_000);

  test("give way after a while where others need the room", async () => {
    const server = await serve({ maxBytesOutgoing: 20_000_000, readingTime: 200 });
    const { post } = server;
    const deaf = await askUnheard(server);
    await until("room", async () => ((await (await post(FILL)).json()) as Answer).error === undefined);
    let text = "";
    deaf.setEncoding("latin1").on("data", (chunk: string) => {
      text = (text + chunk).slice(-16);
    });
    const closed = new Promise((resolve) => deaf.on("close", resolve));
    deaf.resume();
    await closed;
    // No last chunk: nobody can take what arrived for the whole.
    expect(text.endsWith("0\r\n\r\n")).toBe(false);
  }, 30_000);
});

describe("WebSocket", () => {
  test("requests, batches and malformed messages on the same port", async () => {
    const { wsUrl } = await serve();
    const { ws, call, messages } = await socket(wsUrl);
    expect(await call("eth_blockNumber")).toMatchObject({ result: "0x2" });
    for (const text of ["{", "17", "true", "null"]) ws.send(text);
    await until("four errors", () => messages.filter((message) => message.error !== undefined).length === 4);
    ws.send(new TextEncoder().encode(BLOCK_NUMBER.replace('"id":1', '"id":77')));
    await until("the answer to bytes", () => messages.find((message) => message.id === 77));
    ws.send(`[${BLOCK_NUMBER}]`);
    await until("a batch", () => messages.find((message) => Array.isArray(message)));
    ws.close();
  });

  test("heads, logs by criteria and pending transactions arrive once each, and stop", async () => {
    const { wsUrl, node } = await serve();
    const { call, messages, ws } = await socket(wsUrl);
    const heads = (await call("eth_subscribe", "newHeads")).result as string;
    const logs = (await call("eth_subscribe", "logs", { address: TOKEN, topics: [[TOPIC, null]] }))
      .result as string;
    const none = (await call("eth_subscribe", "logs", { address: SENDER })).result as string;
    const pending = (await call("eth_subscribe", "newPendingTransactions")).result as string;
    const full = (await call("eth_subscribe", "newPendingTransactions", true)).result as string;
    expect((await call("eth_subscribe", "nothing")).error).toMatchObject({ code: -32602 });
    const of = (id: string) => messages.filter((message) => message.params?.subscription === id);

    const transactions = oneOfEach(10n);
    for (const transaction of transactions) node.wait(transaction);
    const block = node.mine(transactions);
    await until("the logs", () => of(logs).length === 3);
    expect(of(heads).map((message) => message.params?.result)).toMatchObject([
      { hash: block.hash, number: "0x3" },
    ]);
    expect(of(pending).map((message) => message.params?.result)).toEqual(transactions.map((t) => t.hash));
    expect(of(full).map((message) => message.params?.result)).toMatchObject(
      transactions.map(({ hash }) => ({ hash })),
    );
    expect(of(logs).map((message) => message.params?.result)).toMatchObject(
      [0, 1, 2].map((logIndex) => ({ logIndex: `0x${logIndex}`, removed: false, blockHash: block.hash })),
    );
    expect(of(none)).toEqual([]);

    expect(await call("eth_unsubscribe", heads)).toMatchObject({ result: true });
    expect(await call("eth_unsubscribe", heads)).toMatchObject({ error: { code: -32601 } });
    node.mine(oneOfEach(20n));
    await until("more logs", () => of(logs).length === 6);
    expect(of(heads)).toHaveLength(1);
    ws.close();
  });

  test("connections and subscriptions are bounded", async () => {
    const { wsUrl } = await serve({ maxConnections: 2, maxSubscriptions: 3 });
    const first = await socket(wsUrl);
    const second = await socket(wsUrl);
    const third = await socket(wsUrl);
    expect(third.closedWith()).toBeDefined();
    for (let i = 0; i < 3; i++) expect((await first.call("eth_subscribe", "newHeads")).result).toBeString();
    expect(await first.call("eth_subscribe", "newHeads")).toMatchObject({
      error: { message: "too many subscriptions" },
    });
    second.ws.close();
    await until("a free place", async () => {
      const next = await socket(wsUrl);
      return next.closedWith() === undefined;
    });
  });

  test("one network takes half of the places, where there may be others", async () => {
    const limits = { maxConnections: 4, maxRequests: 2 };
    const { port, post, proceed, server, waits } = await serve(limits, {
      listen: [{ host: "0.0.0.0", port: 0 }],
    });
    const upgradeFrom = async (localAddress: string): Promise<RawClient> => {
      const client = rawClient(port, localAddress);
      const key =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key:";
      await client.send(`GET / HTTP/1.1\r\nHost: localhost\r\n${key} ${btoa("0123456789abcdef")}\r\n\r\n`);
      await until("an answer", () => client.heard().startsWith("HTTP/1.1 "));
      return client;
    };
    const status = ({ heard }: RawClient) => heard().slice(9, 12);
    const greedy: RawClient[] = [];
    for (let i = 0; i < 3; i++) greedy.push(await upgradeFrom("127.0.0.1"));
    const honest = await upgradeFrom("127.0.0.2");
    expect([...greedy, honest].map(status)).toEqual(["101", "101", "429", "101"]);
    greedy[0]?.socket.destroy();
    await until("its place to be free", () => server.open().connections === 2);
    greedy.push(await upgradeFrom("127.0.0.1"));
    expect(status(greedy[3] as RawClient)).toBe("101");

    const waiting = post('{"jsonrpc":"2.0","id":1,"method":"test_wait"}');
    await until("it to wait", () => waits() === 1);
    expect((await post(BLOCK_NUMBER)).status).toBe(429);
    const other = rawClient(port, "127.0.0.2");
    const head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    await other.send(`${head}content-length: ${BLOCK_NUMBER.length}\r\n\r\n${BLOCK_NUMBER}`);
    await until("its answer", () => other.heard().endsWith(JSON.stringify(HEAD_2)));
    proceed();
    expect((await waiting).status).toBe(200);
    expect((await post(BLOCK_NUMBER)).status).toBe(200);
    for (const client of [...greedy, honest, other]) client.socket.destroy();
  });

  test("a foreign page cannot open a socket", async () => {
    const { wsUrl } = await serve({}, { origins: ["https://good.example"] });
    expect((await socket(wsUrl, { origin: "https://evil.example" })).closedWith()).toBeDefined();
    expect((await socket(wsUrl, { origin: "https://good.example" })).closedWith()).toBeUndefined();
  });

  test("a message past the bound closes its connection and nothing else", async () => {
    const { wsUrl, post } = await serve({ maxRequestBytes: 10_000 });
    const { ws, closedWith } = await socket(wsUrl);
    ws.send("x".repeat(20_000));
    await until("the connection to close", () => closedWith() !== undefined);
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
  });

  test("a client that does not read is disconnected", async () => {
    const { port, node, wsUrl } = await serve({ maxBacklogBytes: 200_000, maxConnections: 1 });
    const slow = connect(port, "127.0.0.1");
    slow.on("error", () => {});
    const key = btoa("0123456789abcdef");
    const upgrade = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13`;
    slow.write(`GET / HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n\r\n`);
    await new Promise<void>((resolve) => slow.once("data", () => resolve()));
    const request = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}';
    slow.write(Uint8Array.of(0x81, 0x80 | request.length, 0, 0, 0, 0, ...new TextEncoder().encode(request)));
    await new Promise<void>((resolve) => slow.once("data", () => resolve()));
    slow.pause();
    const transactions = oneOfEach(100n);
    await until("the slow client's place to be free", async () => {
      for (let i = 0; i < 500; i++) node.mine(transactions);
      const next = await socket(wsUrl);
      return next.closedWith() === undefined;
    });
    slow.destroy();
  }, 60_000);

  test("closing the server ends its connections and its listening", async () => {
    const { wsUrl, server, node, post } = await serve();
    const { closedWith, call } = await socket(wsUrl);
    await call("eth_subscribe", "newHeads");
    await server.close();
    await until("the connection to close", () => closedWith() !== undefined);
    expect(node.listeners()).toBe(0);
    await expect(post(BLOCK_NUMBER)).rejects.toThrow();
  });
});
