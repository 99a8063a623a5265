// Embedding a node: built from a configuration, run until it is told to stop. The names are the specification's.
import type { KoraApplication } from "#chain/application.ts";
import { loadConfig } from "#config/load.ts";
import type { Settings } from "#config/schema.ts";
import type { RpcServer } from "#rpc/server.ts";
import type { Replacements } from "./committee.ts";
import { type CreatedNode, createNode } from "./create.ts";
import type { ConsensusEngine, NetworkService } from "./engine.ts";
import type { PassphraseSource } from "./key-files.ts";
import { createLogger, type Logger } from "./log.ts";
import { planOf } from "./plan.ts";
import { announceReady } from "./ready.ts";
import type { OpenClock } from "./validators/engine.ts";
import type { OpenTransport } from "./validators/network.ts";

/** A node that is ready to run, once. Its parts are there from when they are at work until they have ended. */
export interface Node {
  readonly consensus: ConsensusEngine | undefined;
  readonly application: KoraApplication | undefined;
  /** Of a node with others; undefined for one alone. */
  readonly network: NetworkService | undefined;
  /** Undefined too where no RPC is served. */
  readonly rpc: RpcServer | undefined;
  /** Resolves when the node has stopped, rejects when it could not start or a part of it failed. */
  run(): Promise<void>;
  /** Asks it to stop; `run` resolves when it has. */
  shutdown(): void;
}

export interface RunHooks {
  readonly logger?: Logger;
  /** Called once everything listens. */
  readonly onReady?: (node: CreatedNode) => void;
}

/** A builder; each step answers a new one. */
export interface NodeBuilder {
  withChainId(chainId: number): NodeBuilder;
  withDataDir(path: string): NodeBuilder;
  withHooks(hooks: RunHooks): NodeBuilder;
  /** Opens encrypted key files; without it they cannot be used. */
  withPassphrase(source: PassphraseSource): NodeBuilder;
  /** In a network of several: another transport than libp2p. */
  withTransport(open: OpenTransport): NodeBuilder;
  /** For a validator: another clock than the system's. */
  withClock(open: OpenClock): NodeBuilder;
  build(): Node;
}

/** How long a node's parts may take to close; supervisors kill after ten seconds. */
const CLOSE_MS = 9_000;

/** Closes a node's parts in reverse. What is not closed in time is left: its data are as safe as after a kill. */
async function close(node: AsyncDisposable, logger: Logger, patienceMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(resolve, patienceMs, "late");
  try {
    const ending = await Promise.race([node[Symbol.asyncDispose](), late]);
    if (ending === "late") logger.warn("not everything closed in time", { seconds: patienceMs / 1_000 });
  } finally {
    clearTimeout(timer);
  }
}

export interface EndOptions {
  /** Called first; the node is closed when it throws. */
  readonly begun?: () => void;
  /** Milliseconds that closing may take. */
  readonly patienceMs?: number;
}

/** Runs a created node until `stop` is aborted or a part fails, then closes it. Rejects with what failed. */
export async function runToEnd(
  node: Pick<CreatedNode, "failed"> & AsyncDisposable,
  stop: AbortSignal,
  logger: Logger,
  { begun, patienceMs = CLOSE_MS }: EndOptions = {},
): Promise<void> {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  stop.addEventListener("abort", () => resolve(), { once: true });
  if (stop.aborted) resolve();
  // What fails while it closes must not stand in the place of what made it close.
  await using _closing: AsyncDisposable = {
    async [Symbol.asyncDispose]() {
      logger.info("stopping");
      await close(node, logger, patienceMs);
    },
  };
  begun?.();
  await Promise.race([stopped, node.failed]);
}

/** What a builder has gathered beside the settings. */
interface Extras extends RunHooks {
  readonly passphrase?: PassphraseSource;
  readonly replacements?: Replacements;
}

function buildNode(settings: Settings, hooks: Extras): Node {
  const stop = new AbortController();
  const { passphrase, replacements = {}, logger = createLogger(settings.log) } = hooks;
  let parts: CreatedNode | undefined;
  return {
    async run() {
      const plan = planOf({ settings, logger, replacements, ...(passphrase && { passphrase }) });
      const node = await createNode(plan);
      parts = node;
      const begun = (): void => {
        announceReady(logger, node, settings.node.dataDir);
        hooks.onReady?.(node);
      };
      try {
        await runToEnd(node, stop.signal, logger, { begun });
      } finally {
        parts = undefined;
      }
    },
    shutdown: () => stop.abort(),
    get consensus() {
      return parts?.consensus;
    },
    get application() {
      return parts?.application;
    },
    get network() {
      return parts?.network;
    },
    get rpc() {
      return parts?.rpc;
    },
  };
}

function builder(settings: Settings, hooks: Extras): NodeBuilder {
  const replacing = (more: Replacements): NodeBuilder =>
    builder(settings, { ...hooks, replacements: { ...hooks.replacements, ...more } });
  return {
    withChainId: (chainId) => builder({ ...settings, node: { ...settings.node, chainId } }, hooks),
    withDataDir: (dataDir) => builder({ ...settings, node: { ...settings.node, dataDir } }, hooks),
    withHooks: (more) => builder(settings, { ...hooks, ...more }),
    withPassphrase: (passphrase) => builder(settings, { ...hooks, passphrase }),
    withTransport: (openTransport) => replacing({ openTransport }),
    withClock: (openClock) => replacing({ openClock }),
    build: () => buildNode(settings, hooks),
  };
}

/** Where builders begin. */
export const NodeBuilder: {
  fromToml(path: string): NodeBuilder;
  fromSettings(settings: Settings): NodeBuilder;
} = {
  fromToml: (path) => builder(loadConfig({ file: path }).settings, {}),
  fromSettings: (settings) => builder(settings, {}),
};
