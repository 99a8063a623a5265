// Running a node from another program: its scheme, chain and first transactions given as values instead of files.
// The names are the specification's.
import { parseGenesis } from "#chain/genesis-file.ts";
import type { LedgerService } from "#chain/service.ts";
import type { SocketAddress } from "#config/kind.ts";
import type { Settings } from "#config/schema.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { isLoopback } from "#rpc/access.ts";
import { DEFAULT_RPC_LIMITS, LOCAL_RPC_LIMITS } from "#rpc/limits.ts";
import type { StatusPort } from "#rpc/ports.ts";
import type { BootstrapConfig } from "#types/genesis.ts";
import { runToEnd } from "./builder.ts";
import type { Replacements } from "./committee.ts";
import { type CreatedNode, createNode, type NodePlan, type RpcPlan } from "./create.ts";
import type { PassphraseSource } from "./key-files.ts";
import { createLogger, type Logger } from "./log.ts";
import { planOf } from "./plan.ts";

/** What kept a runner from running; the cause is the part's own error. */
export class RunnerError extends KoraError {
  override readonly name: string = "RunnerError";
}

/** What a runner runs in. What it may replace, a transport above all, is the node's own where it is left out. */
export interface NodeRunContext extends Omit<Replacements, "scheme"> {
  readonly settings: Settings;
  readonly logger: Logger;
  /** Opens an encrypted validator.key; without it that cannot be used. */
  readonly passphrase?: PassphraseSource;
  /** Ends the node when it is aborted. */
  readonly signal: AbortSignal;
  /** Called when the node has ended; with the failure if a part of it failed. */
  readonly onEnd?: (failure: unknown) => void;
}

export interface NodeRunner {
  /** Starts a node and answers its ledger service once it is at work. Rejects with RunnerError. */
  run(context: NodeRunContext): Promise<LedgerService>;
}

/** Runs one validator. Each `with` answers a new runner. */
export interface ProductionRunner extends NodeRunner {
  /** Serves JSON-RPC; `status` is what it says of the node, the node's own when left out. */
  withRpc(status: StatusPort | undefined, address: SocketAddress): ProductionRunner;
  /** Runs until SIGINT, SIGTERM or `signal`. */
  runStandalone(settings: Settings, signal?: AbortSignal): Promise<void>;
}

interface RunnerParts {
  /** Undefined for a chain of one node. */
  readonly scheme: ThresholdScheme | undefined;
  readonly chainId: number;
  readonly gasLimit: number;
  readonly bootstrap: BootstrapConfig;
  readonly rpc: { readonly status: StatusPort | undefined; readonly address: SocketAddress } | undefined;
}

function rpcPlanAt(address: SocketAddress, base: RpcPlan | undefined): RpcPlan {
  return {
    hosts: ["localhost"],
    origins: [],
    namespaces: undefined,
    limits: isLoopback(address.host) ? LOCAL_RPC_LIMITS : DEFAULT_RPC_LIMITS,
    callTimeout: 5_000,
    ...base,
    listen: [address],
  };
}

/** The plan of a node whose chain is the runner's, everything else the configuration's. */
function runnerPlan(parts: RunnerParts, context: NodeRunContext): NodePlan {
  const { settings, logger, passphrase, openTransport, openClock } = context;
  const { scheme } = parts;
  const members = scheme?.participants().map(String) ?? [];
  const own: Settings = {
    ...settings,
    node: { ...settings.node, chainId: parts.chainId },
    consensus: { ...settings.consensus, participants: members },
    execution: { ...settings.execution, gasLimit: parts.gasLimit },
  };
  const genesis = parseGenesis({ chain_id: parts.chainId, allocations: [] });
  const plan = planOf({
    settings: own,
    logger,
    bootstrap: parts.bootstrap,
    genesis,
    ...(passphrase && { passphrase }),
    replacements: {
      ...(scheme && { scheme }),
      ...(openTransport && { openTransport }),
      ...(openClock && { openClock }),
    },
  });
  const { rpc } = parts;
  if (rpc === undefined) return plan;
  return {
    ...plan,
    rpc: rpcPlanAt(rpc.address, plan.rpc),
    engine: async (engineParts) => {
      const engine = await plan.engine(engineParts);
      return rpc.status === undefined ? engine : { ...engine, status: rpc.status };
    },
  };
}

async function start(parts: RunnerParts, context: NodeRunContext): Promise<CreatedNode> {
  try {
    return await createNode(runnerPlan(parts, context));
  } catch (thrown) {
    const known = thrown instanceof KoraError ? thrown : undefined;
    throw new RunnerError(`the node could not start: ${messageOf(thrown)}`, {
      code: known?.code ?? "RUNNER_FAILED",
      kind: known?.kind ?? "runtime",
      ...(known?.why !== undefined && { why: known.why }),
      ...(known?.hint !== undefined && { hint: known.hint }),
      cause: thrown,
    });
  }
}

/** Waits for the end, closes everything in reverse, and tells. */
async function finish(node: CreatedNode, { signal, logger, onEnd }: NodeRunContext): Promise<void> {
  let failure: unknown;
  try {
    await runToEnd(node, signal, logger);
  } catch (thrown) {
    failure = thrown;
  }
  onEnd?.(failure);
}

async function runStandalone(runner: NodeRunner, settings: Settings, signal?: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) process.on(name, end);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted === true) end();
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  try {
    await runner.run({
      settings,
      logger: createLogger(settings.log),
      signal: stop.signal,
      onEnd: (failure) => (failure === undefined ? resolve() : reject(failure)),
    });
    await ended;
  } finally {
    for (const name of signals) process.off(name, end);
  }
}

function runnerOf(parts: RunnerParts): ProductionRunner {
  const runner: ProductionRunner = {
    async run(context) {
      const node = await start(parts, context);
      void finish(node, context);
      return node.chain.service;
    },
    withRpc: (status, address) => runnerOf({ ...parts, rpc: { status, address } }),
    runStandalone: (settings, signal) => runStandalone(runner, settings, signal),
  };
  return runner;
}

/**
 * A runner of one validator: `scheme` of its committee (undefined for a chain of one node), the chain's id, the gas
 * limit of its blocks, and what the chain begins with.
 */
export function productionRunner(
  scheme: ThresholdScheme | undefined,
  chainId: number,
  gasLimit: number,
  bootstrap: BootstrapConfig,
): ProductionRunner {
  return runnerOf({ scheme, chainId, gasLimit, bootstrap, rpc: undefined });
}
