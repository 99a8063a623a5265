// Every key of node.toml in one declaration: kind, default, unit and meaning. The types that the rest of the node
// uses stand first. Loading and the rules between keys are elsewhere.
import {
  decimal,
  either,
  integer,
  type Kind,
  listOf,
  oneOf,
  path,
  type SocketAddress,
  socketAddress,
  text,
} from "./kind.ts";

export interface NodeSection {
  readonly chainId: number | undefined;
  readonly dataDir: string;
  readonly genesis: string;
}
export interface ConsensusSection {
  readonly validatorKey: string | undefined;
  readonly shareKey: string | undefined;
  readonly dkgOutput: string | undefined;
  readonly groupPublicKey: string | undefined;
  readonly blsBackend: "blst" | "mcl" | "noble" | undefined;
  readonly threshold: number | undefined;
  readonly participants: readonly string[];
  readonly leaderTimeoutMs: number;
  readonly certificationTimeoutMs: number;
  readonly timeoutRetryMs: number;
  readonly fetchTimeoutMs: number;
  readonly viewRetention: number;
  readonly skipTimeout: number;
  readonly guardOverride: number;
}
export interface NetworkSection {
  readonly listenAddr: string;
  readonly dialableAddr: SocketAddress | undefined;
  readonly bootstrapPeers: readonly string[];
}
export interface ExecutionSection {
  readonly gasLimit: number;
  readonly blockTime: number;
  readonly emptyBlockInterval: number;
  readonly engine: "ethereumjs";
  readonly feeRecipient: string;
  readonly maxTxs: number;
  readonly maxBlockBytes: number;
}
export interface RpcSection {
  readonly httpAddr: SocketAddress;
  readonly wsAddr: SocketAddress | undefined;
  readonly namespaces: readonly string[];
  readonly cors: readonly string[];
  readonly hosts: readonly string[];
  readonly requestsPerSecond: number;
  readonly maxBatch: number;
  readonly maxRequestBytes: number;
  readonly maxMessageBytes: number;
  readonly maxResponseBytes: number;
  readonly maxConnections: number;
  readonly maxSubscriptions: number;
  readonly maxLogRange: number;
  readonly maxLogResults: number;
  readonly gasCap: number;
  readonly callTimeoutMs: number;
}
export interface MetricsSection {
  readonly addr: SocketAddress;
}
export interface LogSection {
  readonly level: LogLevel;
  readonly format: LogFormat | undefined;
}
export interface TxpoolSection {
  readonly priceLimit: number;
  readonly priceBump: number;
  readonly accountSlots: number;
  readonly accountQueue: number;
  readonly globalSlots: number;
  readonly globalQueue: number;
  readonly globalBytes: number;
  readonly lifetime: number;
  readonly blobs: "off" | "on";
}
export interface StorageSection {
  readonly history: "archive" | number;
}
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type LogFormat = "human" | "json";

/** The whole configuration. A section that may be absent switches its part off when it is. */
export interface Settings {
  readonly node: NodeSection;
  readonly consensus: ConsensusSection;
  readonly network: NetworkSection;
  readonly execution: ExecutionSection;
  readonly rpc: RpcSection | undefined;
  readonly metrics: MetricsSection | undefined;
  readonly log: LogSection;
  readonly txpool: TxpoolSection;
  readonly storage: StorageSection;
}

/** One key: what it holds, what holds when it is left out, and what it means. */
export interface Key<T> {
  readonly kind: Kind<T & {}>;
  readonly default: T;
  readonly unit?: string;
  readonly summary: string;
  /** Names the file of a secret: a key pasted in its place is refused without being shown. */
  readonly secret?: true;
}

export interface Section<S> {
  readonly summary: string;
  /** Whether leaving the section out switches its part off. */
  readonly optional?: true;
  readonly keys: { readonly [K in keyof S]: Key<S[K]> };
}

export type Schema = { readonly [S in keyof Settings]: Section<NonNullable<Settings[S]>> };

