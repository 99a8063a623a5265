// Watches a running node: one log line per final block, the metrics that operators rely on, and whether it is ready.
import { existsSync, readdirSync } from "node:fs";
import type { Chain } from "#chain/chain.ts";
import type { AnsweredCall } from "#rpc/ports.ts";
import type { RpcServer } from "#rpc/server.ts";
import { watchDisk } from "./disk.ts";
import type { ConsensusEngine } from "./engine.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Readiness } from "./metrics-server.ts";
import type { Indexing } from "./missing-indexes.ts";
import { buildInfo } from "./version.ts";

export interface ObservedParts {
  readonly chain: Chain;
  readonly metrics: Metrics;
  readonly engine: Pick<ConsensusEngine, "status" | "peers" | "concerns">;
  readonly indexing: Pick<Indexing, "concerns">;
  readonly logger: Logger;
  /** Data directory; undefined for a chain in memory. */
  readonly directory: string | undefined;
}

export interface Observation extends Disposable {
  readiness(): Readiness;
  /** The node's word on itself, with what it runs. */
  status(): Readonly<Record<string, unknown>>;
}

/** Milliseconds between two looks at how late the event loop is. */
const LAG_INTERVAL_MS = 100;
const LAG_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** Lag above which the node does not count as ready: it answers, but late. */
const READY_LAG_SECONDS = 5;

/** One entry for each open file of this process. */
const OPEN_FILES = "/proc/self/fd";

/** Measures how late timers fire; the first metric of a node in JavaScript. */
function watchLag(metrics: Metrics): { last(): number } & Disposable {
  const lag = metrics.histogram(
    "kora_event_loop_lag_seconds",
    "How late timers fire, sampled ten times a second.",
    LAG_BUCKETS,
  );
  let due = performance.now() + LAG_INTERVAL_MS;
  let last = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    last = Math.max(0, now - due) / 1000;
    lag.observe(last);
    due = now + LAG_INTERVAL_MS;
  }, LAG_INTERVAL_MS);
  timer.unref();
  return { last: () => last, [Symbol.dispose]: () => clearInterval(timer) };
}

function watchProcess(metrics: Metrics): void {
  metrics
    .gauge("kora_info", "What this node runs; always 1.")
    .set(1, { version: buildInfo.version, commit: buildInfo.commit });
  const memory = metrics.gauge("kora_process_resident_memory_bytes", "Resident memory of the process.");
  const cpu = metrics.counter("kora_process_cpu_seconds_total", "CPU time the process has used.");
  const files = metrics.gauge("kora_process_open_fds", "Open files and sockets of the process.");
  let counted = 0;
  metrics.beforeScrape(() => {
    memory.set(process.memoryUsage.rss());
    const { user, system } = process.cpuUsage();
    const used = (user + system) / 1e6;
    cpu.add({}, used - counted);
    counted = used;
    // Only Linux tells.
    if (existsSync(OPEN_FILES)) files.set(readdirSync(OPEN_FILES).length);
  });
}

function watchPool({ chain, metrics, engine }: ObservedParts): void {
  const transactions = metrics.gauge("kora_txpool_transactions", "Transactions in the pool, by state.");
  const bytes = metrics.gauge("kora_txpool_bytes", "Bytes of transactions in the pool.");
  const peers = metrics.gauge("kora_p2p_peers", "Authenticated peers.");
  metrics.beforeScrape(() => {
    const { pending, queued, bytes: held } = chain.pool.status();
    transactions.set(pending, { state: "pending" });
    transactions.set(queued, { state: "queued" });
    bytes.set(held);
    peers.set(engine.peers.count());
  });
}

