// A validator at work: consensus over the network, on the chain. Puts the parts of this folder together; each decides
// for itself, here is only who knows whom and in which order they begin and end.
import { join } from "node:path";
import { positionOf } from "#chain/header-rules.ts";
import type { CoreConfig, Timing } from "#consensus/state.ts";
import { leaderAt } from "#consensus/state.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { KoraError } from "#lib/error.ts";
import {
  type ChainBody,
  createChainApplication,
  journalForm,
  openNewBody,
} from "#node/consensus/chain-application.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import { type ConsensusJournal, openJournal } from "#node/consensus/journal.ts";
import type { ClockPort, NetworkPort } from "#node/consensus/ports.ts";
import { lockGuard } from "#node/directory.ts";
import type { ConsensusEngine, EngineParts, NetworkService, StartEngine } from "#node/engine.ts";
import { hasWork } from "#node/work.ts";
import type { NodeStatus } from "#rpc/ports.ts";
import { createAdmission } from "./admission.ts";
import { type ClockWatch, watchClock } from "./clock-watch.ts";
import { createEvidence } from "./evidence.ts";
import { createGateway } from "./gateway.ts";
import { checkOwnFinality } from "./group-key.ts";
import { guardedDriver, mortalApplication } from "./lifetime.ts";
import { type NetworkPlan, openNetwork } from "./network.ts";
import { type ConsensusWatch, watchConsensus } from "./observe.ts";
import { createCertificateVerifier, createThresholdVotes } from "./votes.ts";

/** A clock whose alarm calls `wake`; disposing stops it. */
export type OpenClock = (wake: () => void) => ClockPort & Disposable;

export interface ValidatorPlan extends NetworkPlan {
  readonly scheme: ThresholdScheme;
  readonly timing: Timing;
  /** R18: the operator lifts the guard's bar up to this view; 0: not at all. */
  readonly guardOverride: number;
  /** Data directory, for consensus.db. */
  readonly directory: string;
  /** The guard file beside the identity key. */
  readonly guard: string;
  /** Instead of the system's. */
  readonly openClock?: OpenClock;
}

const EPOCH = 0;
/** Views below the current one whose blocks, becoming final, were proposed just now. */
const FRESH_VIEWS = 3;

/** The system's clock. */
const systemClock: OpenClock = (wake) => {
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
};

/** What a validator has done since it started. */
interface Counters {
  proposed: number;
  nullified: number;
}

function counting(
  network: NetworkPort<ChainBody>,
  counters: Counters,
  watch: ConsensusWatch,
): NetworkPort<ChainBody> {
  return {
    ...network,
    sendBody(to, body) {
      if (to < 0) {
        counters.proposed++;
        watch.proposed(body.facts.view);
      }
      network.sendBody(to, body);
    },
  };
}

function openOwnJournal({ chain }: EngineParts, plan: ValidatorPlan): ConsensusJournal<ChainBody> {
  return openJournal<ChainBody>({
    path: join(plan.directory, "consensus.db"),
    guard: plan.guard,
    ...journalForm(chain),
    acknowledgedView: () => positionOf(chain.ledger.tip().header).view,
  });
}

/** Counts nullifications on their way to the disk, and shows `watch` every record. */
function observed(
  journal: ConsensusJournal<ChainBody>,
  counters: Counters,
  watch: ConsensusWatch,
): ConsensusJournal<ChainBody> {
  return {
    ...journal,
    append(record, body) {
      watch.recorded(record);
      if (record.type === "certificate" && record.certificate.kind === "nullify") counters.nullified++;
      journal.append(record, body);
    },
  };
}

function statusOf(
  driver: Driver<ChainBody>,
  { chain }: EngineParts,
  network: NetworkService,
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
      peerCount: network.port.count(),
      uptime: (performance.now() - startedAt) / 1000,
    };
  };
}

interface Opened {
  readonly driver: Driver<ChainBody>;
  readonly counters: Counters;
  readonly watch: ConsensusWatch;
  readonly clockWatch: ClockWatch;
}

interface Opening {
  readonly network: NetworkService;
  readonly journal: ConsensusJournal<ChainBody>;
  readonly stopped: AbortSignal;
  readonly stack: AsyncDisposableStack;
}