const publicKey = text("a public key of 32 bytes in hex", "ab".repeat(32), /^(?:0x)?[0-9a-fA-F]{64}$/);
const groupKey = text("a group public key of 48 bytes in hex", "ab".repeat(48), /^(?:0x)?[0-9a-fA-F]{96}$/);
const address = text("a 20-byte address in hex", `0x${"00".repeat(20)}`, /^0x[0-9a-fA-F]{40}$/);
const peer = text("host:port, key@host:port or a multiaddr", "peer1:30303", /^(?:\/\S+|\S+:\d{1,5})$/);
const word = text("a word", "eth", /^\S+$/);
const MAX_TIMEOUT_MS = 600_000;
/** The bound of wallets: with a larger one, v of a legacy signature (EIP-155) is no exact number of JavaScript. */
export const MAX_CHAIN_ID = 4_503_599_627_370_476;

/** All sections and keys, in the order in which they are printed. */
export const schema: Schema = {
  node: {
    summary: "the chain and where it is kept",
    keys: {
      chainId: {
        kind: integer(1, MAX_CHAIN_ID),
        default: undefined,
        summary: "chain id; must equal the genesis file's, whose it is when left out",
      },
      dataDir: { kind: path("data"), default: "/var/lib/kora", summary: "folder of the databases" },
      genesis: { kind: path("genesis.json"), default: "genesis.json", summary: "genesis file" },
    },
  },
  consensus: {
    summary: "who agrees, and how long anyone is waited for",
    keys: {
      validatorKey: {
        kind: path("validator.key"),
        default: undefined,
        summary: "file of this validator's ed25519 identity",
        secret: true,
      },
      shareKey: {
        kind: path("share.key"),
        default: undefined,
        summary: "file of the threshold key share; beside validator_key when left out",
        secret: true,
      },
      dkgOutput: {
        kind: path("output.json"),
        default: undefined,
        summary: "public result of the key ceremony; beside validator_key when left out",
      },
      groupPublicKey: { kind: groupKey, default: undefined, summary: "all that a follower needs to trust" },
      blsBackend: {
        kind: oneOf("blst", "mcl", "noble"),
        default: undefined,
        summary: "implementation of BLS12-381; the fastest that works here when left out",
      },
      threshold: {
        kind: integer(1, 256),
        default: undefined,
        summary: "votes of a certificate; may be left out, else must equal n - floor((n - 1) / 3)",
      },
      participants: { kind: listOf(publicKey), default: [], summary: "identity keys of all validators" },
      leaderTimeoutMs: {
        kind: integer(10, MAX_TIMEOUT_MS),
        default: 500,
        unit: "ms",
        summary: "wait for a leader's proposal",
      },
      certificationTimeoutMs: {
        kind: integer(10, MAX_TIMEOUT_MS),
        default: 1000,
        unit: "ms",
        summary: "wait for a view's notarization",
      },
      timeoutRetryMs: {
        kind: integer(10, MAX_TIMEOUT_MS),
        default: 2000,
        unit: "ms",
        summary: "pause before a nullify vote is sent again",
      },
      fetchTimeoutMs: {
        kind: integer(10, MAX_TIMEOUT_MS),
        default: 500,
        unit: "ms",
        summary: "wait for a peer's answer",
      },
      viewRetention: {
        kind: integer(16, 65_536),
        default: 256,
        unit: "views",
        summary: "views kept below the last finalized one",
      },
      skipTimeout: {
        kind: integer(1, 65_536),
        default: 10,
        unit: "views",
        summary: "a leader silent for so long is skipped at once",
      },
      guardOverride: {
        kind: integer(0, Number.MAX_SAFE_INTEGER),
        default: 0,
        unit: "view",
        summary:
          "the signing guard lets go where its bar is no higher; only if too many were restored at once",
      },
    },
  },
  network: {
    summary: "how validators and followers reach each other",
    keys: {
      listenAddr: { kind: peer, default: "0.0.0.0:30303", summary: "address to listen on" },
      dialableAddr: {
        kind: socketAddress,
        default: undefined,
        summary: "IP address and port under which others are told of this node; listen_addr's when left out",
      },
      bootstrapPeers: { kind: listOf(peer), default: [], summary: "peers to start from" },
    },
  },
  execution: {
    summary: "blocks: their size and pace",
    keys: {
      gasLimit: {
        kind: integer(5_000, Number.MAX_SAFE_INTEGER),
        default: 30_000_000,
        unit: "gas",
        summary: "gas limit that this node's blocks move towards",
      },
      blockTime: {
        kind: decimal(0, 3600),
        default: 2,
        unit: "s",
        summary: "pace of blocks that hold transactions; 0 makes one as soon as there are any",
      },
      emptyBlockInterval: {
        kind: decimal(0, 86_400),
        default: 10,
        unit: "s",
        summary: "pace of blocks without transactions",
      },
      engine: { kind: oneOf("ethereumjs"), default: "ethereumjs", summary: "what executes the EVM" },
      feeRecipient: {
        kind: address,
        default: `0x${"00".repeat(20)}`,
        summary: "coinbase of this node's blocks",
      },
      maxTxs: {
        kind: integer(1, 1_000_000),
        default: 10_000,
        unit: "transactions",
        summary: "most that a block of this node holds",
      },
      maxBlockBytes: {
        kind: integer(256 * 1024, 16 * 1024 * 1024),
        default: 2 * 1024 * 1024,
        unit: "bytes",
        summary: "largest block body; a rule of the chain, the same on every node",
      },
    },
  },
  rpc: {
    summary: "JSON-RPC over HTTP and WebSocket; without this section none is served",
    optional: true,
    keys: {
      httpAddr: {
        kind: socketAddress,
        default: { host: "127.0.0.1", port: 8545 },
        summary: "listener of HTTP and WebSocket",
      },
      wsAddr: { kind: socketAddress, default: undefined, summary: "a second listener, of the same service" },
      namespaces: {
        kind: listOf(word),
        default: ["eth", "net", "web3", "kora", "rpc", "txpool"],
        summary: "method namespaces that are answered",
      },
      cors: { kind: listOf(word), default: [], summary: "origins that browsers may call from; * for all" },
      hosts: {
        kind: listOf(word),
        default: ["localhost"],
        summary: "Host names that are answered beside IP addresses; * for all",
      },
      requestsPerSecond: {
        kind: integer(0, 1_000_000),
        default: 0,
        unit: "requests/s",
        summary: "most of one address, averaged; 0 sets no limit",
      },
      maxBatch: { kind: integer(1, 100_000), default: 1000, unit: "calls", summary: "largest batch" },
      maxRequestBytes: {
        kind: integer(1024, 256 * 1024 * 1024),
        default: 16 * 1024 * 1024,
        unit: "bytes",
        summary: "largest request",
      },
      maxMessageBytes: {
        kind: integer(1024, 256 * 1024 * 1024),
        default: 2 * 1024 * 1024,
        unit: "bytes",
        summary: "largest WebSocket message; unfinished ones hold that much for each of max_connections",
      },
      maxResponseBytes: {
        kind: integer(1024, 1024 * 1024 * 1024),
        default: 64 * 1024 * 1024,
        unit: "bytes",
        summary: "largest response",
      },
      maxConnections: {
        kind: integer(1, 100_000),
        default: 128,
        unit: "connections",
        summary: "most WebSocket connections",
      },
      maxSubscriptions: {
        kind: integer(1, 100_000),
        default: 1024,
        unit: "subscriptions",
        summary: "most of one connection",
      },
      maxLogRange: {
        kind: integer(1, Number.MAX_SAFE_INTEGER),
        default: 100_000,
        unit: "blocks",
        summary: "widest log query",
      },
      maxLogResults: {
        kind: integer(1, 10_000_000),
        default: 20_000,
        unit: "logs",
        summary: "most results of one log query",
      },
      gasCap: {
        kind: integer(21_000, Number.MAX_SAFE_INTEGER),
        default: 50_000_000,
        unit: "gas",
        summary: "most gas of one eth_call or eth_estimateGas",
      },
      callTimeoutMs: {
        kind: integer(10, MAX_TIMEOUT_MS),
        default: 5000,
        unit: "ms",
        summary: "longest run of one call",
      },
    },
  },
  metrics: {
    summary: "Prometheus metrics and health; without this section none are served",
    optional: true,
    keys: {
      addr: {
        kind: socketAddress,
        default: { host: "127.0.0.1", port: 9000 },
        summary: "listener of /metrics, /livez, /readyz, /health and /status",
      },
    },
  },
  log: {
    summary: "what is logged on stderr",
    keys: {
      level: {
        kind: oneOf("trace", "debug", "info", "warn", "error"),
        default: "info",
        summary: "least severe level that is written",
      },
      format: {
        kind: oneOf("human", "json"),
        default: undefined,
        summary: "human on a terminal and json otherwise when left out",
      },
    },
  },
  txpool: {
    summary: "bounds of the transaction pool",
    keys: {
      priceLimit: {
        kind: integer(0, Number.MAX_SAFE_INTEGER),
        default: 1,
        unit: "wei per gas",
        summary: "least tip that is taken",
      },
      priceBump: {
        kind: integer(0, 1000),
        default: 10,
        unit: "%",
        summary: "what a replacement has to add to the fee",
      },
      accountSlots: {
        kind: integer(1, 1_000_000),
        default: 16,
        unit: "transactions",
        summary: "executable ones that a sender keeps when others are squeezed out",
      },
      accountQueue: {
        kind: integer(1, 1_000_000),
        default: 64,
        unit: "transactions",
        summary: "most beyond a nonce gap of one sender",
      },
      globalSlots: {
        kind: integer(16, 10_000_000),
        default: 16_384,
        unit: "transactions",
        summary: "most executable ones",
      },
      globalQueue: {
        kind: integer(16, 10_000_000),
        default: 1024,
        unit: "transactions",
        summary: "most beyond nonce gaps",
      },
      globalBytes: {
        kind: integer(1024 * 1024, 8 * 1024 * 1024 * 1024),
        default: 64 * 1024 * 1024,
        unit: "bytes",
        summary: "most bytes of all",
      },
      lifetime: {
        kind: integer(1, 365 * 86_400),
        default: 3 * 3600,
        unit: "s",
        summary: "how long one beyond a nonce gap is kept",
      },
      blobs: {
        kind: oneOf("off", "on"),
        default: "off",
        summary: "whether blob transactions are taken; blobs are proven on submission and not kept",
      },
    },
  },
  storage: {
    summary: "how far back the state is kept",
    keys: {
      history: {
        kind: either(oneOf("archive"), integer(1, Number.MAX_SAFE_INTEGER)),
        default: "archive",
        unit: "blocks",
        summary: "all of it (archive), or a number of blocks",
      },
    },
  },
};

/** `chain_id` of `chainId`: how a key is spelled in TOML. */
export function tomlName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One key with its names in every place it can be set. */
export interface NamedKey {
  readonly section: keyof Settings;
  /** In TypeScript. */
  readonly name: string;
  /** `section.key`, as errors say it. */
  readonly path: string;
  /** `KORA_SECTION_KEY`. */
  readonly variable: string;
  /** `section-key`, for the command line. */
  readonly flag: string;
  readonly key: Key<unknown>;
}

/** All keys in order. */
export const allKeys: readonly NamedKey[] = Object.entries(schema).flatMap(([section, { keys }]) =>
  Object.entries(keys as Record<string, Key<unknown>>).map(([name, key]) => ({
    section: section as keyof Settings,
    name,
    path: `${section}.${tomlName(name)}`,
    variable: `KORA_${section}_${tomlName(name)}`.toUpperCase(),
    flag: `${section}-${tomlName(name)}`.replaceAll("_", "-"),
    key,
  })),
);
