// A node without a share: learns of final blocks from validators or other followers, checks each finalization under
// the group's key, executes, and serves. Never votes, and needs nobody's permission but a place among the connections.
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import type { ConsensusEngine, EngineParts, StartEngine } from "#node/engine.ts";
import type { NodeStatus, SyncProgress } from "#rpc/ports.ts";
import type { IdentityKey } from "#types/identity.ts";
import { type Hash, type Height, height } from "#types/ids.ts";
import type { Announced } from "./announce.ts";
import { watchClock } from "./clock-watch.ts";
import { checkOwnFinality, judgedBy } from "./group-key.ts";
import type { Marshal } from "./marshal.ts";
import { type NetworkPlan, openNetwork } from "./network.ts";
import { createCertificateVerifier } from "./votes.ts";

export interface FollowerPlan extends NetworkPlan {
  /** Checks signatures of the group; the public key is enough. */
  readonly scheme: Pick<ThresholdScheme, "verify">;
  /** Where known: transactions go to them first. */
  readonly participants: readonly IdentityKey[];
  readonly fetchTimeout: number;
  /** Milliseconds between two blocks at most, while the network is well. */
  readonly slowestPace: number;
}

/** How often a follower that hears nothing asks whether there is more; and how soon again when it knows there is. */
const ASK_MS = 5_000;
const ASK_AGAIN_MS = 250;
/** Announced blocks that wait for those before them to be executed; later ones are fetched. */
const MAX_QUEUED = 16;
/** Silence beyond the slowest pace that is a concern. */
const PATIENCE_MS = 30_000;

function statusOf(chain: Chain, startedAt: number, peerCount: number): NodeStatus {
  const { header } = chain.ledger.tip();
  const { epoch, view } = positionOf(header);
  return {
    currentView: view,
    leader: undefined,
    isLeader: false,
    epoch,
    finalizedHeight: header.number,
    finalizedCount: header.number,
    nullifiedCount: 0,
    proposedCount: 0,
    peerCount,
    uptime: (performance.now() - startedAt) / 1000,
  };
}

export interface Pursuit extends AsyncDisposable {
  /** A final block was announced. */
  announced(block: Announced): void;
  /** Somebody new may have more. */
  ask(): void;
  /** Undefined once it has heard that there is no more, and keeps up. */
  progress(): SyncProgress | undefined;
  /** Whether anybody has told this node, since it started, where the chain ends. */
  readonly heard: boolean;
}

/** Something to wait for that is either a moment or a call. */
function createBell(): { wait(ms: number): Promise<void>; ring(): void } {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    async wait(ms) {
      if (!rung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, ms);
        wake = resolve;
        await promise;
        clearTimeout(timer);
        wake = undefined;
      }
      rung = false;
    },
    ring() {
      rung = true;
      wake?.();
    },
  };
}

/** Follows announcements: applies what fits, fetches what was missed, asks at the start and when nothing is heard. */
export function startPursuit(
  chain: Pick<Chain, "ledger">,
  marshal: Pick<Marshal, "apply" | "exhaust" | "progress">,
  fail: (error: unknown) => void,
): Pursuit {
  const bell = createBell();
  const tip = (): Height => chain.ledger.tip().header.number;
  const startingBlock = tip();
  let highest = startingBlock;
  let stopped = false;
  let heard = false;
  /** Announced blocks under way, and the last of them. */
  let queued = 0;
  let end: Hash | undefined;

  async function asking(): Promise<void> {
    while (!stopped) {
      if ((await marshal.exhaust()) && tip() >= highest) heard = true;
      if (!stopped) await bell.wait(tip() < highest && queued === 0 ? ASK_AGAIN_MS : ASK_MS);
    }
  }
  async function take({ wire, hash, certificate }: Announced): Promise<void> {
    queued++;
    end = hash;
    try {
      await marshal.apply({ blocks: [{ wire, hash }], certificate });
      heard = true;
    } finally {
      queued--;
    }
  }
  const running = asking().catch(fail);
  return {
    announced(block) {
      const { number, parentHash } = block.wire.header;
      if (number > highest) highest = number;
      const follows = parentHash === chain.ledger.tip().hash || (queued > 0 && parentHash === end);
      if (follows && queued < MAX_QUEUED) take(block).catch(fail);
      else bell.ring();
    },
    ask: bell.ring,
    progress() {
      const going = marshal.progress();
      if (going !== undefined || heard) return going;
      const currentBlock = tip();
      return { startingBlock, currentBlock, highestBlock: height(Math.max(highest, currentBlock)) };
    },
    get heard() {
      return heard;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      bell.ring();
      await running;
    },
  };
}

/** Why a follower's answers may be old, or missing. */
function concernsOf(peerCount: number, pursuit: Pursuit, silence: number, slowestPace: number): string[] {
  if (peerCount === 0) return ["no peer is connected"];
  if (!pursuit.heard) return ["no peer has told yet where the chain ends"];
  return silence > slowestPace + PATIENCE_MS
    ? [`nothing became final for ${Math.floor(silence / 1000)} s`]
    : [];
}

/** The engine of a follower. */
export function followerEngine(plan: FollowerPlan): StartEngine {
  return async (parts: EngineParts): Promise<ConsensusEngine> => {
    await using stack = new AsyncDisposableStack();
    const { chain, state, logger, fail } = parts;
    const startedAt = performance.now();
    const clock = watchClock(() => Date.now() / 1000);
    let newest: number = chain.ledger.tip().header.number;
    const judged = judgedBy(createCertificateVerifier(plan.scheme, chain.genesisHash), logger.module("sync"));
    checkOwnFinality(state.archive, state.head().height, judged.verifier);
    const network = stack.use(
      await openNetwork(parts, {
        plan,
        participants: plan.participants,
        verifier: judged.verifier,
        fetchTimeout: plan.fetchTimeout,
        announced(block) {
          const { number, timestamp } = block.wire.header;
          if (number > newest) clock.saw(timestamp);
          newest = Math.max(newest, number);
          pursuit.announced(block);
        },
      }),
    );
    let finalAt = startedAt;
    stack.defer(
      chain.service.events.snapshotPersisted.add(() => {
        finalAt = performance.now();
      }),
    );
    const pursuit = startPursuit(chain, network.marshal, fail);
    // Syncing ends first: pursuing waits for it.
    stack.defer(async () => {
      await Promise.all([network.marshal[Symbol.asyncDispose](), pursuit[Symbol.asyncDispose]()]);
    });
    stack.defer(
      network.transport.onPeer(({ kind }) => {
        if (kind === "connected") pursuit.ask();
      }),
    );
    await network.start();
    const owned = stack.move();
    return {
      status: {
        nodeStatus: () => statusOf(chain, startedAt, network.port.count()),
        syncing: pursuit.progress,
      },
      peers: network.port,
      network,
      concerns: () => [
        ...judged.concerns(),
        ...concernsOf(network.port.count(), pursuit, performance.now() - finalAt, plan.slowestPace),
        ...clock.concerns(),
      ],
      submit: (raw) => chain.service.submitTx(raw, "client"),
      local: undefined,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };
}
