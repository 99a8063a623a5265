// Builds a block on a parent: bootstrap transactions first, then the pool's best, executed on an overlay and sealed
// under their root. Stops at the deadline and proposes what it has. Does not decide whose turn it is.
import { headerHash } from "#crypto/digest.ts";
import { nextGasLimit } from "#execution/fees.ts";
import { forkOf } from "#execution/rules.ts";
import type { BlockExecutor, ExecutionOutcome } from "#execution/types.ts";
import type { Block } from "#types/block.ts";
import { type Header, ZERO_NONCE } from "#types/header.ts";
import { type Address, EMPTY_OMMERS_HASH, type Hash, height, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { openBlock, prepareBatch } from "./execute.ts";
import { fillBlock, selectionLimits } from "./fill.ts";
import { type ConsensusPosition, encodePosition, forkFields, nextPrices } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, ParentView, Tip } from "./ledger.ts";
import type { ProposalContext, Snapshot } from "./ports.ts";
import type { BlockRules } from "./validate.ts";

/** What a leader chooses freely. */
export interface LeaderSettings {
  /** Coinbase of its blocks. */
  readonly feeRecipient: Address;
  /** The gas limit it moves blocks towards. */
  readonly gasLimit: bigint;
}

/** Builds blocks. The specification's fields, and the rules a block must keep. */
export interface ProposalBuilder {
  readonly state: LedgerView["state"];
  readonly mempool: LedgerView["mempool"];
  readonly executor: BlockExecutor;
  readonly maxTxs: number;
  build(request: ProposalRequest): Promise<Snapshot>;
}

export interface ProposalRequest {
  readonly parent: ParentView;
  readonly context: ProposalContext;
  readonly prevRandao: Hash;
  readonly inputs: BlockInputs | undefined;
}

interface BuilderOptions {
  readonly ledger: LedgerView;
  readonly executor: BlockExecutor;
  readonly rules: BlockRules;
  readonly settings: () => LeaderSettings;
  /** Opened bootstrap transactions of block 1. */
  readonly bootstrap: readonly SignedTransaction[];
}

/** The header before execution: roots and sums are filled when it is sealed. */
export function draftHeader(
  options: Pick<BuilderOptions, "rules" | "settings">,
  request: Pick<ProposalRequest, "prevRandao" | "inputs"> & {
    readonly parent: Tip;
    readonly context: ConsensusPosition & { readonly now: number };
  },
): Header {
  const { rules, settings } = options;
  const { parent, context, inputs } = request;
  const earliest = parent.header.timestamp + (rules.dev ? 1 : 0);
  const timestamp = inputs?.timestamp ?? Math.max(context.now, earliest);
  const number = height(parent.header.number + 1);
  const prices = nextPrices(parent.header, timestamp, rules.chain, inputs);
  const { feeRecipient, gasLimit } = settings();
  return {
    parentHash: parent.hash,
    ommersHash: EMPTY_OMMERS_HASH,
    coinbase: inputs?.coinbase ?? feeRecipient,
    stateRoot: ZERO_HASH,
    transactionsRoot: ZERO_HASH,
    receiptsRoot: ZERO_HASH,
    logsBloom: new Uint8Array(256),
    difficulty: 0n,
    number,
    gasLimit: inputs?.gasLimit ?? nextGasLimit(parent.header.gasLimit, gasLimit),
    gasUsed: 0n,
    timestamp,
    extraData: encodePosition(context),
    mixHash: inputs?.prevRandao ?? request.prevRandao,
    nonce: ZERO_NONCE,
    ...forkFields(forkOf(rules.chain, number, timestamp), { ...prices, blobGasUsed: 0n }),
  };
}

/** What execution adds to a draft; the state root is the caller's to fill. */
export function sealedHeader(draft: Header, outcome: Sealing): Header {
  const { transactionsRoot, receiptsRoot, gasUsed, logsBloom, blobGasUsed } = outcome;
  return {
    ...draft,
    transactionsRoot,
    receiptsRoot,
    gasUsed,
    logsBloom,
    ...(draft.blobGasUsed !== undefined && { blobGasUsed }),
  };
}

type Sealing = Pick<
  ExecutionOutcome,
  "transactionsRoot" | "receiptsRoot" | "gasUsed" | "logsBloom" | "blobGasUsed"
>;

/** A builder of blocks for one ledger. */
export function createProposalBuilder(options: BuilderOptions): ProposalBuilder {
  const { ledger, executor, rules, bootstrap } = options;
  return {
    state: ledger.state,
    mempool: ledger.mempool,
    executor,
    maxTxs: rules.maxTxs,
    async build(request) {
      const { parent, inputs, context } = request;
      const draft = draftHeader(options, request);
      const execution = await openBlock(ledger, executor, parent, draft, inputs);
      await fillBlock(execution, {
        draft,
        bounds: rules,
        opening: draft.number === 1 ? bootstrap : [],
        selection:
          context.empty === true
            ? undefined
            : ledger.mempool.select(selectionLimits(rules.chain, draft, ledger.inFlight(parent.hash))),
        expired: context.expired,
      });
      const outcome = await execution.finish();
      const batch = prepareBatch(ledger, parent, draft, outcome);
      const header = { ...sealedHeader(draft, outcome), stateRoot: batch.root };
      const block: Block = { header, hash: headerHash(header), transactions: outcome.transactions };
      return { block, batch, outcome, inputs, persisted: false };
    },
  };
}
