// The chain as consensus sees it: propose, verify, finalize. One operation at a time, so that no execution ever
// stands on a state that moves under it. Owns none of the parts; the ledger view does.
import type { BlockExecutor } from "#execution/types.ts";
import { createQueue } from "#lib/queue.ts";
import type { Block } from "#types/block.ts";
import type { Hash, Height } from "#types/ids.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, ParentView } from "./ledger.ts";
import type { ConsensusApplication, FinalizationEvidence, Snapshot, Verdict } from "./ports.ts";
import type { ProposalBuilder } from "./proposal.ts";
import type { FinalizationReporter, SeedReporter } from "./reporters.ts";
import { type BlockRules, validateBlock } from "./validate.ts";

/** The application of one node; the specification calls it RevmApplication where it names what executes. */
export interface KoraApplication extends ConsensusApplication {
  /** The seed of a round is known: keccak256 of it is the prevrandao of the block's children (R13). */
  seed(block: Pick<Block, "hash" | "header">, seed: Uint8Array): void;
  /** Runs `work` while nothing is proposed, verified or finalized: writes of the local chain, rollbacks. */
  exclusive<T>(work: () => Promise<T> | T): Promise<T>;
}

export interface ApplicationParts {
  readonly ledger: LedgerView;
  readonly executor: BlockExecutor;
  readonly rules: BlockRules;
  readonly builder: ProposalBuilder;
  readonly finalization: FinalizationReporter;
  readonly seeds: SeedReporter;
  /** Inputs of the next block from outside transactions; undefined on every chain but a local one. */
  readonly inputsOf: (height: Height) => BlockInputs | undefined;
  /** Called with what became final, oldest first, once it is durable. */
  readonly onFinalized: (snapshots: readonly Snapshot[]) => void;
  readonly onSeed: (digest: Hash, seedHash: Hash) => void;
}

const missing = (what: "block" | "seed", digest: Hash): Verdict => ({ kind: "missing", what, digest });
const invalid = (reason: string): Verdict => ({ kind: "invalid", reason });

/** Verifies one block whose parent was executed. */
async function verifyOn(parts: ApplicationParts, parent: ParentView, block: Block): Promise<Verdict> {
  const { ledger, executor, rules } = parts;
  const inputs = parts.inputsOf(block.header.number);
  const prevRandao = ledger.seeds.get(parent.hash);
  if (prevRandao === undefined) return missing("seed", parent.hash);
  const result = await validateBlock(ledger, executor, rules, parent, block, prevRandao, inputs);
  if (result.kind === "invalid") return result;
  ledger.addBody(block);
  ledger.snapshots.insert(result.snapshot);
  return { kind: "valid", digest: block.hash };
}

/** Re-executes what is not executed yet between the tip and `block`, parent to tip. */
async function verify(parts: ApplicationParts, block: Block): Promise<Verdict> {
  const { ledger } = parts;
  if (ledger.snapshots.get(block.hash) !== undefined || ledger.isFinal(block.hash)) {
    return { kind: "valid", digest: block.hash };
  }
  if (block.header.number <= ledger.tip().header.number) {
    return invalid(`height ${block.header.number} is final with another block`);
  }
  const way = ledger.ancestry(block.header.parentHash);
  if (way.kind === "missing") return missing("block", way.digest);
  if (way.kind === "lost") return invalid("it builds on a block that lost");
  for (const step of [...way.blocks, block]) {
    if (ledger.snapshots.get(step.hash) !== undefined) continue;
    const parent = ledger.parent(step.header.parentHash);
    if (parent === undefined) return missing("block", step.header.parentHash);
    const verdict = await verifyOn(parts, parent, step);
    if (verdict.kind === "invalid" && step !== block) {
      return invalid(`its ancestor at height ${step.header.number} is invalid: ${verdict.reason}`);
    }
    if (verdict.kind !== "valid") return verdict;
  }
  return { kind: "valid", digest: block.hash };
}

/** The application over its parts. */
export function createApplication(parts: ApplicationParts): KoraApplication {
  const { ledger, builder, finalization, seeds } = parts;
  const exclusive = createQueue();
  return {
    exclusive,
    propose: (parentDigest, context) =>
      exclusive(async () => {
        const way = ledger.ancestry(parentDigest);
        const tip = way.kind === "complete" ? way.blocks.at(-1) : undefined;
        if (tip !== undefined && (await verify(parts, tip)).kind !== "valid") return undefined;
        const parent = ledger.parent(parentDigest);
        const prevRandao = ledger.seeds.get(parentDigest);
        if (parent === undefined || prevRandao === undefined) return undefined;
        const inputs = parts.inputsOf((parent.header.number + 1) as Height);
        const snapshot = await builder.build({ parent, context, prevRandao, inputs });
        ledger.addBody(snapshot.block);
        ledger.snapshots.insert(snapshot);
        return snapshot.block;
      }),
    verify: (block) => exclusive(() => verify(parts, block)),
    finalize: (digest, evidence: FinalizationEvidence) =>
      exclusive(async () => {
        const final = await finalization.report(digest, evidence);
        const tip = final.at(-1);
        if (tip === undefined) return;
        if (evidence.seed !== undefined) parts.onSeed(digest, seeds.report(tip.block, evidence.seed));
        parts.onFinalized(final);
      }),
    seed(block, seed) {
      parts.onSeed(block.hash, seeds.report(block, seed));
    },
  };
}
