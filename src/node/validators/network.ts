// What a validator and a follower have in common towards the network: the transport, final blocks served and fetched,
// transactions relayed, final blocks announced. Opened before the transport starts, closed in reverse.
import type { SocketAddress } from "#config/kind.ts";
import type { Identity } from "#crypto/identity.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { PeerAddress, Transport } from "#net/types.ts";
import type { EngineParts, NetworkService } from "#node/engine.ts";
import type { Logger } from "#node/log.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import { type Announced, startAnnouncing } from "./announce.ts";
import { createBackfill } from "./backfill.ts";
import { channelSpecs, finalityTopic, gossipSpec, TRANSACTION_TOPIC } from "./channels.ts";
import { createCommittee } from "./committee.ts";
import { startExchange } from "./exchange.ts";
import { createMarshal } from "./marshal.ts";
import { startRelay } from "./relay.ts";
import { watchTraffic } from "./traffic.ts";
import type { CertificateVerifier } from "./votes.ts";

/** For whom a transport is opened, and on which chain. */
export interface TransportRequest {
  readonly identity: Identity;
  readonly genesis: Hash;
  /** Opens the one over libp2p, for whoever only wraps it. */
  readonly standard: () => Transport;
}

/** Opens what a node reaches the others through; not started. */
export type OpenTransport = (request: TransportRequest) => Transport;

/** How a node reaches the others. */
export interface NetworkPlan {
  readonly identity: Identity;
  /** As host:port or multiaddr. */
  readonly listen: string;
  /** Where others can dial it, when that is not where it listens. */
  readonly dialable: SocketAddress | undefined;
  readonly peers: readonly PeerAddress[];
  readonly maxBlockBytes: number;
  /** Instead of libp2p. */
  readonly openTransport?: OpenTransport;
}

export interface NetworkOptions {
  readonly plan: NetworkPlan;
  readonly participants: readonly IdentityKey[];
  readonly verifier: CertificateVerifier;
  /** Milliseconds after which a request for a certificate or body is repeated. */
  readonly fetchTimeout: number;
  /** Called for each final block that others announced; undefined for a member of the committee. */
  readonly announced: ((block: Announced) => void) | undefined;
}

/** Transactions offered to a peer that just connected. */
const MAX_OFFERED = 4_096;
/** A run of blocks is larger than a body and may take as many times longer. */
const RUN_PATIENCE = 4;
/** Digits of the genesis hash that name the chain in protocols. */
const CHAIN_NAME_DIGITS = 16;

function openTransport({ identity, listen, ...plan }: NetworkPlan, genesis: Hash, logger: Logger): Transport {
  const log = logger.module("net");
  const network = genesis.slice(2, 2 + CHAIN_NAME_DIGITS);
  const standard = (): Transport =>
    createTransport({
      self: identity.publicKey,
      wire: libp2pWire({ identity, listen: [listen], network }),
      gossip: gossipSpec(plan.maxBlockBytes),
      log: (message, details) => log.debug(message, details),
    });
  return plan.openTransport?.({ identity, genesis, standard }) ?? standard();
}

/** Opens everything but the consensus channels; nothing is sent before `start`. */
export async function openNetwork(
  { chain, state, logger, metrics }: EngineParts,
  options: NetworkOptions,
): Promise<NetworkService> {
  const { plan, participants, verifier, fetchTimeout, announced } = options;
  const { maxBlockBytes } = plan;
  await using stack = new AsyncDisposableStack();
  const transport = openTransport(plan, chain.genesisHash, logger);
  stack.defer(() => transport.close());
  transport.allow(participants);
  const specs = channelSpecs(maxBlockBytes);
  const committee = createCommittee(participants, transport.self);
  const timeoutMs = fetchTimeout * RUN_PATIENCE;
  const { archive } = state;
  const backfill = createBackfill({
    transport,
    spec: specs.backfill,
    archive,
    verifier,
    maxBlockBytes,
    timeoutMs,
  });
  const pending = (): Uint8Array[] => {
    const offered = chain.pool.all().slice(0, MAX_OFFERED);
    return offered.map(({ raw }) => raw);
  };
  const { service } = chain;
  const waiting = (hash: Hash): Uint8Array | undefined => chain.pool.get(hash)?.raw;
  const marshal = stack.use(createMarshal(chain, backfill));
  const relayed = { transport, committee, spec: specs.transactions, topic: TRANSACTION_TOPIC };
  stack.use(startRelay({ ...relayed, service, pending, waiting }));
  const { identity, dialable } = plan;
  const genesis = chain.genesisHash;
  stack.use(startExchange({ transport, spec: specs.peers, committee, identity, dialable, genesis }));
  watchTraffic(metrics, transport);
  const finality = { transport, spec: finalityTopic(maxBlockBytes), maxBlockBytes };
  stack.use(startAnnouncing({ ...finality, chain, verifier, announced }));
  const owned = stack.move();
  return {
    transport,
    committee,
    specs,
    marshal,
    async start() {
      await transport.start();
      for (const peer of plan.peers) transport.keep(peer);
    },
    port: { count: () => transport.peers().length, listening: () => transport.listening().length > 0 },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
