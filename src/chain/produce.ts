// One block, start to end, where this node alone decides: propose, verify, finalize through the interface that
// consensus uses. When to make a block is decided elsewhere.
import { assert } from "#lib/assert.ts";
import type { Block } from "#types/block.ts";
import { positionOf } from "./header-rules.ts";
import type { LedgerView } from "./ledger.ts";
import type { ConsensusApplication } from "./ports.ts";

/** What stands in for a committee of one. */
export interface Sealer {
  /** Seed signature of a round, the same each time it is asked for. */
  seed(epoch: number, view: number): Uint8Array;
}

export interface ProduceOptions {
  readonly application: ConsensusApplication;
  readonly ledger: Pick<LedgerView, "tip">;
  readonly sealer: Sealer;
  /** Wall clock, seconds. */
  readonly now: () => number;
  /** The running epoch: that of the tip, or a later one after a rollback. */
  readonly epoch: () => number;
  /** Called per block: the test that ends building. */
  readonly deadline: () => () => boolean;
}

/** What the next block of a node alone depends on beside the chain. */
export interface BlockRequest {
  /** Wall clock, seconds: the timestamp unless an input says another. */
  readonly now: number;
  /** Building stops after so many milliseconds; Infinity for as long as it takes. */
  readonly buildMs: number;
}

/** Makes the next block on the finalized tip and resolves when it is durable. Calls must not overlap. */
export type MakeBlock = (request: BlockRequest) => Promise<Block>;

/** Makes one block on the finalized tip and resolves when it is durable. Calls must not overlap. */
export async function produceBlock(options: ProduceOptions): Promise<Block> {
  const { application, ledger, sealer } = options;
  const tip = ledger.tip();
  const before = positionOf(tip.header);
  const epoch = Math.max(options.epoch(), before.epoch);
  const parentView = epoch === before.epoch ? before.view : 0;
  const view = parentView + 1;
  const block = await application.propose(tip.hash, {
    epoch,
    view,
    parentView,
    now: options.now(),
    expired: options.deadline(),
  });
  assert(block !== undefined, "the finalized tip can always be built on");
  const verdict = await application.verify(block);
  assert(verdict.kind === "valid", `an own block is valid: ${JSON.stringify(verdict)}`);
  await application.finalize(block.hash, { certificate: undefined, seed: sealer.seed(epoch, view) });
  return block;
}
