// The composition root: opens the parts of a node in order, hands each what it stands on, and closes them in reverse.
// Every decision belongs to a part; here is only who knows whom.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { KoraApplication } from "#chain/application.ts";
import { type Chain, openChain } from "#chain/chain.ts";
import type { JournalFile } from "#chain/pool-journal.ts";
import type { PoolOptions } from "#chain/pool-types.ts";
import type { LeaderSettings } from "#chain/proposal.ts";
import type { SocketAddress } from "#config/kind.ts";
import { createSenderRecovery, type SenderRecovery } from "#crypto/recovery.ts";
import { createExecutor } from "#execution/executor.ts";
import { type ChainRulesOptions, chainRules } from "#execution/rules.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import type { RpcLimits } from "#rpc/limits.ts";
import type { RpcPorts } from "#rpc/ports.ts";
import { type RpcServer, startRpcServer } from "#rpc/server.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import type { BootstrapConfig, Genesis } from "#types/genesis.ts";
import { createChainPort, createPoolPort } from "./chain-port.ts";
import { announceCryptography } from "./cryptography.ts";
import { openDirectory } from "./directory.ts";
import type { ConsensusEngine, NetworkService, StartEngine } from "./engine.ts";
import { openJournalFile } from "./journal-file.ts";
import type { Logger } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { serveMetrics } from "./metrics-server.ts";
import { buildMissingIndexes } from "./missing-indexes.ts";
import { countCalls, observeNode, watchRpc } from "./observe.ts";
import { observedChain } from "./observed-chain.ts";
import { createPendingSource, PENDING_SHARE } from "./pending.ts";
import { createGate, type Gate } from "./reads/gate.ts";
import { createReads } from "./reads/reads.ts";
import { startUpkeep } from "./upkeep.ts";

/** All that is decided before a node starts. */
export interface NodePlan {
  /** Data directory; undefined for a chain that ends with the process. */
  readonly directory: string | undefined;
  readonly genesis: Genesis;
  readonly bootstrap: BootstrapConfig;
  readonly limits: {
    readonly transactionGasCap: boolean;
    readonly codeSizeLimit: boolean;
    readonly maxTxs: number;
    readonly maxBlockBytes: number;
  };
  readonly leader: () => LeaderSettings;
  readonly pool: PoolOptions;
  /** How far back the state can be read: all of it, or a number of blocks. */
  readonly history: "archive" | number;
  readonly clientVersion: string;
  readonly rpc: RpcPlan | undefined;
  readonly metrics: SocketAddress | undefined;
  readonly engine: StartEngine;
  readonly logger: Logger;
}

export interface RpcPlan {
  readonly listen: readonly SocketAddress[];
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  readonly namespaces: ReadonlySet<string> | undefined;
  readonly limits: RpcLimits;
  /** Milliseconds after which a call is ended. */
  readonly callTimeout: number;
}

/** A node at work. Disposing stops it: no new requests, the block at hand finished, everything closed. */
export interface CreatedNode extends AsyncDisposable {
  readonly chain: Chain;
  readonly state: StateDb;
  readonly metrics: Metrics;
  readonly consensus: ConsensusEngine;
  readonly application: KoraApplication;
  /** Undefined for a node alone. */
  readonly network: NetworkService | undefined;
  /** Undefined where none is served. */
  readonly rpc: RpcServer | undefined;
  readonly metricsAddress: SocketAddress | undefined;
  /** Rejects when a part failed in a way that must stop the node; never resolves. */
  readonly failed: Promise<never>;
}

/** The rules of the chain, as data that reading threads get too. */
function rulesOf({ genesis, limits }: NodePlan): ChainRulesOptions {
  const { transactionGasCap, codeSizeLimit } = limits;
  return { chainId: genesis.chainId, forks: genesis.forks, transactionGasCap, codeSizeLimit };
}

function openState(plan: NodePlan, stack: AsyncDisposableStack): StateDb {
  const { directory } = plan;
  if (directory !== undefined) stack.use(openDirectory(directory));
  const state = openStateDb({ directory, indexes: plan.rpc !== undefined });
  stack.defer(() => state.close());
  return state;
}

/** A journal whose failure stops the node: a hash that was to be kept may be lost. */
function failing(file: JournalFile, fail: (error: unknown) => void): JournalFile {
  const orFail = async (written: Promise<void>): Promise<void> => {
    try {
      await written;
    } catch (thrown) {
      fail(
        new KoraError("the transaction journal cannot be written", {
          code: "JOURNAL_FAILED",
          why: messageOf(thrown),
          hint: "check free space and permissions of the data directory; what was answered before is safe",
          cause: thrown,
        }),
      );
      throw thrown;
    }
  };
  return {
    read: () => file.read(),
    append: (bytes) => orFail(file.append(bytes)),
    replace: (bytes) => orFail(file.replace(bytes)),
  };
}

/** Threads that find senders at most: with more, the event loop is what a node waits for. */
const MAX_SENDER_THREADS = 4;

