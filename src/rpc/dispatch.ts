// JSON-RPC 2.0 from text to text: parsing, batches, bounds, errors. Knows no transport and no method's meaning.
import type { ByteBudget } from "./budget.ts";
import { JsonText } from "./encode.ts";
import {
  INTERNAL_ERROR,
  INVALID_REQUEST,
  invalidParams,
  LIMIT_EXCEEDED,
  methodNotFound,
  PARSE_ERROR,
  RpcError,
  responseTooLarge,
  TIMEOUT,
  toRpcError,
} from "./errors.ts";
import { BATCH_TIME, ERROR_CHARACTERS, MAX_REQUEST_VALUES, type RpcLimits } from "./limits.ts";
import { parseParameters, shorten } from "./long-request.ts";
import type { Method } from "./method.ts";
import { SHORT_CHARACTERS } from "./outbox.ts";
import { Arguments } from "./params.ts";
import type { AnsweredCall } from "./ports.ts";
import { createPause } from "./slice.ts";
import type { Subscriber } from "./subscriptions.ts";
import { marksIn } from "./weight.ts";

/**
 * Answers one message; the empty string when nothing is to be said (notifications only). The characters of an answer
 * count as held in the outbox: whoever sends it, or drops it, gives them back. `charge` is told how many calls the
 * message holds beyond its first.
 */
export type Dispatch = (
  message: string,
  subscriber: Subscriber | undefined,
  charge?: (calls: number) => void,
) => string | Promise<string>;

export interface DispatchOptions {
  readonly methods: ReadonlyMap<string, Method>;
  readonly limits: RpcLimits;
  /** Characters of all answers that are made and not yet sent. */
  readonly outbox: ByteBudget;
  /** Where an unexpected error goes; never to the client. */
  readonly report: (error: unknown, method: string) => void;
  /** Told of every answered call of a known method. */
  readonly answered?: ((call: AnsweredCall) => void) | undefined;
}

/**
 * Whether a message is one request and no batch: once its answer is on the way, what it was parsed to is held no more,
 * but for what its method has read out of it.
 */
