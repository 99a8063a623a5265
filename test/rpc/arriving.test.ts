// Requests on their way in, on real sockets: bodies and messages that come slowly or never end keep nobody out.
import { afterAll, describe, expect, test } from "bun:test";
import { DEFAULT_RPC_LIMITS, MAX_REQUEST_VALUES } from "#rpc/limits.ts";
import { until } from "../support/kora.ts";
import {
  BLOCK_NUMBER,
  closeServers,
  HEAD_2,
  type RawClient,
  rawClient,
  serve,
  socket,
  unfinished,
} from "./live-server.ts";

afterAll(closeServers);

const BUSY = { error: { code: -32005, message: "too many bytes of requests are being answered" } };
const WAIT = '{"jsonrpc":"2.0","id":1,"method":"test_wait"}';
/** Longer than what is always received. */
const LONG = BLOCK_NUMBER.padEnd(100_000);

const gaveWay = (client: RawClient): boolean => client.heard().startsWith("HTTP/1.1 408 ");

describe("bodies that do not end", () => {
  test("who announces bodies and sends none keeps nobody out, and gives way", async () => {
    const { port, post } = await serve({ maxRequests: 2 });
    const idle = await Promise.all([100, 100_000, 100].map((length) => unfinished(port, length, 1)));
    for (let i = 0; i < 4; i++) expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
    await until("the idle ones to be refused", () => idle.filter(gaveWay).length >= 2);
    const busy = await serve({ maxRequests: 1 });
    const waiting = busy.post(WAIT);
    await until("the bound", async () => (await busy.post(BLOCK_NUMBER)).status === 429);
    busy.proceed();
    expect(await (await waiting).json()).toMatchObject({ result: "0x" });
    expect(await (await busy.post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
  });

  test("give way in the order in which they began, and no more of them than it takes", async () => {
    const { port, post } = await serve({ maxBytesInFlight: 1_000_000 });
    const holding: RawClient[] = [];
    for (let i = 0; i < 20; i++) {
      holding.push(await unfinished(port, 900_000, 90_000));
      expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
    }
    // Eleven of them fit; what comes later takes the place of what came first.
    await until("the first nine to give way", () => holding.slice(0, 9).every(gaveWay));
    expect(holding.slice(9).filter(gaveWay)).toEqual([]);
    for (let i = 0; i < 10; i++) expect(await (await post(LONG)).json()).toEqual(HEAD_2);
    await until("one or two more to give way", () => holding.slice(9, 10).every(gaveWay));
    expect(holding.slice(11).filter(gaveWay)).toEqual([]);
    await until("the connections to be closed", () => holding.slice(0, 9).every((one) => one.closed()));
  });

  test("give way to a message of a WebSocket too", async () => {
    const { port, wsUrl } = await serve({ maxBytesInFlight: 300_000 });
    const { ws, messages } = await socket(wsUrl);
    const holding = await Promise.all([1, 2, 3].map(() => unfinished(port, 200_000, 95_000)));
    ws.send(LONG);
    await until("the answer", () => messages.find((message) => message.result === "0x2"));
    await until("one to give way", () => holding.some(gaveWay));
    ws.close();
  });

  test("have their time, whoever needs the room", async () => {
    const { port, post } = await serve({ arrivalTime: 100 });
    const idle = await Promise.all([
      unfinished(port, 100, 1),
      unfinished(port, 1_000_000, 0),
      unfinished(port, 1_000_000, 200_000),
    ]);
    await until("all of them to be refused and closed", () =>
      idle.every((client) => gaveWay(client) && client.closed()),
    );
    expect(await (await post(LONG)).json()).toEqual(HEAD_2);
  });

  test("dripping does not buy time", async () => {
    const { port } = await serve({ arrivalTime: 200 });
    const client = await unfinished(port, 1_000_000, 0);
    await until("the end", async () => {
      await client.send("x");
      return gaveWay(client);
    });
  });

  test("leave no trace when their clients are gone", async () => {
    const { port, post } = await serve({ maxBytesInFlight: 300_000 });
    const holding = await unfinished(port, 290_000, 280_000);
    holding.socket.destroy();
    const whole = BLOCK_NUMBER.padEnd(290_000);
    for (let i = 0; i < 5; i++) expect(await (await post(whole)).json()).toEqual(HEAD_2);
  });
});

describe("requests that are being answered", () => {
  test("do not give way: a long one is refused, a short one is not", async () => {
    const { post, proceed, waits, wsUrl } = await serve({ maxBytesInFlight: 150_000 });
    const { ws, call, messages } = await socket(wsUrl);
    const waiting = post(WAIT.padEnd(140_000));
    await until("it to be answered", () => waits() === 1);
    const refused = await post(LONG);
    expect([refused.status, await refused.json()]).toMatchObject([429, BUSY]);
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
    expect(await call("eth_blockNumber")).toMatchObject({ result: "0x2" });
    ws.send(LONG);
    await until("a refusal", () => messages.find((message) => message.error?.code === -32005));
    expect(await call("eth_blockNumber")).toMatchObject({ result: "0x2" });
    ws.close();
    proceed();
    expect(await (await waiting).json()).toMatchObject({ result: "0x" });
    expect(await (await post(LONG)).json()).toEqual(HEAD_2);
  });

  test("a body that would not fit even alone is refused, and pushes nobody out", async () => {
    const { port, post } = await serve({ maxBytesInFlight: 200_000 });
    const holding = await unfinished(port, 150_000, 90_000);
    const oversized = await post("x".repeat(300_000));
    expect([oversized.status, await oversized.json()]).toMatchObject([429, BUSY]);
    holding.socket.destroy();
    await until("the bytes to be free again", async () => (await post(LONG)).status === 200);
  });

  test("what a request weighs is what it becomes", async () => {
    const { post, proceed } = await serve({ maxBytesInFlight: 2_000_000 });
    const list = (items: number) => `[${"[],".repeat(items)}[]]`;
    const dense = (items: number) => `{"jsonrpc":"2.0","id":1,"method":"test_wait","params":${list(items)}}`;
    expect((await post(dense(20_000))).status).toBe(429);
    const few = post(dense(14));
    proceed();
    expect(await (await few).json()).toMatchObject({ result: "0x" });
  });

  test("hold no more than their text once they are parsed, but for batches", async () => {
    const { post, proceed, waits, wsUrl } = await serve({ maxBytesInFlight: 2_000_000 });
    const { ws } = await socket(wsUrl);
    const dense = `${WAIT.slice(0, -1)},"x":[${"[],".repeat(10_000)}[]]}`;
    const waiting: Promise<Response>[] = [];
    for (let i = 1; i <= 5; i++) {
      if (i % 2 === 1) waiting.push(post(dense));
      else ws.send(dense);
      await until("it to be answered", () => waits() === i);
    }
    waiting.push(post(`[${dense}]`));
    await until("it to be answered", () => waits() === 6);
    expect((await post(dense)).status).toBe(429);
    proceed();
    for (const response of await Promise.all(waiting)) expect(response.status).toBe(200);
    ws.close();
  });

  test("a request of too many values is refused before it is parsed", async () => {
    const { post } = await serve();
    const many = `[${"1,".repeat(MAX_REQUEST_VALUES)}1]`;
    const refused = { id: null, error: { code: -32600, message: "too many values in one request" } };
    expect(await (await post(many)).json()).toMatchObject(refused);
    expect(await (await post(BLOCK_NUMBER)).json()).toEqual(HEAD_2);
  });
});

describe("messages that do not end", () => {
  const HANDSHAKE = [
    "GET / HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Extensions: permessage-deflate",
  ];
  const PIECE = 60_000;
  /** A fragment that is not the last; masked with zeros. */
  const fragment = (first: boolean): Uint8Array =>
    Uint8Array.of(first ? 1 : 0, 0x80 | 126, PIECE >> 8, PIECE & 0xff, 0, 0, 0, 0, ...new Uint8Array(PIECE));

  const open = async (port: number): Promise<RawClient> => {
    const client = rawClient(port);
    await client.send(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
    await until("the handshake", () => client.heard().includes(" 101 "));
    return client;
  };

  test("are held up to the bound of a message, then their connection is closed", async () => {
    const { port, wsUrl } = await serve({ maxMessageBytes: 4 * PIECE });
    const client = await open(port);
    // What is not compressed does not grow on its way in.
    expect(client.heard().toLowerCase()).not.toContain("sec-websocket-extensions");
    for (let i = 0; i < 4; i++) await client.send(fragment(i === 0));
    const { call, ws } = await socket(wsUrl);
    expect(await call("eth_blockNumber")).toMatchObject({ result: "0x2" });
    expect(client.closed()).toBe(false);
    await client.send(fragment(false));
    await until("the connection to close", () => client.closed());
    expect(await call("eth_blockNumber")).toMatchObject({ result: "0x2" });
    ws.close();
  });

  test("hold no more than the requests that are being answered, all of them together", () => {
    const { maxConnections, maxMessageBytes, maxBytesInFlight } = DEFAULT_RPC_LIMITS;
    expect(maxConnections * maxMessageBytes).toBeLessThanOrEqual(maxBytesInFlight);
  });
});
