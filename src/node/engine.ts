// What makes blocks, as the composition root sees it: the pace of a node alone, the mining of a local chain, or
// consensus. Interfaces only.
import type { Chain } from "#chain/chain.ts";
import type { Submission } from "#chain/service.ts";
import type { Transport } from "#net/types.ts";
import type { RpcLimits } from "#rpc/limits.ts";
import type { DevMethodTable, PeersPort, RpcPorts, StatusPort } from "#rpc/ports.ts";
import type { StateDb } from "#state/types.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { ChannelSpecs } from "./validators/channels.ts";
import type { Committee } from "./validators/committee.ts";
import type { Marshal } from "./validators/marshal.ts";

/** An engine at work. Disposing it finishes the block at hand. */
export interface ConsensusEngine extends AsyncDisposable {
  readonly status: StatusPort;
  readonly peers: PeersPort;
  /** How it reaches the others; undefined for a node alone. */
  readonly network: NetworkService | undefined;
  /** Why it cannot do its work now; empty when it can. Without it there is never a reason. */
  readonly concerns?: () => readonly string[];
  /** Takes a client's transaction; resolves when an accepted one survives a crash. */
  submit(raw: Uint8Array): Promise<Submission>;
  /** What a local chain has beside others; undefined on any other. */
  readonly local: LocalEngine | undefined;
}

/** What validators and followers reach the others by. */
export interface NetworkService extends AsyncDisposable {
  readonly transport: Transport;
  readonly committee: Committee;
  readonly specs: ChannelSpecs;
  readonly marshal: Marshal;
  /** Listens and begins to dial. */
  start(): Promise<void>;
  /** What RPC says of connections. */
  readonly port: PeersPort;
}

/** Methods and unlocked accounts of a local chain. */
export interface LocalEngine {
  /** Seconds: the wall clock, and what users have moved it by. */
  now(): number;
  methods(ports: Omit<RpcPorts, "dev">, limits: RpcLimits): DevMethodTable;
}

/** What an engine stands on. */
export interface EngineParts {
  readonly chain: Chain;
  readonly state: StateDb;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Gets the failure after which the node must stop. */
  readonly fail: (error: unknown) => void;
}

/** Starts an engine on an open chain. */
export type StartEngine = (parts: EngineParts) => ConsensusEngine | Promise<ConsensusEngine>;