export function isSingle(message: string): boolean {
  return !/^\s*\[/.test(message);
}

const INVALID = new RpcError(INVALID_REQUEST, "invalid request");
const TOO_MANY_VALUES = new RpcError(INVALID_REQUEST, "too many values in one request");
const INTERNAL = new RpcError(INTERNAL_ERROR, "internal error");
const TOO_LARGE = responseTooLarge();
const NO_ROOM = new RpcError(LIMIT_EXCEEDED, "too many bytes of answers are being sent");
const TIMED_OUT = new RpcError(TIMEOUT, "request timed out");

/** A response without a result. `id` is JSON. */
export function errorResponse(id: string, error: RpcError): string {
  const { rpcCode: code, message, data } = error;
  const body = JSON.stringify(data === undefined ? { code, message } : { code, message, data });
  return `{"jsonrpc":"2.0","id":${id},"error":${body}}`;
}

function resultResponse(id: string, result: unknown): string {
  const text = result instanceof JsonText ? result.text : (JSON.stringify(result) ?? "null");
  return `{"jsonrpc":"2.0","id":${id},"result":${text}}`;
}

/** An answer that may not be refused, counted. */
function said({ outbox }: DispatchOptions, text: string): string {
  outbox.add(text.length);
  return text;
}

/**
 * An answer of at most `most` characters, counted; or what is said in its place. `alone`: the one answer to a request of
 * HTTP; a short one always finds room, since those under way are bounded: answers nobody takes do not silence a node.
 */
function held(options: DispatchOptions, id: string, text: string, most: number, alone: boolean): string {
  if (text.length > most) return said(options, errorResponse(id, TOO_LARGE));
  if (alone && text.length <= SHORT_CHARACTERS) return said(options, text);
  return options.outbox.take(text.length) ? text : said(options, errorResponse(id, NO_ROOM));
}

/** An id as it stood in the message: a number of more digits than JavaScript keeps. */
class LongId {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function isLong(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** The digits of a request's long id are kept; any other value is left as it is. */
function keepLongId(
  this: unknown,
  key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  const isId = key === "id" && isLong(value) && typeof this === "object" && this !== null && "method" in this;
  return isId && context?.source !== undefined ? new LongId(context.source) : value;
}

function requestsIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function parseWithIds(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const long = requestsIn(value).some(
    (request) => isObject(request) && "id" in request && isLong(request.id),
  );
  return long ? JSON.parse(text, keepLongId) : value;
}

/** Parameters of which long ones are left out, and the text of all. */
class LongParameters {
  readonly short: readonly unknown[];
  readonly text: string;
  constructor(short: readonly unknown[], text: string) {
    this.short = short;
    this.text = text;
  }
}

function parse(message: string): unknown {
  const shortened = shorten(message);
  if (shortened === undefined) return parseWithIds(message);
  const value = parseWithIds(shortened.rest);
  const requests = requestsIn(value);
  for (const [place, text] of shortened.parameters) {
    const request = requests[place];
    if (!isObject(request) || !("params" in request) || !Array.isArray(request.params)) continue;
    request.params = new LongParameters(request.params, text);
  }
  return value;
}

/** The id as JSON; undefined for what cannot be one. A missing id makes a notification: the empty string. */
function idOf(request: object): string | undefined {
  if (!("id" in request)) return "";
  const { id } = request;
  if (id instanceof LongId) return id.text;
  if (typeof id === "string" || typeof id === "number" || id === null) return JSON.stringify(id);
  return undefined;
}

interface Request {
  readonly id: string;
  readonly method: string;
  readonly params: readonly unknown[];
  /** All parameters, where long ones are left out of `params`. */
  readonly long?: string;
}

/** A well-formed request, or the error that answers it. */
function parseRequest(value: unknown): Request | { readonly id: string; readonly error: RpcError } {
  if (!isObject(value) || Array.isArray(value)) return { id: "null", error: INVALID };
  const id = idOf(value);
  if (id === undefined) return { id: "null", error: INVALID };
  const { jsonrpc, method, params } = value as Record<string, unknown>;
  if (jsonrpc !== "2.0" || typeof method !== "string") return { id: id === "" ? "null" : id, error: INVALID };
  if (params === undefined || params === null) return { id, method, params: [] };
  if (params instanceof LongParameters) return { id, method, params: params.short, long: params.text };
  if (!Array.isArray(params)) return { id, error: invalidParams("non-array args") };
  return { id, method, params };
}

function call(options: DispatchOptions, request: Request, subscriber: Subscriber | undefined): unknown {
  const { method, params, long } = request;
  const found = options.methods.get(method);
  if (found === undefined) throw methodNotFound(method);
  if (params.length > found.arity) throw invalidParams(`too many arguments, want at most ${found.arity}`);
  if (long === undefined) return found.handle(new Arguments(params), subscriber);
  if (found.handleLong !== undefined) return found.handleLong(new Arguments(params), long);
  return found.handle(new Arguments(parseParameters(long)), subscriber);
}

/** Answers one request; a notification is performed and answered with the empty string. */
function answer(
  options: DispatchOptions,
  value: unknown,
  subscriber: Subscriber | undefined,
  alone: boolean,
): string | Promise<string> {
  const request = parseRequest(value);
  const { id } = request;
  const { maxResponseBytes } = options.limits;
  if ("error" in request) return id === "" ? "" : said(options, errorResponse(id, request.error));
  // Not the request: its parameters may go while it is being answered.
  const { method } = request;
  const started = performance.now();
  const settled = (failed: boolean): void => {
    if (options.answered === undefined || !options.methods.has(method)) return;
    options.answered({ method, failed, milliseconds: performance.now() - started });
  };
  const finish = (result: unknown): string => {
    settled(false);
    return id === "" ? "" : held(options, id, resultResponse(id, result), maxResponseBytes, alone);
  };
  const fail = (thrown: unknown): string => {
    settled(true);
    const known = toRpcError(thrown);
    if (known === undefined) options.report(thrown, method);
    const most = Math.max(maxResponseBytes, ERROR_CHARACTERS);
    return id === "" ? "" : held(options, id, errorResponse(id, known ?? INTERNAL), most, alone);
  };
  try {
    const result = call(options, request, subscriber);
    return result instanceof Promise ? result.then(finish).catch(fail) : finish(result);
  } catch (error) {
    return fail(error);
  }
}

/** The id of the first request that has one, as JSON. */
function firstId(batch: readonly unknown[]): string {
  for (const value of batch) {
    const id = isObject(value) ? idOf(value) : undefined;
    if (id) return id;
  }
  return "null";
}

/** Characters of a message that is looked at although it will be refused. */
const LOOK_CHARACTERS = 4_096;
/** Characters at either end of a longer one in which its id is looked for. */
const ID_CHARACTERS = 256;

/** Members of a request that may stand between its id and its beginning or its end, where its id is looked for. */
const PLAIN_MEMBER = String.raw`"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"`;
const ID_MEMBER = String.raw`"id"\s*:\s*(-?(?:0|[1-9]\d*)|"[\w.:-]*")`;
const ID_AT_BEGINNING = new RegExp(String.raw`^\s*\{\s*(?:${PLAIN_MEMBER}\s*,\s*)*${ID_MEMBER}\s*[,}]`);
const ID_AT_END = new RegExp(String.raw`,\s*${ID_MEMBER}\s*(?:,\s*${PLAIN_MEMBER}\s*)*\}\s*$`);

/** The id of a single request where it stands before or after its parameters, found without parsing them. */
function outerId(message: string): string {
  if (!isSingle(message)) return "null";
  const found =
    ID_AT_BEGINNING.exec(message.slice(0, ID_CHARACTERS)) ?? ID_AT_END.exec(message.slice(-ID_CHARACTERS));
  return found?.[1] ?? "null";
}

/**
 * The id, as JSON, under which a message that is not going to be answered is refused. Of a long one only its beginning
 * and its end are looked at: "null" where it is in neither.
 */
export function idIn(message: string): string {
  if (message.length > LOOK_CHARACTERS) return outerId(message);
  try {
    const value = parse(message);
    return firstId(requestsIn(value));
  } catch {
    return "null";
  }
}

function overlaps({ methods }: DispatchOptions, value: unknown): boolean {
  const request = parseRequest(value);
  return "method" in request && methods.get(request.method)?.overlaps === true;
}

/**
 * Answers in order, each call after those before it, but for calls that overlap. Lets others run every few
 * milliseconds, and refuses what is past the bounds of size and time.
 */
async function answerBatch(
  options: DispatchOptions,
  batch: readonly unknown[],
  subscriber: Subscriber | undefined,
): Promise<string> {
  const { maxBatch, maxResponseBytes } = options.limits;
  if (batch.length === 0) {
    return said(options, errorResponse("null", new RpcError(INVALID_REQUEST, "empty batch")));
  }
  if (batch.length > maxBatch) {
    const refused = errorResponse(firstId(batch), new RpcError(INVALID_REQUEST, "batch too large"));
    return said(options, `[${refused}]`);
  }
  const parts: string[] = [];
  // With what stands between the parts and around them: one character for each, and one more.
  let size = 1;
  let started: { readonly value: unknown; readonly part: string | Promise<string> }[] = [];
  /** The part that passes the bound is answered with that instead. */
  const take = (value: unknown, part: string): void => {
    if (part === "") return;
    size += part.length + 1;
    if (size <= maxResponseBytes) {
      parts.push(part);
    } else {
      options.outbox.giveBack(part.length);
      parts.push(refuse(options, value, TOO_LARGE));
    }
  };
  const finish = async (): Promise<void> => {
    for (const { value, part } of started) take(value, await part);
    started = [];
  };
  const pause = createPause();
  const end = performance.now() + BATCH_TIME;
  for (const value of batch) {
    const mayOverlap = overlaps(options, value);
    if (!mayOverlap && started.length > 0) await finish();
    const refusal = size > maxResponseBytes ? TOO_LARGE : performance.now() > end ? TIMED_OUT : undefined;
    const part =
      refusal === undefined ? answer(options, value, subscriber, false) : refuse(options, value, refusal);
    if (mayOverlap) started.push({ value, part });
    else take(value, typeof part === "string" ? part : await part);
    // A turn given away for nothing would let a block begin between two transactions sent together.
    const turn = pause();
    if (turn !== undefined) await turn;
  }
  await finish();
  if (parts.length === 0) return "";
  options.outbox.add(parts.length + 1);
  return `[${parts.join(",")}]`;
}

function refuse(options: DispatchOptions, value: unknown, error: RpcError): string {
  const { id } = parseRequest(value);
  return id === "" ? "" : said(options, errorResponse(id, error));
}

/** The dispatcher of a server. */
export function createDispatch(options: DispatchOptions): Dispatch {
  return (message, subscriber, charge) => {
    if (message.length > MAX_REQUEST_VALUES && marksIn(message) > MAX_REQUEST_VALUES) {
      return said(options, errorResponse(idIn(message), TOO_MANY_VALUES));
    }
    let value: unknown;
    try {
      value = parse(message);
    } catch {
      return said(options, errorResponse("null", new RpcError(PARSE_ERROR, "parse error")));
    }
    if (!Array.isArray(value)) return answer(options, value, subscriber, subscriber === undefined);
    // One that will be refused whole is charged no more than the largest that is not.
    const calls = Math.min(value.length, options.limits.maxBatch);
    if (calls > 1) charge?.(calls - 1);
    return answerBatch(options, value, subscriber);
  };
}
