// A local chain at work: its clock, its miner, and the pool's door that answers once a transaction is mined where it
// is mined at once. Blocks come about through the interface that consensus uses.
import type { Chain } from "#chain/chain.ts";
import type { MakeBlock } from "#chain/ports.ts";
import type { Submission } from "#chain/service.ts";
import type { StateDb } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { createMiner, type Miner, type MiningMode, type Timers } from "./miner.ts";
import { createDevClock, type DevClock } from "./time.ts";

export interface LocalChainParts {
  readonly chain: Chain;
  readonly state: StateDb;
  /** Consensus of this one node. */
  readonly makeBlock: MakeBlock;
  readonly mode: MiningMode;
  /** Wall clock, seconds. */
  readonly wall: () => number;
  readonly timers: Timers;
  /** Gets the failure after which the node must stop. */
  readonly fail: (error: unknown) => void;
}

export interface LocalChain extends AsyncDisposable {
  readonly miner: Miner;
  readonly clock: DevClock;
  /**
   * Judges and pools a wire form. With automine an accepted transaction that can be mined is in a durable block when
   * this resolves; else it is durable in the journal.
   */
  submit(raw: Uint8Array): Promise<Submission>;
  /** The same for a transaction signed here. */
  submitOpened(signed: SignedTransaction): Promise<Submission>;
}

/** A local chain over an open chain whose genesis says dev. */
export function createLocalChain(parts: LocalChainParts): LocalChain {
  const { chain, state, makeBlock, timers, fail } = parts;
  const { pool, service, ledger, inputs } = chain;
  const clock = createDevClock(state.notes, parts.wall);

  const produce = async (): Promise<Block> => {
    const forced = inputs.for(height(ledger.tip().header.number + 1))?.timestamp;
    try {
      const block = await makeBlock({ now: clock.now(), buildMs: Number.POSITIVE_INFINITY });
      // Time goes on from a timestamp that was set by hand.
      if (forced !== undefined) clock.setTo(forced);
      return block;
    } catch (error) {
      // Not the business of the client alone who sent something just now: the next one would be promised in vain.
      fail(error);
      throw error;
    }
  };
  const miner = createMiner({
    mode: parts.mode,
    produce,
    hasWork: () => pool.hasExecutable(),
    timers,
    fail,
  });

  const settle = async (submission: Submission): Promise<Submission> => {
    if (submission.kind === "rejected") return submission;
    if (miner.mode.automine) await miner.settle();
    // What was mined is durable with its block and needs no journal.
    if (pool.get(submission.hash) !== undefined) await submission.persist();
    return submission;
  };

  return {
    miner,
    clock,
    submit: (raw) => settle(service.submit(raw, "client")),
    submitOpened: (signed) => settle(service.submitOpened(signed, "client")),
    [Symbol.asyncDispose]: () => miner[Symbol.asyncDispose](),
  };
}
