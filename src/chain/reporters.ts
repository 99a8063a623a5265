// What consensus reports and the chain makes durable: finalized blocks (merged from parent to tip, committed once)
// and seed signatures (hashed for the children's prevrandao).
import type { BlockExecutor } from "#execution/types.ts";
import type { Finalized } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import type { Hash, Height } from "#types/ids.ts";
import { ConsensusError } from "./errors.ts";
import { executeBlock } from "./execute.ts";
import { type BlockInputs, encodeInputs } from "./inputs.ts";
import type { LedgerView } from "./ledger.ts";
import type { FinalizationEvidence, Snapshot } from "./ports.ts";
import { recordOf } from "./record.ts";
import { seedHash } from "./snapshots.ts";

/** Makes blocks final. */
export interface FinalizationReporter {
  /**
   * Commits the block and its unpersisted ancestors in one transaction; does nothing for a block that is final.
   * Returns what became final, oldest first. Throws FINALIZED_BODY_MISSING when a body has to be fetched first.
   */
  report(digest: Hash, evidence: FinalizationEvidence): Promise<readonly Snapshot[]>;
}

/** Takes seeds of rounds. */
export interface SeedReporter {
  /** `seed` is the seed signature of the round in which `block` was proposed. */
  report(block: Pick<Block, "hash" | "header">, seed: Uint8Array): Hash;
}

function missingBody(digest: Hash): ConsensusError {
  return new ConsensusError(`the body of ${digest} is not held`, {
    code: "FINALIZED_BODY_MISSING",
    details: { digest },
    hint: "fetch the block and report its finalization again",
  });
}

/** A finalized block is valid by decree of a quorum: failing to execute it means that this node is broken. */
function diverged(block: Block, reason: string): ConsensusError {
  return new ConsensusError(`finalized block ${block.header.number} cannot be reproduced here`, {
    code: "STATE_DIVERGED",
    kind: "safety",
    why: reason,
    hint: "keep the data directory for analysis and resync from another node",
    details: { hash: block.hash },
  });
}

/** The snapshot of a finalized block, executed now if this node never did. Its header is taken at its word. */
async function snapshotOf(
  ledger: LedgerView,
  executor: BlockExecutor,
  block: Block,
  inputs: BlockInputs | undefined,
): Promise<Snapshot> {
  const held = ledger.snapshots.get(block.hash);
  if (held !== undefined) return held;
  const parent = ledger.parent(block.header.parentHash);
  if (parent === undefined) throw diverged(block, "the state of its parent is gone");
  const executed = await executeBlock(ledger, executor, parent, block, inputs);
  if (executed.kind === "rejected") throw diverged(block, executed.reason);
  const { outcome, batch } = executed;
  if (batch.root !== block.header.stateRoot) {
    throw diverged(block, `state root is ${batch.root}, not ${block.header.stateRoot}`);
  }
  if (outcome.receiptsRoot !== block.header.receiptsRoot) throw diverged(block, "receipts root differs");
  const snapshot = { block, batch, outcome, inputs, persisted: false };
  ledger.snapshots.insert(snapshot);
  return snapshot;
}

function finalizedOf(ledger: LedgerView, snapshot: Snapshot, evidence: FinalizationEvidence): Finalized {
  const seed = evidence.seed ?? ledger.seeds.signature(snapshot.block.hash);
  const { block, batch, outcome, inputs } = snapshot;
  const record = recordOf(block, outcome.receipts, {
    certificate: evidence.certificate,
    seed,
    inputs: inputs === undefined ? undefined : encodeInputs(inputs),
  });
  return { batch, record };
}

/** The reporter of finalized blocks for one ledger. `inputsOf` as in the application. */
export function createFinalizationReporter(
  ledger: LedgerView,
  executor: BlockExecutor,
  inputsOf: (height: Height) => BlockInputs | undefined,
): FinalizationReporter {
  return {
    async report(digest, evidence) {
      if (ledger.isFinal(digest)) return [];
      const way = ledger.ancestry(digest);
      if (way.kind === "missing") throw missingBody(way.digest);
      if (way.kind === "lost") {
        throw new ConsensusError(`${digest} conflicts with the finalized block at its height`, {
          code: "FINALITY_CONFLICT",
          kind: "safety",
          hint: "more than a third of the validators are faulty: stop and compare with other nodes",
        });
      }
      const snapshots: Snapshot[] = [];
      const merged: Finalized[] = [];
      for (const block of way.blocks) {
        const snapshot = await snapshotOf(ledger, executor, block, inputsOf(block.header.number));
        const own = block.hash === digest ? evidence : { certificate: undefined, seed: undefined };
        snapshots.push(snapshot);
        merged.push(finalizedOf(ledger, snapshot, own));
      }
      ledger.state.commit(merged);
      for (const { block } of snapshots) ledger.snapshots.markPersisted(block.hash);
      ledger.advance(way.blocks.at(-1) as Block);
      ledger.mempool.finalized(snapshots.map(({ outcome }) => outcome.changes));
      return snapshots.map((snapshot) => ({ ...snapshot, persisted: true }));
    },
  };
}

/** The reporter of seeds for one ledger. */
export function createSeedReporter(ledger: LedgerView): SeedReporter {
  return {
    report(block, seed) {
      const hashed = seedHash(seed);
      ledger.seeds.insert(block.hash, block.header.number, hashed, seed);
      return hashed;
    },
  };
}
