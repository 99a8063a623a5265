// eth_: log queries and polled filters. A filter's changes are read from the chain when they are asked for.
import { type Hash, type Height, height } from "#types/ids.ts";
import { JsonText } from "./encode.ts";
import { serverError } from "./errors.ts";
import { transactionByHash } from "./eth-transactions.ts";
import { createFilterStore, createHashRing, type Filter } from "./filters.ts";
import { MAX_FILTER_BLOCKS, MAX_FILTER_CHANGES, type RpcLimits } from "./limits.ts";
import { checkRange, createLogReader, logFilter, logsOf } from "./log-query.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, type BlockRef, boolean, text } from "./params.ts";
import type { RpcPorts } from "./ports.ts";
import { createPause } from "./slice.ts";

/** The filter methods, and what has to be called when the server stops. */
export interface FilterMethods {
  readonly methods: Methods;
  close(): void;
}

const EMPTY_FILTER = logFilter({});

/** Room in an answer for what stands around its result. */
const AROUND_CHARACTERS = 256;

/** Transactions, as many as an answer holds; those that were dropped since are left out. */
async function wholeTransactions(
  { chain, pool }: RpcPorts,
  hashes: readonly Hash[],
  maxCharacters: number,
): Promise<{ readonly found: unknown[]; readonly looked: number }> {
  const found: unknown[] = [];
  const pause = createPause();
  let room = maxCharacters - AROUND_CHARACTERS;
  let looked = 0;
  for (const hash of hashes) {
    await pause();
    const transaction = transactionByHash(chain, pool, hash);
    room -= transaction === null ? 0 : JSON.stringify(transaction).length + 1;
    if (room < 0 && found.length > 0) break;
    if (transaction !== null) found.push(transaction);
    looked++;
  }
  return { found, looked };
}

export function ethFilterMethods(ports: RpcPorts, limits: RpcLimits): FilterMethods {
  const { chain, pool, calls } = ports;
  const store = createFilterStore(limits, () => performance.now());
  const read = createLogReader(chain, calls, limits);
  const head = (): Height => chain.head().header.number;
  const id = (args: Arguments): string => args.required(0, text);

  const recent = createHashRing(MAX_FILTER_CHANGES);
  const stopPending = pool.onPending((transaction) => recent.push(transaction.hash));

  const newBlocks = async (filter: Extract<Filter, { kind: "block" }>): Promise<unknown[]> => {
    const to = Math.min(head(), filter.cursor + MAX_FILTER_BLOCKS);
    const hashes: unknown[] = [];
    const pause = createPause();
    for (let at = filter.cursor + 1; at <= to; at++) {
      await pause();
      hashes.push(chain.hashAt(height(at)));
    }
    filter.cursor = to;
    return hashes;
  };

  const newLogs = async (filter: Extract<Filter, { kind: "logs" }>): Promise<unknown> => {
    const bound = (ref: BlockRef | undefined, open: number): number =>
      ref?.kind === "number" ? ref.height : open;
    const newest = head();
    const from = Math.max(filter.cursor + 1, bound(filter.filter.from, 0));
    const to = Math.min(newest, bound(filter.filter.to, newest), from + limits.maxLogRange - 1);
    filter.cursor = Math.min(filter.cursor, newest);
    if (from > to) return [];
    const { json } = await read({ from: height(from), to: height(to) }, filter.filter);
    filter.cursor = to;
    return new JsonText(json);
  };

  const newPending = async (filter: Extract<Filter, { kind: "pending" }>): Promise<unknown[]> => {
    const hashes = recent.after(filter.cursor);
    const first = recent.last - hashes.length;
    if (!filter.full) {
      filter.cursor = recent.last;
      return [...hashes];
    }
    const { found, looked } = await wholeTransactions(ports, hashes, limits.maxResponseBytes);
    filter.cursor = first + looked;
    return found;
  };

  const changes = (filter: Filter): Promise<unknown> => {
    if (filter.kind === "block") return newBlocks(filter);
    if (filter.kind === "logs") return newLogs(filter);
    return newPending(filter);
  };

  const methods: Methods = {
    eth_getLogs: method(1, (args) => logsOf(chain, read, args.required(0, logFilter))),
    eth_newFilter: method(1, (args) => {
      const filter = args.optional(0, logFilter) ?? EMPTY_FILTER;
      checkRange(filter);
      return store.install({ kind: "logs", filter, cursor: head() });
    }),
    eth_newBlockFilter: method(0, () => store.install({ kind: "block", cursor: head() })),
    eth_newPendingTransactionFilter: method(1, (args) =>
      store.install({ kind: "pending", full: args.optional(0, boolean) ?? false, cursor: recent.last }),
    ),
    eth_getFilterChanges: method(1, (args) => store.poll(id(args), changes)),
    eth_getFilterLogs: method(1, (args) => {
      const filter = store.use(id(args));
      if (filter.kind !== "logs") throw serverError("filter not found");
      return logsOf(chain, read, filter.filter);
    }),
    eth_uninstallFilter: method(1, (args) => store.remove(id(args))),
  };
  return { methods, close: stopPending };
}