/** What the engine counts, as far as it has views. */
function watchViews({ metrics, engine }: ObservedParts): void {
  const view = metrics.gauge("kora_consensus_view", "The view this node is in.");
  const nullified = metrics.counter("kora_consensus_nullified_total", "Views that were given up.");
  const proposed = metrics.counter("kora_consensus_proposed_total", "Blocks that this node proposed.");
  let before = { nullifiedCount: 0, proposedCount: 0 };
  metrics.beforeScrape(() => {
    const { currentView, nullifiedCount, proposedCount } = engine.status.nodeStatus();
    view.set(currentView);
    nullified.add({}, nullifiedCount - before.nullifiedCount);
    proposed.add({}, proposedCount - before.proposedCount);
    before = { nullifiedCount, proposedCount };
  });
}

/** Counts and logs each block that becomes final; the result ends it. */
function watchBlocks({ chain, metrics, logger }: ObservedParts): () => void {
  const height = metrics.gauge("kora_finalized_height", "Height of the last final block.");
  const timestamp = metrics.gauge("kora_finalized_timestamp_seconds", "Timestamp of the last final block.");
  const age = metrics.gauge(
    "kora_finalized_age_seconds",
    "Time since a block became final here, or since the start.",
  );
  const transactions = metrics.counter("kora_finalized_transactions_total", "Transactions in final blocks.");
  const gas = metrics.counter("kora_finalized_gas_total", "Gas used in final blocks.");
  const log = logger.module("chain");
  const tip = chain.ledger.tip().header;
  height.set(tip.number);
  timestamp.set(tip.timestamp);
  let finalAt = performance.now();
  metrics.beforeScrape(() => age.set((performance.now() - finalAt) / 1000));
  return chain.service.events.snapshotPersisted.add(({ block }) => {
    const { header } = block;
    finalAt = performance.now();
    height.set(header.number);
    timestamp.set(header.timestamp);
    transactions.add({}, block.transactions.length);
    gas.add({}, Number(header.gasUsed));
    log.info("block final", {
      height: header.number,
      hash: block.hash,
      txs: block.transactions.length,
      gas: Number(header.gasUsed),
    });
  });
}

/** Counts and times the answered calls of RPC. */
export function countCalls(metrics: Metrics): (call: AnsweredCall) => void {
  const requests = metrics.counter("kora_rpc_requests_total", "Answered calls, by method and result.");
  const duration = metrics.histogram("kora_rpc_duration_seconds", "Time to answer a call.");
  return ({ method, failed, milliseconds }) => {
    requests.add({ method, result: failed ? "error" : "ok" });
    duration.observe(milliseconds / 1000);
  };
}

/** What clients hold open. */
export function watchRpc(metrics: Metrics, server: Pick<RpcServer, "open">): void {
  const connections = metrics.gauge("kora_rpc_websocket_connections", "WebSocket connections that are open.");
  const subscriptions = metrics.gauge("kora_rpc_subscriptions", "Subscriptions of all connections.");
  metrics.beforeScrape(() => {
    const open = server.open();
    connections.set(open.connections);
    subscriptions.set(open.subscriptions);
  });
}

/** Starts watching. */
export function observeNode(parts: ObservedParts): Observation {
  const { metrics, engine, indexing, directory } = parts;
  const lag = watchLag(metrics);
  const disk = directory === undefined ? undefined : watchDisk(directory, metrics);
  watchProcess(metrics);
  watchPool(parts);
  watchViews(parts);
  const stop = watchBlocks(parts);
  return {
    readiness() {
      const reasons: string[] = [...(engine.concerns?.() ?? [])];
      const syncing = engine.status.syncing();
      if (syncing !== undefined)
        reasons.push(`syncing: at ${syncing.currentBlock} of ${syncing.highestBlock}`);
      reasons.push(...indexing.concerns(), ...(disk?.concerns() ?? []));
      if (lag.last() > READY_LAG_SECONDS) reasons.push(`the event loop is ${lag.last().toFixed(1)} s late`);
      return { ready: reasons.length === 0, reasons };
    },
    status: () => ({ ...buildInfo, ...engine.status.nodeStatus() }),
    [Symbol.dispose]() {
      stop();
      lag[Symbol.dispose]();
    },
  };
}