/** The consensus driver over journal, scheme, chain and network; not started. */
function openConsensus(
  parts: EngineParts,
  plan: ValidatorPlan,
  { network, journal, stopped, stack }: Opening,
): Opened {
  const { chain, logger, fail } = parts;
  const { transport, committee, specs, marshal } = network;
  const log = logger.module("consensus");
  const counters = { proposed: 0, nullified: 0 };
  const openClock = plan.openClock ?? systemClock;
  const clock = stack.use(openClock(() => driver.wake()));
  const watch = watchConsensus(parts.metrics, log, () => driver.core, clock.now);
  const clockWatch = watchClock(clock.wall);
  const application = createChainApplication({ chain, clock, fail });
  const gateway = createGateway<ChainBody>({
    transport,
    committee,
    specs,
    maxBlockBytes: plan.maxBlockBytes,
    admit: createAdmission(),
    decodeBody: (bytes) => openNewBody(chain, bytes),
  });
  const config: CoreConfig = {
    epoch: EPOCH,
    n: committee.participants.length,
    me: plan.scheme.index,
    scheme: "threshold",
    genesis: chain.genesisHash,
    timing: plan.timing,
    guardOverride: plan.guardOverride,
  };
  const unguarded = createDriver<ChainBody>(config, {
    journal: observed(journal, counters, watch),
    scheme: createThresholdVotes(plan.scheme, plan.identity, chain.genesisHash),
    application: mortalApplication(application, stopped),
    network: counting(gateway.network, counters, watch),
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
    catchUp(target, done) {
      log.info("catching up", { height: chain.ledger.tip().header.number, target });
      marshal
        .reach(target)
        .then(() => {
          if (!stopped.aborted) done();
        })
        .catch(fail);
    },
  });
  const driver = guardedDriver(unguarded, { stopped, fail });
  gateway.attach(driver);
  stack.defer(
    chain.pool.onPending(() => {
      if (!driver.core.work) driver.work(true);
    }),
  );
  stack.defer(
    chain.service.events.snapshotPersisted.add(({ block: { header } }) => {
      if (positionOf(header).view >= driver.core.view - FRESH_VIEWS) clockWatch.saw(header.timestamp);
      const pending = hasWork(chain.pool);
      if (pending !== driver.core.work) driver.work(pending);
    }),
  );
  return { driver, counters, watch, clockWatch };
}

/** The engine of one validator of several. */
export function validatorEngine(plan: ValidatorPlan): StartEngine {
  return async (parts): Promise<ConsensusEngine> => {
    await using stack = new AsyncDisposableStack();
    const { chain, state } = parts;
    const participants = plan.scheme.participants();
    const verifier = createCertificateVerifier(plan.scheme, chain.genesisHash);
    checkOwnFinality(state.archive, state.head().height, verifier);
    stack.use(lockGuard(plan.guard));
    const journal = stack.use(openOwnJournal(parts, plan));
    // The block at hand is finished before that is closed which it is written to.
    stack.defer(() => chain.application.exclusive(() => undefined));
    const network = stack.use(
      await openNetwork(parts, {
        plan,
        participants,
        verifier,
        fetchTimeout: plan.timing.fetchTimeout,
        announced: undefined,
      }),
    );
    const stopped = new AbortController();
    const opening = { network, journal, stopped: stopped.signal, stack };
    const { driver, counters, watch, clockWatch } = openConsensus(parts, plan, opening);
    stack.defer(() => stopped.abort());
    await network.start();
    driver.start();
    driver.work(hasWork(chain.pool));
    const status = statusOf(driver, parts, network, plan);
    const { ledger, history } = chain;
    const owned = stack.move();
    return {
      status: {
        nodeStatus: () => status(counters),
        evidence: createEvidence({ journal, ledger, history, participants }),
        syncing: network.marshal.progress,
      },
      peers: network.port,
      network,
      concerns() {
        const connected = participants.filter((key) => network.transport.isConnected(key)).length;
        return [...watch.concerns(connected), ...clockWatch.concerns()];
      },
      submit: (raw) => chain.service.submitTx(raw, "client"),
      local: undefined,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };
}
