// Brings the chain to what is known to be final: runs of blocks from peers, executed and committed in order, the next
// one travelling meanwhile. A failure to reproduce a final block is this node's own and stops it.
import type { OpenedBody } from "#chain/body.ts";
import type { Chain } from "#chain/chain.ts";
import { KoraError } from "#lib/error.ts";
import { createQueue } from "#lib/queue.ts";
import type { SyncProgress } from "#rpc/ports.ts";
import type { Block } from "#types/block.ts";
import { encodeCertificate } from "#types/certificate.ts";
import { type Height, height } from "#types/ids.ts";
import type { Backfill, Found } from "./backfill.ts";
import type { RunStart, VerifiedRun } from "./runs.ts";

/** Blocks, and gas, committed in one transaction; between two of these others get their turn. */
const COMMIT_BLOCKS = 32;
const COMMIT_GAS = 4_000_000n;
/** Pause after a round in which no peer answered. */
const IDLE_MS = 250;

/** What a run consists of; those that come alone are as good. */
export type FinalRun = Pick<VerifiedRun, "blocks" | "certificate">;

export interface Marshal extends AsyncDisposable {
  /** Fetches and commits until the tip is at `target` or above, peers that answer have no more, or this is disposed. */
  reach(target: number): Promise<void>;
  /** Fetches and commits until peers have no more; false when none of them answered. */
  exhaust(): Promise<boolean>;
  /** Commits final blocks; one that does not follow the tip is left alone. */
  apply(run: FinalRun): Promise<void>;
  /** While it is more than a block behind what is known to be final. */
  progress(): SyncProgress | undefined;
}

/** Blocks that are opened while the ones before them are executed. */
const OPEN_AHEAD = 8;

/** A block of a checked run. Its transactions are the quorum's word: one without a signature is no peer's fault. */
function finalBlock(opened: OpenedBody, { wire, hash }: FinalRun["blocks"][number]): Block {
  if (opened.kind === "opened") return opened.block;
  throw new KoraError(`final block ${wire.header.number} cannot be opened`, {
    code: "STATE_DIVERGED",
    kind: "safety",
    why: opened.reason,
    hint: "keep the data directory for analysis and compare with other nodes",
    details: { hash },
  });
}

/** The blocks opened, in order and a few ahead of whoever takes them. */
async function* openAhead(chain: Chain, blocks: FinalRun["blocks"]): AsyncGenerator<Block, void, void> {
  const coming: (OpenedBody | Promise<OpenedBody>)[] = [];
  for (const [at, block] of blocks.entries()) {
    for (let next = at + coming.length; next < Math.min(at + OPEN_AHEAD, blocks.length); next++) {
      const { wire, hash } = blocks[next] as FinalRun["blocks"][number];
      coming.push(chain.openWire(wire, hash));
    }
    yield finalBlock(await (coming.shift() as OpenedBody | Promise<OpenedBody>), block);
  }
}

/** Commits what follows the tip, a few blocks at a time, until `signal` aborts. */
async function commitRun(chain: Chain, { blocks, certificate }: FinalRun, signal: AbortSignal) {
  const tip = chain.ledger.tip();
  const fresh = blocks.filter(({ wire }) => wire.header.number > tip.header.number);
  if (fresh[0]?.wire.header.parentHash !== tip.hash) return;
  let count = 0;
  let gas = 0n;
  const end = fresh.at(-1)?.hash;
  for await (const block of openAhead(chain, fresh)) {
    if (signal.aborted) return;
    const { header, hash } = block;
    chain.ledger.addBody(block);
    count++;
    gas += header.gasUsed;
    const last = hash === end;
    if (!last && count < COMMIT_BLOCKS && gas < COMMIT_GAS) continue;
    const own = last ? certificate : undefined;
    await chain.application.finalize(hash, {
      certificate: own && encodeCertificate(own),
      seed: own?.seed,
    });
    count = 0;
    gas = 0n;
    await Bun.sleep(0);
  }
}

/** The block that the run after `run` follows. */
function endOf({ blocks }: VerifiedRun): RunStart | undefined {
  const last = blocks.at(-1);
  return last && { hash: last.hash, height: last.wire.header.number };
}

/** Syncing of one chain. Disposing waits for the blocks at hand. */
export function createMarshal(chain: Chain, backfill: Backfill): Marshal {
  const stopped = new AbortController();
  const { signal } = stopped;
  const tip = (): Height => chain.ledger.tip().header.number;
  let starting = tip();
  let highest = starting;
  let pursuits = 0;
  const commits = createQueue();
  const rounds = createQueue();

  const apply = (run: FinalRun): Promise<void> => commits(() => commitRun(chain, run, signal));
  function ask(start: RunStart, until: AbortSignal): Promise<Found> {
    const coming = backfill.next(start, until);
    // Awaited later, if at all.
    coming.catch(() => undefined);
    return coming;
  }
  /** Runs from peers, the next one on its way while one is committed, until there is `enough` or nothing more. */
  async function fetchRuns(enough: () => boolean): Promise<Found["kind"]> {
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    const { header, hash } = chain.ledger.tip();
    let coming = ask({ hash, height: header.number }, until);
    try {
      for (;;) {
        const found = await coming;
        if (found.kind !== "run" || signal.aborted) return found.kind;
        highest = height(Math.max(highest, found.run.finalHeight));
        const end = endOf(found.run);
        if (end === undefined) return "silence";
        coming = ask(end, until);
        await apply(found.run);
        if (enough()) return "run";
      }
    } finally {
      ended.abort();
      await coming.catch(() => undefined);
    }
  }
  async function pursue(enough: () => boolean): Promise<Found["kind"]> {
    if (pursuits++ === 0) starting = tip();
    try {
      return await rounds(() => (enough() ? "run" : fetchRuns(enough)));
    } finally {
      pursuits--;
    }
  }
  return {
    async reach(target) {
      highest = height(Math.max(highest, target));
      while (!signal.aborted && tip() < target) {
        const ending = await pursue(() => tip() >= target);
        if (ending === "exhausted") return;
        if (ending === "silence" && tip() < target) await Bun.sleep(IDLE_MS);
      }
    },
    exhaust: async () => (await pursue(() => false)) !== "silence",
    apply,
    progress() {
      const currentBlock = tip();
      if (pursuits === 0 || highest - currentBlock <= 1) return undefined;
      return { startingBlock: starting, currentBlock, highestBlock: highest };
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await Promise.all([rounds, commits].map((queue) => queue(() => undefined)));
    },
  };
}
