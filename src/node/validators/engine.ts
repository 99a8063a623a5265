// A validator at work: consensus over the network, on the chain. Puts the parts of this folder together; each decides
// for itself, here is only who knows whom and in which order they begin and end.
import { join } from "node:path";
import { positionOf } from "#chain/header-rules.ts";
import type { CoreConfig, Timing } from "#consensus/state.ts";
import { leaderAt } from "#consensus/state.ts";
import type { Identity } from "#crypto/identity.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { assert } from "#lib/assert.ts";
import { KoraError } from "#lib/error.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { PeerAddress, Transport } from "#net/types.ts";
import { type ChainBody, createChainApplication, openChainBody } from "#node/consensus/chain-application.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import { type ConsensusJournal, openJournal } from "#node/consensus/journal.ts";
import type { ClockPort, NetworkPort } from "#node/consensus/ports.ts";
import type { Engine, EngineParts, StartEngine } from "#node/engine.ts";
import type { Logger } from "#node/log.ts";
import type { NodeStatus } from "#rpc/ports.ts";
import type { Hash } from "#types/ids.ts";
import { startAnnouncing } from "./announce.ts";
import { createBackfill } from "./backfill.ts";
import { channelSpecs } from "./channels.ts";
import { createCommittee } from "./committee.ts";
import { createGateway } from "./gateway.ts";
import { startRelay } from "./relay.ts";
import { createSync, type Sync } from "./sync.ts";
import { createCertificateVerifier, createThresholdVotes } from "./votes.ts";

/** How a node reaches the others. */
export interface NetworkPlan {
  readonly identity: Identity;
  /** As host:port or multiaddr. */
  readonly listen: string;
  readonly peers: readonly PeerAddress[];
  /** Instead of libp2p. */
  readonly openTransport?: (identity: Identity) => Transport;
}

export interface ValidatorPlan extends NetworkPlan {
  readonly scheme: ThresholdScheme;
  readonly timing: Timing;
  /** Data directory, for consensus.db. */
  readonly directory: string;
  /** The guard file beside the identity key. */
  readonly guard: string;
  readonly maxBlockBytes: number;
}

/** Transactions offered to a peer that just connected. */
const MAX_OFFERED = 4_096;
const EPOCH = 0;

/** The transport of `plan` for the chain of `genesis`. */
export function openTransport(plan: NetworkPlan, genesis: Hash, logger: Logger): Transport {
  const { identity, listen } = plan;
  if (plan.openTransport !== undefined) return plan.openTransport(identity);
  const log = logger.module("net");
  return createTransport({
    self: identity.publicKey,
    wire: libp2pWire({ identity, listen: [listen], network: genesis.slice(2, 18) }),
    log: (message, details) => log.debug(message, details),
  });
}

