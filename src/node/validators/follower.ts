// A node without a share: learns of final blocks from validators or other followers, checks each finalization under
// the group's key, executes, and serves. Never votes, and needs nobody's permission but a place among the connections.
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import type { Engine, EngineParts, StartEngine } from "#node/engine.ts";
import type { NodeStatus } from "#rpc/ports.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Height } from "#types/ids.ts";
import { startAnnouncing } from "./announce.ts";
import { createBackfill } from "./backfill.ts";
import { channelSpecs } from "./channels.ts";
import { createCommittee } from "./committee.ts";
import { type NetworkPlan, openTransport } from "./engine.ts";
import { startRelay } from "./relay.ts";
import { createSync } from "./sync.ts";
import { createCertificateVerifier } from "./votes.ts";

export interface FollowerPlan extends NetworkPlan {
  /** Checks signatures of the group; the public key is enough. */
  readonly scheme: Pick<ThresholdScheme, "verify">;
  /** Where known: transactions go to them first. */
  readonly participants: readonly IdentityKey[];
  readonly fetchTimeout: number;
  readonly maxBlockBytes: number;
}

/** How often a follower that hears nothing asks whether there is more. */
const ASK_MS = 5_000;
/** Own clients' transactions offered to a peer that just connected. */
const MAX_OFFERED = 4_096;

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

/** The engine of a follower. */
export function followerEngine(plan: FollowerPlan): StartEngine {
  return async ({ chain, state, logger, fail }: EngineParts): Promise<Engine> => {
    await using stack = new AsyncDisposableStack();
    const startedAt = performance.now();
    const specs = channelSpecs(plan.maxBlockBytes);
    const transport = openTransport(plan, chain.genesisHash, logger);
    stack.defer(() => transport.close());
    transport.allow(plan.participants);
    const verifier = createCertificateVerifier(plan.scheme, chain.genesisHash);
    const { maxBlockBytes } = plan;
    const timeoutMs = plan.fetchTimeout * 4;
    const backfill = createBackfill({
      transport,
      spec: specs.backfill,
      archive: state.archive,
      verifier,
      maxBlockBytes,
      timeoutMs,
    });
    const sync = createSync(chain, backfill);
    const committee = createCommittee(plan.participants, transport.self);
    const stopped = new AbortController();
    let starting = chain.ledger.tip().header.number;
    let highest = starting;
    const caughtUp = (): boolean => chain.ledger.tip().header.number >= highest;
    const pursue = (): void => {
      if (!sync.active) starting = chain.ledger.tip().header.number;
      sync.until(caughtUp, stopped.signal).catch(fail);
    };
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
        maxBlockBytes,
        announced({ wire, hash, certificate }) {
          const { number, parentHash } = wire.header;
          if (number > highest) highest = number;
          if (parentHash === chain.ledger.tip().hash)
            sync.apply({ blocks: [{ wire, hash }], certificate }).catch(fail);
          else if (!sync.active) pursue();
        },
      }),
    );
    await transport.start();
    for (const peer of plan.peers) transport.keep(peer);
    // Announcements are not promised to arrive: asking for the block after the tip finds out what was missed.
    const asking = setInterval(() => {
      if (sync.active) return;
      highest = (chain.ledger.tip().header.number + 1) as Height;
      const once = AbortSignal.timeout(ASK_MS - 1);
      sync.until(caughtUp, AbortSignal.any([once, stopped.signal])).catch(fail);
    }, ASK_MS);
    stack.defer(() => clearInterval(asking));
    stack.defer(() => stopped.abort());
    const owned = stack.move();
    return {
      status: {
        nodeStatus: () => statusOf(chain, startedAt, transport.peers().length),
        syncing() {
          const currentBlock = chain.ledger.tip().header.number;
          return sync.active && currentBlock + 1 < highest
            ? { startingBlock: starting, currentBlock, highestBlock: highest }
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
