// Brings the chain to what is known to be final: runs of blocks from peers, executed and committed in order. One at a
// time; a failure to reproduce a final block is this node's own and stops it.
import { openWireBlock } from "#chain/body.ts";
import type { Chain } from "#chain/chain.ts";
import { KoraError } from "#lib/error.ts";
import type { Block, WireBlock } from "#types/block.ts";
import { encodeCertificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Backfill, VerifiedRun } from "./backfill.ts";

/** Blocks committed in one transaction; between two of these others get their turn. */
const COMMIT_BLOCKS = 32;
/** Pause after a round in which no peer had anything. */
const IDLE_MS = 250;

export interface Sync {
  /** Fetches and commits until `done` holds or `signal` aborts. Overlapping calls share one effort. */
  until(done: () => boolean, signal: AbortSignal): Promise<void>;
  /** Commits final blocks that follow the tip. */
  apply(run: VerifiedRun): Promise<void>;
  /** Whether it is fetching now. */
  readonly active: boolean;
}

/** A block of a checked run. Its transactions are the quorum's word: one without a signature is no peer's fault. */
function openFinal(chain: Chain, wire: WireBlock, hash: Hash): Block {
  const opened = openWireBlock(wire, hash, chain.pool.get);
  if (opened.kind === "opened") return opened.block;
  throw new KoraError(`final block ${wire.header.number} cannot be opened`, {
    code: "STATE_DIVERGED",
    kind: "safety",
    why: opened.reason,
    hint: "keep the data directory for analysis and compare with other nodes",
    details: { hash },
  });
}

/** Syncing of one chain. */
export function createSync(chain: Chain, backfill: Backfill): Sync {
  let turn: Promise<void> = Promise.resolve();
  let active = 0;

  async function commit(run: VerifiedRun): Promise<void> {
    const { blocks, certificate } = run;
    const tip = chain.ledger.tip().header.number;
    const fresh = blocks.filter(({ wire }) => wire.header.number > tip);
    for (const [at, { wire, hash }] of fresh.entries()) {
      chain.ledger.addBody(openFinal(chain, wire, hash));
      const last = at === fresh.length - 1;
      if (!last && (at + 1) % COMMIT_BLOCKS !== 0) continue;
      const own = last ? certificate : undefined;
      await chain.application.finalize(hash, {
        certificate: own && encodeCertificate(own),
        seed: own?.seed,
      });
      await Bun.sleep(0);
    }
  }
  async function fetchUntil(done: () => boolean, signal: AbortSignal): Promise<void> {
    while (!(signal.aborted || done())) {
      const { header, hash } = chain.ledger.tip();
      const run = await backfill.next({ hash, height: header.number }, signal);
      if (run === undefined) await Bun.sleep(IDLE_MS);
      else await commit(run);
    }
  }
  function inTurn(work: () => Promise<void>): Promise<void> {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  }
  return {
    async until(done, signal) {
      active++;
      try {
        await inTurn(() => fetchUntil(done, signal));
      } finally {
        active--;
      }
    },
    apply: (run) => inTurn(() => commit(run)),
    get active() {
      return active > 0;
    },
  };
}
