// What must hold after every round: one chain with the same roots, nothing acknowledged lost, nobody signed twice as far
// as the journals and whoever heard it can tell, everybody votes, and blocks come again soon. Every check throws what it
// found; one that would have had nothing to look at waits until it has, or throws.
import { quorumOf } from "#types/quorum.ts";
import { until } from "../../../support/kora.ts";
import { askEach, checkSameChain, heightOf, processOf, type TestNode } from "../../../support/network.ts";
import type { Acknowledged } from "../../../support/transfers.ts";
import { type Bench, viewOf } from "./bench.ts";
import { createVoteChecks, type VoteChecks } from "./votes.ts";

/** Every honest node has to be with the others again within this time. */
const CATCH_UP_MS = 60_000;
/** What was acknowledged before a round's end has to be final within this time. */
const INCLUSION_MS = 30_000;

export interface Checks {
  readonly votes: VoteChecks;
  /** A node that is down is about to lose its chain and its journal; it may have signed up to `view`. */
  lose(node: TestNode, view: number): void;
  /** All of it; answers the milliseconds until a quorum had a new block. */
  afterRound(): Promise<number>;
  /** At the end of a leg: what was checked when it was new still holds. */
  afterLeg(): Promise<void>;
  readonly height: () => number;
  readonly acknowledged: () => number;
}

/** Milliseconds until a quorum of nodes has a block that nobody had when the network was whole again. */
async function recovery({ nodes }: Bench, withinMs: number): Promise<number> {
  const healed = performance.now();
  const highest = Math.max(...(await Promise.all(nodes.map(heightOf))));
  const needed = quorumOf(nodes.length);
  await until(
    `a quorum passes height ${highest} within ${withinMs} ms`,
    async () => {
      const heights = await Promise.all(nodes.map(heightOf));
      return heights.filter((height) => height > highest).length >= needed;
    },
    withinMs,
  );
  const took = performance.now() - healed;
  for (const node of nodes) {
    const passed = async (): Promise<boolean> => (await heightOf(node)) > highest;
    await until(`node${node.index} passes height ${highest}`, passed, CATCH_UP_MS);
  }
  return took;
}

/** Receipts that were answered stay, on every node; hashes that were answered become final; and there are new ones. */
async function checkAcknowledged({ nodes, transfers }: Bench, from: number): Promise<number> {
  const before = transfers.acknowledged.length;
  const waiting = transfers.outstanding();
  await until(
    `${waiting.length} transactions whose hashes were answered become final, and a new one does`,
    () => {
      const left = new Set(transfers.outstanding().map(({ hash }) => hash));
      return transfers.acknowledged.length > before && !waiting.some(({ hash }) => left.has(hash));
    },
    INCLUSION_MS,
  );
  const fresh = transfers.acknowledged.slice(from);
  await Promise.all(nodes.map((node) => checkReceipts(node, fresh)));
  return from + fresh.length;
}

async function checkReceipts(node: TestNode, expected: readonly Acknowledged[]): Promise<void> {
  const hashes = expected.map(({ hash }) => [hash]);
  const receipts = await until(`${hashes.length} receipts on node${node.index}`, async () => {
    const method = "eth_getTransactionReceipt";
    const found = await askEach<{ blockHash: string } | null>(processOf(node), method, hashes);
    return found.every((receipt) => receipt !== null) && found;
  });
  for (const [at, { hash, blockHash }] of expected.entries()) {
    const found = receipts[at]?.blockHash;
    if (found === blockHash) continue;
    throw new Error(`${hash} was acknowledged in ${blockHash}, node${node.index}: ${found}`);
  }
}

/** The checks of one campaign; each looks at what is new since the last round, and at all of it after a node lost all. */
export function createChecks(bench: Bench, withinMs: number): Checks {
  const votes = createVoteChecks(bench);
  let height = 0;
  let acknowledged = 0;
  return {
    votes,
    lose(node, view) {
      votes.bar(node, view);
      height = 0;
      acknowledged = 0;
    },
    async afterRound() {
      const view = Math.max(...(await Promise.all(bench.nodes.map(viewOf))));
      const took = await recovery(bench, withinMs);
      const voters = bench.nodes.filter((node) => !bench.silent.has(node));
      await votes.untilHeard(voters, view, CATCH_UP_MS);
      await votes.untilAllHear(view, CATCH_UP_MS);
      height = await checkSameChain(bench.nodes, height);
      acknowledged = await checkAcknowledged(bench, acknowledged);
      votes.check();
      return took;
    },
    async afterLeg() {
      await checkSameChain(bench.nodes);
      await Promise.all(bench.nodes.map((node) => checkReceipts(node, bench.transfers.acknowledged)));
    },
    height: () => height,
    acknowledged: () => acknowledged,
  };
}
