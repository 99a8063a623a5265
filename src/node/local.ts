// The engine of `kora dev`: a local chain with its mining modes and unlocked accounts, and the plan it runs on.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DEV_POOL_OPTIONS } from "#chain/pool-types.ts";
import type { DevAccounts } from "#dev/accounts.ts";
import { createLocalChain } from "#dev/local-chain.ts";
import { createDevMethods, instanceIdOf } from "#dev/methods.ts";
import type { MiningMode, Timers } from "#dev/miner.ts";
import { createFill } from "#rpc/eth-fill.ts";
import { LOCAL_RPC_LIMITS } from "#rpc/limits.ts";
import { type Genesis, NO_BOOTSTRAP } from "#types/genesis.ts";
import { DEFAULT_MAX_BLOCK_BYTES } from "#types/limits.ts";
import { createSoloProducer } from "./consensus/solo.ts";
import type { NodePlan } from "./create.ts";
import type { StartEngine } from "./engine.ts";
import type { Logger } from "./log.ts";
import { soloStatus } from "./solo.ts";
import { buildInfo } from "./version.ts";

/** hardhat's and foundry's helpers run only against a chain whose name begins so. */
const DEV_CLIENT_VERSION: string = `anvil/kora-v${buildInfo.version}`;
/** Transactions of one block; the gas limit ends a block long before. */
const MAX_TXS = 1_000_000;
/** Milliseconds after which a call is ended: longer than on a node that serves many. */
const CALL_TIMEOUT_MS = 30_000;

const timers: Timers = {
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** The engine of a local chain. */
function localEngine(accounts: DevAccounts, mode: MiningMode, directory: string | undefined): StartEngine {
  return ({ chain, state, metrics, fail }) => {
    const startedAt = performance.now();
    const firstHeight = chain.ledger.tip().header.number;
    const journal = directory === undefined ? undefined : join(directory, "consensus.db");
    const producer = createSoloProducer({ chain, journal, metrics, fail });
    const local = createLocalChain({
      chain,
      state,
      makeBlock: producer.makeBlock,
      mode,
      wall: () => Math.floor(Date.now() / 1000),
      timers,
      fail,
    });
    const identity = {
      clientVersion: DEV_CLIENT_VERSION,
      version: buildInfo.version,
      commit: buildInfo.commit,
      instanceId: instanceIdOf(state.notes, () => new Uint8Array(randomBytes(32))),
    };
    const proposed = (): number => chain.ledger.tip().header.number - firstHeight;
    return {
      status: { nodeStatus: () => soloStatus(chain, startedAt, proposed), syncing: () => undefined },
      peers: { count: () => 0, listening: () => true },
      network: undefined,
      submit: local.submit,
      local: {
        now: local.clock.now,
        methods: (ports, limits) =>
          createDevMethods({
            chain,
            local,
            accounts,
            identity,
            fill: createFill({ ...ports, dev: undefined }, limits),
          }),
      },
      async [Symbol.asyncDispose]() {
        await local[Symbol.asyncDispose]();
        producer[Symbol.dispose]();
      },
    };
  };
}

export interface LocalOptions {
  /** Data directory; undefined for a chain that ends with the process. */
  readonly directory: string | undefined;
  readonly genesis: Genesis;
  readonly accounts: DevAccounts;
  readonly mode: MiningMode;
  readonly host: string;
  readonly port: number;
  /** Undefined serves no metrics. */
  readonly metricsPort: number | undefined;
  readonly logger: Logger;
}

/** The plan of a local chain: everything allowed that helps a developer, to callers from this machine's pages too. */
export function localPlan(options: LocalOptions): NodePlan {
  const { genesis } = options;
  const leader = { feeRecipient: genesis.coinbase, gasLimit: genesis.gasLimit };
  return {
    directory: options.directory,
    genesis,
    bootstrap: NO_BOOTSTRAP,
    limits: {
      transactionGasCap: false,
      codeSizeLimit: true,
      maxTxs: MAX_TXS,
      maxBlockBytes: 8 * DEFAULT_MAX_BLOCK_BYTES,
    },
    leader: () => leader,
    pool: DEV_POOL_OPTIONS,
    history: "archive",
    clientVersion: DEV_CLIENT_VERSION,
    rpc: {
      listen: [{ host: options.host, port: options.port }],
      hosts: ["*"],
      origins: ["*"],
      namespaces: undefined,
      limits: LOCAL_RPC_LIMITS,
      callTimeout: CALL_TIMEOUT_MS,
    },
    metrics:
      options.metricsPort === undefined ? undefined : { host: options.host, port: options.metricsPort },
    engine: localEngine(options.accounts, options.mode, options.directory),
    logger: options.logger,
  };
}