/** Finds senders beside the event loop, on the other cores. */
function openSenders({ logger }: NodePlan, stack: AsyncDisposableStack): SenderRecovery {
  const log = logger.module("senders");
  const senders = createSenderRecovery({
    threads: Math.min(MAX_SENDER_THREADS, availableParallelism() - 1),
    onThreadLost: (reason) => log.warn("a thread that finds senders was lost", { reason }),
    onSlowThread: (reason) => log.warn("senders are found by the slowest code", { reason }),
  });
  stack.defer(() => senders.close());
  return senders;
}

interface Opening {
  readonly stack: AsyncDisposableStack;
  readonly fail: (error: unknown) => void;
}

function openOwnChain(plan: NodePlan, state: StateDb, { stack, fail }: Opening): Chain {
  const { directory, genesis, limits, logger } = plan;
  const executor = createExecutor(chainRules(rulesOf(plan)));
  const journal =
    directory === undefined
      ? undefined
      : failing(stack.use(openJournalFile(join(directory, "transactions.journal"))), fail);
  return openChain({
    state,
    genesis,
    bootstrap: plan.bootstrap,
    rules: executor.rules,
    executor,
    maxBlockBytes: limits.maxBlockBytes,
    maxTxs: limits.maxTxs,
    leader: plan.leader,
    pool: plan.pool,
    journal,
    senders: openSenders(plan, stack),
    monotonic: () => performance.now(),
    report: (error) => logger.error("a listener failed", { error }),
  });
}

interface RpcParts {
  readonly plan: NodePlan;
  readonly chain: Chain;
  readonly state: StateDb;
  readonly metrics: Metrics;
  readonly engine: ConsensusEngine;
  readonly longReads: Gate;
  readonly stack: AsyncDisposableStack;
}

function portsOf(rpc: RpcPlan, parts: RpcParts): RpcPorts {
  const { plan, chain, state, metrics, engine, longReads, stack } = parts;
  const { local } = engine;
  const now = local?.now ?? (() => Math.floor(Date.now() / 1000));
  const reads = createReads({
    state,
    history: chain.history,
    rules: rulesOf(plan),
    timeLimit: rpc.callTimeout,
    workers: Math.max(1, availableParallelism() - 1),
    longReads,
  });
  stack.use(reads);
  const pending = createPendingSource({
    drafts: chain.pending,
    pool: chain.pool,
    now,
    monotonic: () => performance.now(),
    // A local chain has nothing beside it that would suffer.
    share: local === undefined ? PENDING_SHARE : 1,
    sleep: Bun.sleep,
    execute: reads.pending,
  });
  const log = plan.logger.module("rpc");
  const ports = {
    identity: { clientVersion: plan.clientVersion, chainId: plan.genesis.chainId },
    status: engine.status,
    peers: engine.peers,
    pool: createPoolPort(chain, engine.submit),
    chain: createChainPort({ chain, state, now, pending, estimatesPending: local !== undefined }),
    calls: reads,
    report: (error: unknown, method: string) => log.error("a method failed", { method, error }),
    answered: countCalls(metrics),
  };
  return { ...ports, dev: local?.methods(ports, rpc.limits) };
}

async function startRpc(rpc: RpcPlan, parts: RpcParts): Promise<RpcServer> {
  const server = await startRpcServer(portsOf(rpc, parts), rpc);
  parts.stack.defer(() => server.close());
  watchRpc(parts.metrics, server);
  return server;
}

/**
 * Opens and starts a node. Throws what the operator has to know: DIRECTORY_LOCKED, GENESIS_MISMATCH, STATE_CORRUPT,
 * LISTEN_FAILED and others; nothing is left open then.
 */
export async function createNode(plan: NodePlan): Promise<CreatedNode> {
  await using stack = new AsyncDisposableStack();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Nobody may be waiting yet when a part fails.
  failed.catch(() => undefined);
  const { logger, directory } = plan;
  announceCryptography(logger);
  const state = openState(plan, stack);
  const metrics = createMetrics();
  const chain = observedChain(openOwnChain(plan, state, { stack, fail }), metrics);
  const longReads = createGate();
  stack.use(startUpkeep({ chain, state, metrics, longReads, history: plan.history, fail }));
  const indexing = stack.use(buildMissingIndexes({ chain, state, logger: logger.module("node"), fail }));
  const engine = stack.use(await plan.engine({ chain, state, logger, metrics, fail }));
  const observed = stack.use(observeNode({ chain, metrics, engine, indexing, logger, directory }));
  const parts = { plan, chain, state, metrics, engine, longReads, stack };
  const rpc = plan.rpc && (await startRpc(plan.rpc, parts));
  const operator = plan.metrics && stack.use(serveMetrics(plan.metrics, metrics, observed));
  const owned = stack.move();
  return {
    chain,
    state,
    metrics,
    consensus: engine,
    application: chain.application,
    network: engine.network,
    rpc,
    metricsAddress: operator?.address,
    failed,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
