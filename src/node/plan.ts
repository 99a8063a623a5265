// From a configuration to the plan of a node. Checks what no single key can know: the genesis file against the rest.
import { join } from "node:path";
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from "#chain/pool-types.ts";
import type { RpcSection, Settings, TxpoolSection } from "#config/schema.ts";
import { KoraError } from "#lib/error.ts";
import { DEFAULT_RPC_LIMITS } from "#rpc/limits.ts";
import { type BootstrapConfig, type Genesis, NO_BOOTSTRAP } from "#types/genesis.ts";
import { address } from "#types/ids.ts";
import { committeeEngine, hasCommittee, type Replacements } from "./committee.ts";
import type { NodePlan, RpcPlan } from "./create.ts";
import type { StartEngine } from "./engine.ts";
import { checkChainId, readGenesis } from "./genesis-source.ts";
import type { PassphraseSource } from "./key-files.ts";
import type { Logger } from "./log.ts";
import { soloEngine } from "./solo.ts";
import { clientVersion } from "./version.ts";

function poolOptions(section: TxpoolSection): PoolOptions {
  return {
    ...DEFAULT_POOL_OPTIONS,
    priceLimit: BigInt(section.priceLimit),
    priceBump: BigInt(section.priceBump),
    accountSlots: section.accountSlots,
    accountQueue: section.accountQueue,
    globalSlots: section.globalSlots,
    globalQueue: section.globalQueue,
    globalBytes: section.globalBytes,
    lifetime: section.lifetime * 1000,
    blobs: section.blobs === "on",
  };
}

function rpcPlan(section: RpcSection): RpcPlan {
  return {
    listen: section.wsAddr === undefined ? [section.httpAddr] : [section.httpAddr, section.wsAddr],
    hosts: section.hosts,
    origins: section.cors,
    namespaces: new Set(section.namespaces),
    callTimeout: section.callTimeoutMs,
    limits: {
      ...DEFAULT_RPC_LIMITS,
      requestsPerSecond: section.requestsPerSecond,
      maxBatch: section.maxBatch,
      maxRequestBytes: section.maxRequestBytes,
      maxMessageBytes: section.maxMessageBytes,
      maxResponseBytes: section.maxResponseBytes,
      // A request and an answer of the size that the operator allows always fit, whatever the request is parsed to.
      maxBytesInFlight: Math.max(DEFAULT_RPC_LIMITS.maxBytesInFlight, 2 * section.maxRequestBytes),
      maxBytesOutgoing: Math.max(DEFAULT_RPC_LIMITS.maxBytesOutgoing, section.maxResponseBytes),
      maxConnections: section.maxConnections,
      maxSubscriptions: section.maxSubscriptions,
      maxLogRange: section.maxLogRange,
      maxLogResults: section.maxLogResults,
      gasCap: BigInt(section.gasCap),
    },
  };
}

/** The engine that the configuration asks for. */
function engineOf(
  settings: Settings,
  passphrase: PassphraseSource,
  replacements: Replacements | undefined,
): StartEngine {
  if (hasCommittee(settings)) return committeeEngine(settings, passphrase, replacements);
  const { execution } = settings;
  const milliseconds = (seconds: number): number => seconds * 1000;
  return soloEngine({
    blockTime: milliseconds(execution.blockTime),
    emptyBlockInterval: milliseconds(execution.emptyBlockInterval),
    journal: join(settings.node.dataDir, "consensus.db"),
  });
}

export interface PlanOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly bootstrap?: BootstrapConfig;
  /** In place of the genesis file. */
  readonly genesis?: Genesis;
  /** Of encrypted key files; without it they cannot be used. */
  readonly passphrase?: PassphraseSource;
  readonly replacements?: Replacements;
}

const NO_PASSPHRASE: PassphraseSource = {
  given: false,
  read() {
    throw new KoraError("a key file is encrypted", {
      code: "PASSPHRASE_NEEDED",
      kind: "usage",
      why: "no passphrase was given for it",
      hint: "kora --config node.toml --passphrase-file FILE",
    });
  },
};

/** The plan of the node that `settings` describe. Throws BAD_GENESIS and CHAIN_ID_MISMATCH. */
export function planOf(options: PlanOptions): NodePlan {
  const { settings, logger, bootstrap = NO_BOOTSTRAP } = options;
  const { node, execution, rpc, metrics, txpool, storage } = settings;
  const genesis = options.genesis ?? readGenesis(node.genesis);
  checkChainId(node, genesis);
  const leader = { feeRecipient: address(execution.feeRecipient), gasLimit: BigInt(execution.gasLimit) };
  return {
    directory: node.dataDir,
    genesis,
    bootstrap,
    limits: {
      transactionGasCap: true,
      codeSizeLimit: true,
      maxTxs: execution.maxTxs,
      maxBlockBytes: execution.maxBlockBytes,
    },
    leader: () => leader,
    pool: poolOptions(txpool),
    history: storage.history,
    clientVersion,
    rpc: rpc && rpcPlan(rpc),
    metrics: metrics?.addr,
    engine: engineOf(settings, options.passphrase ?? NO_PASSPHRASE, options.replacements),
    logger,
  };
}
