// The composition root: opens the parts of a node in order, hands each what it stands on, and closes them in reverse.
// Every decision belongs to a part; here is only who knows whom.
import { join } from "node:path";
import { type Chain, openChain } from "#chain/chain.ts";
import type { PoolOptions } from "#chain/pool-types.ts";
import type { LeaderSettings } from "#chain/proposal.ts";
import type { SocketAddress } from "#config/kind.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { RpcLimits } from "#rpc/limits.ts";
import type { CallsPort, RpcPorts } from "#rpc/ports.ts";
import { type RpcServer, startRpcServer } from "#rpc/server.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import type { BootstrapConfig, Genesis } from "#types/genesis.ts";
import { createChainPort, createPoolPort } from "./chain-port.ts";
import { openDirectory } from "./directory.ts";
import type { StartEngine } from "./engine.ts";
import { openJournalFile } from "./journal-file.ts";
import { listenError } from "./listen-error.ts";
import type { Logger } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { serveMetrics } from "./metrics-server.ts";
import { observeNode } from "./observe.ts";

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
  /** Where RPC listens, with the ports the system chose. */
  readonly rpcAddresses: readonly SocketAddress[];
  readonly metricsAddress: SocketAddress | undefined;
  /** Rejects when a part failed in a way that must stop the node; never resolves. */
  readonly failed: Promise<never>;
}

function openState(plan: NodePlan, stack: AsyncDisposableStack): StateDb {
  const { directory } = plan;
  if (directory !== undefined) stack.use(openDirectory(directory));
  const state = openStateDb({ directory });
  stack.defer(() => state.close());
  return state;
}

function openOwnChain(plan: NodePlan, state: StateDb, stack: AsyncDisposableStack): Chain {
  const { directory, genesis, limits, logger } = plan;
  const rules = chainRules({ chainId: genesis.chainId, forks: genesis.forks, ...limits });
  const journal =
    directory === undefined ? undefined : stack.use(openJournalFile(join(directory, "transactions.journal")));
  return openChain({
    state,
    genesis,
    bootstrap: plan.bootstrap,
    rules,
    executor: createExecutor(rules),
    maxBlockBytes: limits.maxBlockBytes,
    maxTxs: limits.maxTxs,
    leader: plan.leader,
    pool: plan.pool,
    journal,
    monotonic: () => performance.now(),
    report: (error) => logger.error("a listener failed", { error }),
  });
}

/** Starts RPC; what is wrong with an address is told with the key that set it. */
async function startRpc(plan: RpcPlan, ports: RpcPorts): Promise<RpcServer> {
  try {
    return await startRpcServer(ports, plan);
  } catch (thrown) {
    const [address] = plan.listen;
    throw address === undefined ? thrown : listenError("the RPC address", address, thrown);
  }
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
  const { logger } = plan;
  const state = openState(plan, stack);
  const chain = openOwnChain(plan, state, stack);
  const metrics = createMetrics();
  const engine = stack.use(await plan.engine({ chain, state, logger, fail }));
  const observed = stack.use(observeNode({ chain, state, metrics, engine, logger }));
  let rpcAddresses: readonly SocketAddress[] = [];
  if (plan.rpc !== undefined) {
    const server = await startRpc(plan.rpc, {
      identity: { clientVersion: plan.clientVersion, chainId: plan.genesis.chainId },
      status: engine.status,
      peers: engine.peers,
      pool: createPoolPort(chain),
      chain: createChainPort({ chain, state, leader: plan.leader, now: () => Math.floor(Date.now() / 1000) }),
      calls: undefined as unknown as CallsPort,
      dev: engine.dev,
      report: (error, method) => logger.module("rpc").error("a method failed", { method, error }),
    });
    stack.defer(() => server.close());
    rpcAddresses = server.addresses;
  }
  const operator = plan.metrics && stack.use(serveMetrics(plan.metrics, metrics, () => observed.readiness()));
  const owned = stack.move();
  return {
    chain,
    state,
    metrics,
    rpcAddresses,
    metricsAddress: operator?.address,
    failed,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
