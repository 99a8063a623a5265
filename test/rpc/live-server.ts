// An RPC server over a fake node on a real socket, and clients that speak to it by hand.

import { connect, type Socket } from "node:net";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "#rpc/limits.ts";
import { type RpcServer, type RpcServerOptions, startRpcServer } from "#rpc/server.ts";
import { until } from "../support/kora.ts";
import { type FakeNode, fakeNode } from "./fake-node.ts";
import type { Answer } from "./harness.ts";

export interface LiveServer {
  readonly node: FakeNode;
  readonly server: RpcServer;
  readonly port: number;
  readonly url: string;
  readonly wsUrl: string;
  post(body: string, headers?: Record<string, string>): Promise<Response>;
  /** How often `test_fill` was called. */
  fills(): number;
  /** How often `test_wait` was called. */
  waits(): number;
  /** Lets `test_wait` answer. */
  proceed(): void;
}

const servers: RpcServer[] = [];

/** Ends all servers that were started. */
export async function closeServers(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.close()));
}

/** Starts a server with other limits than the usual. */
export async function serve(
  limits: Partial<RpcLimits> = {},
  options: Partial<RpcServerOptions> = {},
): Promise<LiveServer> {
  let fills = 0;
  const fill = ([length]: readonly unknown[]): string => {
    fills++;
    return "x".repeat(Number(length));
  };
  let waits = 0;
  const gate = Promise.withResolvers<string>();
  const wait = (): Promise<string> => {
    waits++;
    return gate.promise;
  };
  const node = fakeNode({ test_fill: fill, test_wait: wait });
  const server = await startRpcServer(node.ports, {
    listen: [{ host: "127.0.0.1", port: 0 }],
    hosts: [],
    origins: [],
    namespaces: undefined,
    ...options,
    limits: { ...DEFAULT_RPC_LIMITS, ...limits },
  });
  servers.push(server);
  const port = server.addresses[0]?.port ?? 0;
  const url = `http://127.0.0.1:${port}/`;
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
  return {
    node,
    server,
    port,
    url,
    wsUrl: `ws://127.0.0.1:${port}/`,
    post,
    fills: () => fills,
    waits: () => waits,
    proceed: () => gate.resolve("0x"),
  };
}

export const BLOCK_NUMBER: string = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}';
export const HEAD_2: Answer = { jsonrpc: "2.0", id: 1, result: "0x2" };

type Message = Answer & { readonly params?: { readonly subscription: string; readonly result: unknown } };

export interface LiveSocket {
  readonly ws: WebSocket;
  readonly messages: readonly Message[];
  call(method: string, ...params: unknown[]): Promise<Answer>;
  closedWith(): number | undefined;
}

/** A WebSocket that keeps what it got. */
export async function socket(url: string, headers: Record<string, string> = {}): Promise<LiveSocket> {
  const ws = new WebSocket(url, { headers } as never);
  const messages: Message[] = [];
  let closedWith: number | undefined;
  ws.onmessage = ({ data }) => messages.push(JSON.parse(String(data)));
  ws.onclose = ({ code }) => {
    closedWith = code;
  };
  await until(
    "the socket to open or fail",
    () => ws.readyState === WebSocket.OPEN || closedWith !== undefined,
  );
  let id = 0;
  const call = async (method: string, ...params: unknown[]): Promise<Answer> => {
    const mine = ++id;
    ws.send(JSON.stringify({ jsonrpc: "2.0", id: mine, method, params }));
    return until(`an answer to ${method}`, () => messages.find((message) => message.id === mine));
  };
  return { ws, messages, call, closedWith: () => closedWith };
}

/** A client that sends bytes by hand. */
export interface RawClient {
  readonly socket: Socket;
  /** All that it was told. */
  heard(): string;
  closed(): boolean;
  /** Resolves when the system has taken it. */
  send(bytes: string | Uint8Array): Promise<void>;
}

/** Connects a client that does nothing by itself, from an address of this machine. */
export function rawClient(port: number, localAddress = "127.0.0.1"): RawClient {
  const client = connect({ port, host: "127.0.0.1", localAddress });
  let heard = "";
  let closed = false;
  client.setEncoding("latin1").on("data", (chunk: string) => {
    heard += chunk;
  });
  client.on("error", () => undefined);
  client.on("close", () => {
    closed = true;
  });
  return {
    socket: client,
    heard: () => heard,
    closed: () => closed,
    send: (bytes) => new Promise((resolve) => client.write(bytes, () => resolve())),
  };
}

/** A client that has announced a body of `length` bytes and sent `sent` of them. */
export async function unfinished(port: number, length: number, sent: number): Promise<RawClient> {
  const client = rawClient(port);
  const head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
  await client.send(`${head}content-length: ${length}\r\n\r\n${"x".repeat(sent)}`);
  return client;
}
