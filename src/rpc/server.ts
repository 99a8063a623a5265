// The RpcServer: Elysia, HTTP and WebSocket on the same port, one route. The only file that knows Elysia.
// Decides who may talk and how much; what is said is the dispatcher's.
import { Elysia } from "elysia";
import { messageOf } from "#lib/error.ts";
import { networkOf } from "#lib/ip.ts";
import { listenError } from "#lib/listen-error.ts";
import {
  type AccessOptions,
  corsHeaders,
  createRateLimit,
  hostAllowed,
  isLoopback,
  originAllowed,
  type RateLimit,
} from "./access.ts";
import { type Body, readBody } from "./body.ts";
import { type Connection, createConnection } from "./connection.ts";
import { createDispatch, type Dispatch, errorResponse, isSingle } from "./dispatch.ts";
import { LIMIT_EXCEEDED, RpcError } from "./errors.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import type { RpcLimits } from "./limits.ts";
import { createMethodTable } from "./methods.ts";
import { bodyOf, createOutbox, type Outbox } from "./outbox.ts";
import { createPlaces, type Places } from "./places.ts";
import type { RpcPorts } from "./ports.ts";
import { createSubscriptionHub, type SubscriptionHub } from "./subscriptions.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface RpcServerOptions extends AccessOptions {
  /** Each serves HTTP and WebSocket. */
  readonly listen: readonly ListenAddress[];
  readonly limits: RpcLimits;
  /** Namespaces served; undefined serves all. */
  readonly namespaces: ReadonlySet<string> | undefined;
}