/** A clock whose alarm calls `wake`; disposing stops it. */
function createClock(wake: () => void): ClockPort & Disposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    now: () => performance.now(),
    wall: () => Date.now() / 1000,
    alarm(at) {
      clearTimeout(timer);
      timer = setTimeout(wake, Math.max(0, at - performance.now()));
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

/** What a validator has done since it started. */
interface Counters {
  proposed: number;
  nullified: number;
}

function counting(network: NetworkPort<ChainBody>, counters: Counters): NetworkPort<ChainBody> {
  return {
    ...network,
    sendBody(to, body) {
      if (to < 0) counters.proposed++;
      network.sendBody(to, body);
    },
  };
}

function openOwnJournal({ chain }: EngineParts, plan: ValidatorPlan): ConsensusJournal<ChainBody> {
  return openJournal<ChainBody>({
    path: join(plan.directory, "consensus.db"),
    guard: plan.guard,
    encodeBody: ({ bytes }) => bytes,
    decodeBody(bytes) {
      const body = openChainBody(chain, bytes);
      assert(body !== undefined, "a journalled body is a body");
      return body;
    },
    acknowledgedView: () => positionOf(chain.ledger.tip().header).view,
  });
}

/** Counts nullifications on their way to the disk. */
function observed(journal: ConsensusJournal<ChainBody>, counters: Counters): ConsensusJournal<ChainBody> {
  return {
    ...journal,
    append(record, body) {
      if (record.type === "certificate" && record.certificate.kind === "nullify") counters.nullified++;
      journal.append(record, body);
    },
  };
}

function statusOf(
  driver: Driver<ChainBody>,
  { chain }: EngineParts,
  transport: Transport,
  plan: ValidatorPlan,
) {
  const startedAt = performance.now();
  return (counters: Counters): NodeStatus => {
    const { core } = driver;
    const leader = leaderAt(core, core.view);
    const height = chain.ledger.tip().header.number;
    return {
      currentView: core.view,
      leader: leader === undefined ? undefined : plan.scheme.participants()[leader],
      isLeader: leader !== undefined && leader === core.config.me,
      epoch: core.config.epoch,
      finalizedHeight: height,
      finalizedCount: height,
      nullifiedCount: counters.nullified,
      proposedCount: counters.proposed,
      peerCount: transport.peers().length,
      uptime: (performance.now() - startedAt) / 1000,
    };
  };
}

interface Committed {
  readonly driver: Driver<ChainBody>;
  readonly counters: Counters;
}

/** The consensus driver over journal, scheme, chain and network; not started. */
function openConsensus(
  parts: EngineParts,
  plan: ValidatorPlan,
  transport: Transport,
  sync: Sync,
  stack: AsyncDisposableStack,
): Committed {
  const { chain, logger, fail } = parts;
  const log = logger.module("consensus");
  const counters = { proposed: 0, nullified: 0 };
  const committee = createCommittee(plan.scheme.participants(), transport.self);
  const journal = stack.use(openOwnJournal(parts, plan));
  const clock = stack.use(createClock(() => driver.wake()));
  const stopped = new AbortController();
  stack.defer(() => stopped.abort());
  const gateway = createGateway<ChainBody>({
    transport,
    committee,
    specs: channelSpecs(plan.maxBlockBytes),
    maxBlockBytes: plan.maxBlockBytes,
    decodeBody: (bytes) => openChainBody(chain, bytes),
  });
  const config: CoreConfig = {
    epoch: EPOCH,
    n: committee.participants.length,
    me: plan.scheme.index,
    scheme: "threshold",
    genesis: chain.genesisHash,
    timing: plan.timing,
  };
  const driver: Driver<ChainBody> = createDriver<ChainBody>(config, {
    journal: observed(journal, counters),
    scheme: createThresholdVotes(plan.scheme, plan.identity, chain.genesisHash),
    application: createChainApplication({ chain, clock, certified: () => {}, fail }),
    network: counting(gateway.network, counters),
    clock,
    observer: {
      fault: ({ kind, signer, first }) =>
        log.warn("a validator signed two things", { kind, signer, view: first.view }),
      halted: (reason) =>
        fail(
          new KoraError("consensus stopped", {
            code: "CONSENSUS_HALTED",
            kind: "safety",
            why: reason,
            hint: "keep the data directory for analysis and compare with the other validators",
          }),
        ),
    },
    catchUp(certificate, done) {
      log.info("catching up", { view: certificate.view, height: chain.ledger.tip().header.number });
      sync.until(() => chain.ledger.isFinal(certificate.payload), stopped.signal).then(done, fail);
    },
  });
  gateway.attach(driver);
  stack.defer(
    chain.pool.onPending(() => {
      if (!driver.core.work) driver.work(true);
    }),
  );
  stack.defer(
    chain.service.events.snapshotPersisted.add(() => {
      const pending = chain.pool.hasExecutable();
      if (pending !== driver.core.work) driver.work(pending);
    }),
  );
  return { driver, counters };
}

/** The engine of one validator of several. */
export function validatorEngine(plan: ValidatorPlan): StartEngine {
  return async (parts): Promise<Engine> => {
    await using stack = new AsyncDisposableStack();
    const { chain, state, logger } = parts;
    const transport = openTransport(plan, chain.genesisHash, logger);
    stack.defer(() => transport.close());
    transport.allow(plan.scheme.participants());
    const specs = channelSpecs(plan.maxBlockBytes);
    const verifier = createCertificateVerifier(plan.scheme, chain.genesisHash);
    const backfill = createBackfill({
      transport,
      spec: specs.backfill,
      archive: state.archive,
      verifier,
      maxBlockBytes: plan.maxBlockBytes,
      timeoutMs: plan.timing.fetchTimeout * 4,
    });
    const sync = createSync(chain, backfill);
    const { driver, counters } = openConsensus(parts, plan, transport, sync, stack);
    const committee = createCommittee(plan.scheme.participants(), transport.self);
    stack.use(
      startRelay({
        transport,
        committee,
        spec: specs.transactions,
        service: chain.service,
        pending: () =>
          chain.pool
            .all()
            .slice(0, MAX_OFFERED)
            .map(({ raw }) => raw),
      }),
    );
    stack.use(
      startAnnouncing({
        transport,
        spec: specs.finality,
        chain,
        verifier,
        maxBlockBytes: plan.maxBlockBytes,
        announced: () => {},
      }),
    );
    await transport.start();
    for (const peer of plan.peers) transport.keep(peer);
    driver.start();
    driver.work(chain.pool.hasExecutable());
    const status = statusOf(driver, parts, transport, plan);
    const owned = stack.move();
    return {
      status: {
        nodeStatus: () => status(counters),
        syncing() {
          const current = chain.ledger.tip().header.number;
          return sync.active
            ? { startingBlock: current, currentBlock: current, highestBlock: current }
            : undefined;
        },
      },
      peers: { count: () => transport.peers().length, listening: () => transport.listening().length > 0 },
      submit: (raw) => chain.service.submitTx(raw, "client"),
      local: undefined,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };
}
