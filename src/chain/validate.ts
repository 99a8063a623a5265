// Judges a block against its parent: header rules, body limits, and re-execution that must give every advertised
// value, the state root above all. The verdict is a value; an exception here is our own fault, never a peer's.
import type { BlockExecutor } from "#execution/types.ts";
import { equalBytes } from "#lib/bytes.ts";
import { type Block, encodeBlock, wireOf } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import type { Hash } from "#types/ids.ts";
import { type Executed, executeBlock } from "./execute.ts";
import { checkHeader, type HeaderRules } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, ParentView } from "./ledger.ts";
import type { Snapshot } from "./ports.ts";

/** Validity rules of one chain: every node of it must use the same. */
export interface BlockRules extends HeaderRules {
  /** Bytes of an encoded block. */
  readonly maxBlockBytes: number;
  readonly maxTxs: number;
  /** Hashes of the transactions that block 1 must open with, in order. */
  readonly bootstrap: readonly Hash[];
}

function checkBody(block: Block, rules: BlockRules): string | undefined {
  const { header, transactions } = block;
  if (transactions.length > rules.maxTxs)
    return `${transactions.length} transactions, at most ${rules.maxTxs}`;
  const bytes = encodeBlock(wireOf(block)).length;
  if (bytes > rules.maxBlockBytes) return `${bytes} bytes, at most ${rules.maxBlockBytes}`;
  if (header.number !== 1) return undefined;
  const missing = rules.bootstrap.findIndex((hash, index) => transactions[index]?.hash !== hash);
  return missing === -1 ? undefined : `bootstrap transaction ${missing} is not in its place`;
}

type Advertised = Pick<
  Header,
  "transactionsRoot" | "receiptsRoot" | "gasUsed" | "logsBloom" | "stateRoot" | "blobGasUsed"
>;

function compare(header: Advertised, executed: Extract<Executed, { kind: "executed" }>): string | undefined {
  const { outcome, batch } = executed;
  if (header.transactionsRoot !== outcome.transactionsRoot) return "transactions root differs";
  if (header.gasUsed !== outcome.gasUsed) return `gas used is ${outcome.gasUsed}, not ${header.gasUsed}`;
  if ((header.blobGasUsed ?? 0n) !== outcome.blobGasUsed) return `blob gas used is ${outcome.blobGasUsed}`;
  if (header.receiptsRoot !== outcome.receiptsRoot) return "receipts root differs";
  if (!equalBytes(header.logsBloom, outcome.logsBloom)) return "logs bloom differs";
  return header.stateRoot === batch.root ? undefined : `state root is ${batch.root}, not ${header.stateRoot}`;
}

export type Validation =
  | { readonly kind: "valid"; readonly snapshot: Snapshot }
  | { readonly kind: "invalid"; readonly reason: string };

/** Whether `block` is a valid child of `parent`; the same answer on every node. `inputs`: local chain only. */
export async function validateBlock(
  ledger: LedgerView,
  executor: BlockExecutor,
  rules: BlockRules,
  parent: ParentView,
  block: Block,
  prevRandao: Hash,
  inputs: BlockInputs | undefined,
): Promise<Validation> {
  const context = { parent: parent.header, parentHash: parent.hash, prevRandao, inputs };
  const broken = checkHeader(block.header, context, rules) ?? checkBody(block, rules);
  if (broken !== undefined) return { kind: "invalid", reason: broken };
  const executed = await executeBlock(ledger, executor, parent, block, inputs);
  if (executed.kind === "rejected") return { kind: "invalid", reason: executed.reason };
  const different = compare(block.header, executed);
  if (different !== undefined) return { kind: "invalid", reason: different };
  const { outcome, batch } = executed;
  return { kind: "valid", snapshot: { block, batch, outcome, inputs, persisted: false } };
}