export interface RpcServer {
  /** Where it listens, with the ports the system chose. */
  readonly addresses: readonly ListenAddress[];
  /** What is open now: WebSocket connections, and their subscriptions. */
  open(): { readonly connections: number; readonly subscriptions: number };
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/** Seconds without a byte after which a connection is closed: longer than any answer may take. */
const IDLE_SECONDS = 120;

type BunServer = NonNullable<Elysia["server"]>;
type BunSocket = Bun.ServerWebSocket<unknown>;

/** What all listeners share. */
interface Shared {
  readonly options: RpcServerOptions;
  readonly dispatch: Dispatch;
  readonly hub: SubscriptionHub;
  readonly rate: RateLimit;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  /** Of requests that are being answered. */
  readonly requests: Places;
  readonly connections: Places;
}

const JSON_TYPE = { "content-type": "application/json" };

/** Whether a body may be taken for JSON-RPC. A page cannot send these without a preflight. */
function isJson(contentType: string | null): boolean {
  const media = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return (
    media === "application/json" || media === "application/json-rpc" || media === "application/jsonrequest"
  );
}

function refusal(status: number, why: string, headers?: Record<string, string>): Response {
  return new Response(`${why}\n`, { status, headers: { "content-type": "text/plain", ...headers } });
}

function tooBusy(why: string): Response {
  const body = errorResponse("null", new RpcError(LIMIT_EXCEEDED, why));
  return new Response(body, { status: 429, headers: JSON_TYPE });
}

/** The answer; undefined where too many others are being answered. */
function answerBody(
  shared: Shared,
  { text, parsed, release }: Body,
  address: string,
): string | undefined | Promise<string> {
  const network = networkOf(address);
  if (!shared.requests.take(network)) {
    release();
    return undefined;
  }
  const end = (): void => {
    shared.requests.giveBack(network);
    release();
  };
  const answer = shared.dispatch(text, undefined, (calls) => shared.rate.charge(address, calls));
  if (typeof answer === "string") {
    end();
    return answer;
  }
  if (isSingle(text)) parsed();
  return answer.finally(end);
}

/** The response to a request; one of another status than 200 says why there is no answer. */
async function respond(shared: Shared, request: Request, address: string): Promise<Response> {
  if (!isJson(request.headers.get("content-type"))) {
    return refusal(415, "invalid content type, only application/json is supported");
  }
  if (!shared.rate.admit(address)) return tooBusy("rate limit exceeded");
  try {
    const body = await readBody(request, shared.inbox, networkOf(address));
    if (body === "gave way")
      return refusal(408, "the request took too long to arrive", { connection: "close" });
    if (body === "no room") return tooBusy("too many bytes of requests are being answered");
    const answering = answerBody(shared, body, address);
    const answer = answering instanceof Promise ? await answering : answering;
    if (answer === undefined) return tooBusy("too many requests are being answered");
    return new Response(bodyOf(shared.outbox, answer), { headers: JSON_TYPE });
  } catch (error) {
    return refusal(400, `the request could not be read: ${messageOf(error)}`);
  }
}

async function post(shared: Shared, request: Request, address: string): Promise<Response> {
  const response = await respond(shared, request, address);
  if (!request.headers.has("origin")) return response;
  // A page has to see refusals too: it would take one that it may not read for a network that is down.
  for (const [name, value] of Object.entries(corsHeaders(shared.options, request))) {
    response.headers.set(name, value);
  }
  return response;
}

/** Callbacks under the names that Elysia's WebSocket handler calls on a socket's data. */
function socketData(shared: Shared, address: string) {
  let connection: Connection | undefined;
  return {
    open(socket: BunSocket): void {
      connection = createConnection(
        {
          send: (message) => socket.send(message) !== 0,
          backlog: () => socket.getBufferedAmount(),
          terminate: () => socket.terminate(),
        },
        {
          ...shared,
          limits: shared.options.limits,
          admit: () => shared.rate.admit(address),
          charge: (calls) => shared.rate.charge(address, calls),
        },
      );
    },
    message(_socket: BunSocket, message: string | Uint8Array): void {
      connection?.message(typeof message === "string" ? message : new TextDecoder().decode(message));
    },
    drain(): void {
      connection?.drained();
    },
    close(): void {
      shared.connections.giveBack(networkOf(address));
      connection?.closed();
    },
  };
}

function upgrade(shared: Shared, request: Request, server: BunServer, address: string): Response | undefined {
  const { options } = shared;
  if (!originAllowed(options, request.headers.get("origin"))) return refusal(403, "origin not allowed");
  const network = networkOf(address);
  if (!shared.connections.take(network)) return tooBusy("too many connections");
  const upgraded = server.upgrade(request, { data: socketData(shared, address) } as never);
  if (upgraded) return undefined;
  shared.connections.giveBack(network);
  return refusal(400, "not a WebSocket handshake");
}

function route(shared: Shared, request: Request, server: BunServer | null) {
  if (server === null || !hostAllowed(shared.options, request.headers.get("host"))) {
    return refusal(403, "invalid host specified");
  }
  const address = server.requestIP(request)?.address ?? "";
  if (request.method === "POST") return post(shared, request, address);
  if (request.method === "OPTIONS") {
    return new Response(null, { status: 204, headers: corsHeaders(shared.options, request) });
  }
  const wantsSocket = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  return wantsSocket ? upgrade(shared, request, server, address) : new Response("", { headers: JSON_TYPE });
}

/** The whole of Elysia's part: three verbs of one path, no parsing, bounds on what may arrive. */
function createApp(shared: Shared): Elysia {
  const { maxBacklogBytes, maxMessageBytes, maxRequestBytes, maxResponseBytes } = shared.options.limits;
  const app = new Elysia({
    websocket: {
      // What a connection holds of a message that is never finished: nothing counts it before it is whole.
      maxPayloadLength: Math.min(maxMessageBytes, maxRequestBytes),
      backpressureLimit: maxBacklogBytes + maxResponseBytes,
      idleTimeout: IDLE_SECONDS,
    },
  });
  for (const verb of ["GET", "POST", "OPTIONS"]) {
    app.route(verb, "/", ({ request, server }) => route(shared, request, server), { parse: "none" });
  }
  return app;
}

function listen(app: Elysia, at: ListenAddress, maxRequestBodySize: number): ListenAddress {
  const { host: hostname, port } = at;
  try {
    app.listen({
      hostname,
      port,
      maxRequestBodySize,
      idleTimeout: IDLE_SECONDS,
      development: false,
      reusePort: false,
    });
  } catch (error) {
    throw listenError(at, error);
  }
  return { host: hostname, port: app.server?.port ?? port };
}

/** Starts the server. Throws LISTEN_FAILED when an address cannot be had, with nothing left listening. */
export async function startRpcServer(ports: RpcPorts, options: RpcServerOptions): Promise<RpcServer> {
  const { limits } = options;
  const methods = createMethodTable(ports, limits, options.namespaces);
  const hub = createSubscriptionHub(ports, limits);
  const now = (): number => performance.now();
  const outbox = createOutbox(limits, now);
  // One network takes no more than a half, but where all clients are of one: those of this machine, or of its proxy.
  const oneNetwork = options.listen.every(({ host }) => isLoopback(host));
  const places = (max: number): Places => createPlaces(max, oneNetwork ? max : Math.ceil(max / 2));
  const shared: Shared = {
    options,
    dispatch: createDispatch({
      methods: methods.byName,
      limits,
      outbox,
      report: ports.report,
      answered: ports.answered,
    }),
    hub,
    rate: createRateLimit(limits.requestsPerSecond, now),
    inbox: createInbox(limits, now),
    outbox,
    requests: places(limits.maxRequests),
    connections: places(limits.maxConnections),
  };
  const apps: Elysia[] = [];
  const close = async (): Promise<void> => {
    methods.close();
    hub.close();
    await Promise.all(apps.splice(0).map((app) => app.stop(true)));
  };
  const addresses: ListenAddress[] = [];
  try {
    for (const at of options.listen) {
      const app = createApp(shared);
      addresses.push(listen(app, at, limits.maxRequestBytes));
      apps.push(app);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const open = () => ({ connections: shared.connections.taken(), subscriptions: hub.count() });
  return { addresses, open, close };
}
