// Builds a block on a parent: bootstrap transactions first, then the pool's best, executed on an overlay and sealed
// under their root. Stops at the deadline and proposes what it has. Does not decide whose turn it is.
import { headerHash } from "#crypto/digest.ts";
import { blobBaseFee, nextGasLimit } from "#execution/fees.ts";
import { TRANSACTION_GAS } from "#execution/intrinsic.ts";
import { blobScheduleOf, forkOf } from "#execution/rules.ts";
import type { BlockExecution, BlockExecutor } from "#execution/types.ts";
import { KoraError } from "#lib/error.ts";
import { type Block, encodeBlock } from "#types/block.ts";
import { type Header, ZERO_NONCE } from "#types/header.ts";
import { type Address, EMPTY_OMMERS_HASH, type Hash, height, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { openBlock, prepareBatch } from "./execute.ts";
import { type ConsensusPosition, encodePosition, forkFields, nextPrices } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import type { LedgerView, ParentView } from "./ledger.ts";
import type { ProposalContext, Snapshot } from "./ports.ts";
import type { BlockRules } from "./validate.ts";

/** RLP bytes around a transaction in a body, at most. */
const TRANSACTION_OVERHEAD_BYTES = 4;
/** What an empty block may still grow by: list prefixes, gas used and blob gas used. */
const SEALING_BYTES = 24;

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
  request: Omit<ProposalRequest, "context"> & {
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

/** Bytes and places left in a block. */
class Room {
  #bytes: number;
  #places: number;

  constructor(header: Header, rules: BlockRules) {
    this.#bytes = rules.maxBlockBytes - encodeBlock({ header, transactions: [] }).length - SEALING_BYTES;
    this.#places = rules.maxTxs;
  }

  get isFull(): boolean {
    return this.#places === 0;
  }

  fits(transaction: SignedTransaction): boolean {
    return transaction.raw.length + TRANSACTION_OVERHEAD_BYTES <= this.#bytes;
  }

  take(transaction: SignedTransaction): void {
    this.#bytes -= transaction.raw.length + TRANSACTION_OVERHEAD_BYTES;
    this.#places--;
  }
}

async function applyBootstrap(
  execution: BlockExecution,
  transactions: readonly SignedTransaction[],
  room: Room,
): Promise<void> {
  for (const [index, transaction] of transactions.entries()) {
    const result = await execution.apply(transaction);
    if (result.kind === "rejected") {
      throw new KoraError(`bootstrap transaction ${index} cannot be executed`, {
        code: "BOOTSTRAP_REJECTED",
        kind: "usage",
        why: result.rejection.message,
        hint: "correct the bootstrap transactions or the genesis accounts they spend from",
      });
    }
    room.take(transaction);
  }
}

async function applyFromPool(
  options: BuilderOptions,
  request: ProposalRequest,
  header: Header,
  execution: BlockExecution,
  room: Room,
): Promise<void> {
  const { ledger, rules } = options;
  const fork = forkOf(rules.chain, header.number, header.timestamp);
  const schedule = blobScheduleOf(rules.chain, fork);
  const selection = ledger.mempool.select({
    baseFeePerGas: header.baseFeePerGas ?? 0n,
    blobBaseFee: fork.cancun ? blobBaseFee(header.excessBlobGas ?? 0n, schedule) : 0n,
    inFlight: ledger.inFlight(request.parent.hash),
  });
  while (!room.isFull && execution.gasLeft >= TRANSACTION_GAS && !request.context.expired()) {
    const transaction = selection.next();
    if (transaction === undefined) return;
    const fits = room.fits(transaction) && transaction.tx.gasLimit <= execution.gasLeft;
    if (fits && (await execution.apply(transaction)).kind === "included") room.take(transaction);
    else selection.skip(transaction.sender);
  }
}

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
      const room = new Room(draft, rules);
      if (draft.number === 1) await applyBootstrap(execution, bootstrap, room);
      if (context.empty !== true) await applyFromPool(options, request, draft, execution, room);
      const outcome = await execution.finish();
      const batch = prepareBatch(ledger, parent, draft, outcome);
      const { transactionsRoot, receiptsRoot, gasUsed, logsBloom, blobGasUsed, transactions } = outcome;
      const header: Header = {
        ...draft,
        stateRoot: batch.root,
        transactionsRoot,
        receiptsRoot,
        gasUsed,
        logsBloom,
        ...(draft.blobGasUsed !== undefined && { blobGasUsed }),
      };
      const block: Block = { header, hash: headerHash(header), transactions };
      return { block, batch, outcome, inputs, persisted: false };
    },
  };
}
