// Log queries: decoding of filter objects, their bounds with the texts indexers parse, matching of single logs.

import type { LocatedLog, WeighedLogQuery } from "#chain/history.ts";
import { type Address, type Hash, type Height, height } from "#types/ids.ts";
import { JsonText, logJson, toQuantity } from "./encode.ts";
import { invalidParams, serverError } from "./errors.ts";
import {
  INLINE_LOG_BYTES,
  INLINE_LOG_RANGE,
  INLINE_LOGS,
  MAX_LOG_ALTERNATIVES,
  MAX_TOPIC_POSITIONS,
  type RpcLimits,
} from "./limits.ts";
import { addressOf, type BlockRef, blockNumber, field, hashOf, object } from "./params.ts";
import type { CallsPort, ChainPort, FoundLogs } from "./ports.ts";

/** What logs have to match: any of the addresses, and per position any of the topics; empty is all. */
export interface LogCriteria {
  readonly addresses: readonly Address[];
  readonly topics: readonly (readonly Hash[])[];
}

export interface LogFilter extends LogCriteria {
  readonly from: BlockRef | undefined;
  readonly to: BlockRef | undefined;
  readonly blockHash: Hash | undefined;
}

function addresses(value: unknown): readonly Address[] {
  if (!Array.isArray(value)) return [addressOf(value)];
  if (value.length > MAX_LOG_ALTERNATIVES) {
    throw invalidParams("exceed max addresses or topics per search position");
  }
  return value.map(addressOf);
}

function topicsAt(value: unknown): readonly Hash[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) return [hashOf(value)];
  if (value.length > MAX_LOG_ALTERNATIVES) {
    throw invalidParams("exceed max addresses or topics per search position");
  }
  return value.includes(null) ? [] : value.map(hashOf);
}

function topics(value: unknown): readonly (readonly Hash[])[] {
  if (!Array.isArray(value)) throw invalidParams("topics must be an array");
  if (value.length > MAX_TOPIC_POSITIONS) throw invalidParams("exceed max topics");
  return value.map(topicsAt);
}

/** A filter object; a missing one matches everything. */
export function logFilter(value: unknown): LogFilter {
  const fields = object(value);
  const from = field(fields, "fromBlock", blockNumber);
  const to = field(fields, "toBlock", blockNumber);
  const blockHash = field(fields, "blockHash", hashOf);
  if (blockHash !== undefined && (from !== undefined || to !== undefined)) {
    throw invalidParams("can't specify fromBlock/toBlock with blockHash");
  }
  return {
    from,
    to,
    blockHash,
    addresses: field(fields, "address", addresses) ?? [],
    topics: field(fields, "topics", topics) ?? [],
  };
}

interface Range {
  readonly from: Height;
  readonly to: Height;
}

function heightIn(ref: BlockRef | undefined, head: Height): Height {
  return ref?.kind === "number" ? ref.height : head;
}

/** Throws what geth answers to a range that ends before it begins. */
export function checkRange({ from, to }: LogFilter): void {
  if (from?.kind === "number" && to?.kind === "number" && from.height > to.height) {
    throw invalidParams("invalid block range params");
  }
}

function rangeOf(chain: ChainPort, filter: LogFilter): Range {
  if (filter.blockHash !== undefined) {
    const found = chain.heightOf(filter.blockHash);
    if (found === undefined) throw serverError("unknown block");
    return { from: found, to: found };
  }
  const head = chain.head().header.number;
  const from = heightIn(filter.from, head);
  const to = heightIn(filter.to, head);
  if (filter.to?.kind === "number" && from > to) throw invalidParams("invalid block range params");
  if (from > head || to > head) throw invalidParams("block range extends beyond current head block");
  return { from, to };
}

function tooMuch(what: string, range: Range): Error {
  const retry = `[${toQuantity(range.from)}, ${toQuantity(range.to)}]`;
  return invalidParams(
    `query exceeds max ${what} (block range too large). Try with this block range ${retry}`,
  );
}

function fits(
  { count, dataBytes }: Omit<FoundLogs, "json">,
  { limit, maxDataBytes }: WeighedLogQuery,
): boolean {
  return count <= limit && dataBytes <= maxDataBytes;
}

/** What a query found, written down where it is within the bounds. */
export function foundLogs(query: WeighedLogQuery, logs: readonly LocatedLog[]): FoundLogs {
  const found = {
    count: logs.length,
    dataBytes: logs.reduce((sum, { log }) => sum + log.data.length, 0),
    last: logs[logs.length - 1]?.block.height,
  };
  return { ...found, json: fits(found, query) ? JSON.stringify(logs.map(logJson)) : "" };
}

/** The query's answer where that is little; undefined where a worker has to look. */
function lookInline(chain: ChainPort, query: WeighedLogQuery): FoundLogs | undefined {
  if (query.to - query.from >= INLINE_LOG_RANGE) return undefined;
  const limit = Math.min(query.limit, INLINE_LOGS);
  const maxDataBytes = Math.min(query.maxDataBytes, INLINE_LOG_BYTES);
  const small = { ...query, limit, maxDataBytes };
  const found = foundLogs(small, chain.logs(small));
  return fits(found, small) ? found : undefined;
}

/** Runs a query in order; wide ones in a worker. Throws −32602 with a smaller range for those past the bounds. */
async function run(
  chain: ChainPort,
  calls: CallsPort,
  limits: RpcLimits,
  range: Range,
  criteria: LogCriteria,
): Promise<FoundLogs> {
  const { from, to } = range;
  const { maxLogRange, maxLogResults } = limits;
  if (to - from >= maxLogRange) {
    throw tooMuch(`block range ${maxLogRange}`, { from, to: height(from + maxLogRange - 1) });
  }
  const { addresses, topics } = criteria;
  // Two characters a byte: a query that passes this passes the bound of the answer too.
  const maxDataBytes = Math.floor(limits.maxResponseBytes / 2);
  const query: WeighedLogQuery = { from, to, addresses, topics, limit: maxLogResults, maxDataBytes };
  const found = lookInline(chain, query) ?? (await calls.logs(query));
  if (found.dataBytes > maxDataBytes) {
    const half = height(from + Math.floor((to - from) / 2));
    throw tooMuch(`response size ${limits.maxResponseBytes}`, { from, to: half });
  }
  if (found.count <= maxLogResults) return found;
  const { last = to } = found;
  throw tooMuch(`results ${maxLogResults}`, { from, to: height(Math.max(from, last - 1)) });
}

/** Logs between two finalized heights. */
export type LogReader = (range: Range, criteria: LogCriteria) => Promise<FoundLogs>;

export function createLogReader(chain: ChainPort, calls: CallsPort, limits: RpcLimits): LogReader {
  return (range, criteria) => run(chain, calls, limits, range, criteria);
}

/** Logs of a filter object. */
export async function logsOf(chain: ChainPort, read: LogReader, filter: LogFilter): Promise<JsonText> {
  const { json } = await read(rangeOf(chain, filter), filter);
  return new JsonText(json);
}
