// Executes a block's transactions on its parent's state and turns the outcome into a batch with a root. The one road
// that proposing, verifying and rebuilding share. Judging the result is done elsewhere.
import type { BlockEnv, BlockExecution, BlockExecutor, ExecutionOutcome } from "#execution/types.ts";
import type { StateBatch } from "#state/types.ts";
import type { Header } from "#types/header.ts";
import { ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, ParentView } from "./ledger.ts";

/** What of a header is fixed before its transactions run. */
export type OpenHeader = Pick<
  Header,
  | "number"
  | "timestamp"
  | "coinbase"
  | "gasLimit"
  | "baseFeePerGas"
  | "mixHash"
  | "parentHash"
  | "excessBlobGas"
>;

/** The environment its header gives a block. */
export function blockEnv(header: OpenHeader): BlockEnv {
  return {
    number: header.number,
    timestamp: header.timestamp,
    coinbase: header.coinbase,
    gasLimit: header.gasLimit,
    baseFeePerGas: header.baseFeePerGas ?? 0n,
    prevRandao: header.mixHash,
    parentHash: header.parentHash,
    parentBeaconBlockRoot: ZERO_HASH,
    excessBlobGas: header.excessBlobGas ?? 0n,
  };
}

/** Opens a block on `parent`. */
export function openBlock(
  ledger: LedgerView,
  executor: BlockExecutor,
  parent: ParentView,
  header: OpenHeader,
  inputs: BlockInputs | undefined,
): Promise<BlockExecution> {
  return executor.open(parent.reader, blockEnv(header), ledger.blockHashes(parent.hash), inputs?.state);
}

/** The batch that an outcome gives on `parent`. */
export function prepareBatch(
  ledger: LedgerView,
  parent: ParentView,
  header: Pick<Header, "number">,
  outcome: ExecutionOutcome,
): StateBatch {
  return ledger.state.prepare(parent.batch, header.number, outcome.changes);
}

export type Executed =
  | { readonly kind: "executed"; readonly outcome: ExecutionOutcome; readonly batch: StateBatch }
  | { readonly kind: "rejected"; readonly reason: string };

/** Runs all of `transactions`, none of which may be rejected. */
export async function executeBlock(
  ledger: LedgerView,
  executor: BlockExecutor,
  parent: ParentView,
  block: { readonly header: OpenHeader; readonly transactions: readonly SignedTransaction[] },
  inputs: BlockInputs | undefined,
): Promise<Executed> {
  const execution = await openBlock(ledger, executor, parent, block.header, inputs);
  for (const [index, transaction] of block.transactions.entries()) {
    const result = await execution.apply(transaction);
    if (result.kind === "rejected") {
      return { kind: "rejected", reason: `transaction ${index} is invalid: ${result.rejection.message}` };
    }
  }
  const outcome = await execution.finish();
  return { kind: "executed", outcome, batch: prepareBatch(ledger, parent, block.header, outcome) };
}
