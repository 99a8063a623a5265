// A node without a share: learns of final blocks from validators or other followers, checks each finalization under
// the group's key, executes, and serves. Never votes, and needs nobody's permission but a place among the connections.
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import type { Engine, EngineParts, StartEngine } from "#node/engine.ts";
import type { NodeStatus, SyncProgress } from "#rpc/ports.ts";
import type { IdentityKey } from "#types/identity.ts";
import { type Height, height } from "#types/ids.ts";
import type { Announced } from "./announce.ts";
import { type NetworkPlan, openPeers } from "./peers.ts";
import type { Sync } from "./sync.ts";
import { createCertificateVerifier } from "./votes.ts";

export interface FollowerPlan extends NetworkPlan {
  /** Checks signatures of the group; the public key is enough. */
  readonly scheme: Pick<ThresholdScheme, "verify">;
  /** Where known: transactions go to them first. */
  readonly participants: readonly IdentityKey[];
  readonly fetchTimeout: number;
}

/** How often a follower that hears nothing asks whether there is more. */
const ASK_MS = 5_000;

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

interface Pursuit extends Disposable {
  /** A final block was announced. */
  announced(block: Announced): void;
  progress(): SyncProgress | undefined;
}

/** Follows announcements: applies what fits the tip, fetches what was missed, asks when nothing is heard. */
function startPursuit(chain: Chain, sync: Sync, fail: (error: unknown) => void): Pursuit {
  const stopped = new AbortController();
  const tip = (): Height => chain.ledger.tip().header.number;
  let starting = tip();
  let highest = starting;
  const pursue = (signal: AbortSignal): void => {
    starting = tip();
    sync.until(() => tip() >= highest, signal).catch(fail);
  };
  // Announcements are not promised to arrive: asking for the block after the tip finds out what was missed.
  const asking = setInterval(() => {
    if (sync.active) return;
    highest = height(tip() + 1);
    pursue(AbortSignal.any([AbortSignal.timeout(ASK_MS), stopped.signal]));
  }, ASK_MS);
  return {
    announced({ wire, hash, certificate }) {
      const { number, parentHash } = wire.header;
      if (number > highest) highest = number;
      const fits = parentHash === chain.ledger.tip().hash;
      if (fits) sync.apply({ blocks: [{ wire, hash }], certificate }).catch(fail);
      else if (!sync.active) pursue(stopped.signal);
    },
    progress() {
      const currentBlock = tip();
      const behind = sync.active && currentBlock + 1 < highest;
      return behind ? { startingBlock: starting, currentBlock, highestBlock: highest } : undefined;
    },
    [Symbol.dispose]() {
      clearInterval(asking);
      stopped.abort();
    },
  };
}

/** The engine of a follower. */
export function followerEngine(plan: FollowerPlan): StartEngine {
  return async (parts: EngineParts): Promise<Engine> => {
    await using stack = new AsyncDisposableStack();
    const { chain, fail } = parts;
    const startedAt = performance.now();
    const peers = stack.use(
      await openPeers(parts, {
        plan,
        participants: plan.participants,
        verifier: createCertificateVerifier(plan.scheme, chain.genesisHash),
        fetchTimeout: plan.fetchTimeout,
        announced: (block) => pursuit.announced(block),
      }),
    );
    const pursuit = stack.use(startPursuit(chain, peers.sync, fail));
    await peers.start();
    const owned = stack.move();
    return {
      status: {
        nodeStatus: () => statusOf(chain, startedAt, peers.port.count()),
        syncing: pursuit.progress,
      },
      peers: peers.port,
      submit: (raw) => chain.service.submitTx(raw, "client"),
      local: undefined,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };
}
