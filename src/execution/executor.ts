// Executes blocks: the specification's BlockExecutor. Holds no chain state; each block gets a fresh World over the
// reader it is opened on, and a machine (an EVM) of its fork that goes back to the shelf when the block is done.
import { assert } from "#lib/assert.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { encodeReceipt, type Receipt } from "#types/receipt.ts";
import {
  accessListOf,
  authorizationsOf,
  blobHashesOf,
  effectiveGasPrice,
  feeCapOf,
  type SignedTransaction,
  tipCapOf,
} from "#types/transaction.ts";
import { BLOOM_BYTES, type Blooms, createBlooms, mergeBloom } from "./bloom.ts";
import { blobBaseFee, GAS_PER_BLOB } from "./fees.ts";
import { createMachineShelf, type MachineShelf } from "./machine.ts";
import { blobScheduleOf, forkOf } from "./rules.ts";
import { applyInputs, applyWithdrawals, beginBlock, collectRequests } from "./system.ts";
import { applyMessage, type MessageOutcome, type Site } from "./transition.ts";
import { orderedTrieRoot } from "./tries.ts";
import type {
  BlockEnv,
  BlockExecution,
  BlockExecutor,
  ChainRules,
  ExecutionOutcome,
  TransactionOutcome,
} from "./types.ts";
import { type Accepted, type BlockSituation, validateTransaction } from "./validate.ts";
import { World } from "./world.ts";

/** Turns anything thrown below into our own fault: an EVM's halts are values and never get here. */
function ourFault(thrown: unknown): KoraError {
  if (thrown instanceof KoraError) return thrown;
  return new KoraError(`execution failed: ${messageOf(thrown)}`, {
    code: "EXECUTION_FAILED",
    hint: "this is a defect in Kora: please report it with the log",
    cause: thrown,
  });
}

/** A block in progress. */
class Execution implements BlockExecution {
  readonly #site: Site;
  readonly #situation: BlockSituation;
  readonly #shelf: MachineShelf;
  readonly #blooms: Blooms;
  readonly #transactions: SignedTransaction[] = [];
  readonly #receipts: Receipt[] = [];
  readonly #logsBloom = new Uint8Array(BLOOM_BYTES);
  #gasUsed = 0n;
  #blobGasUsed = 0n;
  #state: "idle" | "busy" | "over" = "idle";

  constructor(site: Site, situation: BlockSituation, shelf: MachineShelf, blooms: Blooms) {
    this.#site = site;
    this.#situation = situation;
    this.#shelf = shelf;
    this.#blooms = blooms;
  }

  get gasUsed(): bigint {
    return this.#gasUsed;
  }

  get gasLeft(): bigint {
    return this.#site.env.gasLimit - this.#gasUsed;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    assert(this.#state === "idle", "calls into a block's execution are sequential and end with finish");
    this.#state = "busy";
    try {
      const result = await work();
      this.#state = "idle";
      return result;
    } catch (thrown) {
      this.#state = "over";
      throw ourFault(thrown);
    }
  }

  async apply(transaction: SignedTransaction): Promise<TransactionOutcome> {
    return this.#exclusively(async () => {
      const { blobs } = this.#situation;
      const verdict = validateTransaction(this.#site.world, transaction, {
        ...this.#situation,
        gasLeft: this.gasLeft,
        blobGasLeft: BigInt(blobs.max) * GAS_PER_BLOB - this.#blobGasUsed,
      });
      if ("code" in verdict) return { kind: "rejected", rejection: verdict };
      return { kind: "included", receipt: await this.#include(transaction, verdict) };
    });
  }

  async #include(transaction: SignedTransaction, accepted: Accepted): Promise<Receipt> {
    const { tx, sender } = transaction;
    const { env } = this.#site;
    const gasPrice = effectiveGasPrice(feeCapOf(tx), tipCapOf(tx), env.baseFeePerGas);
    const outcome = await applyMessage(this.#site, {
      sender,
      to: tx.to,
      value: tx.value,
      data: tx.data,
      gasLimit: tx.gasLimit,
      gasPrice,
      blobFee: accepted.blobGas * this.#situation.blobBaseFee,
      accessList: accessListOf(tx),
      blobVersionedHashes: blobHashesOf(tx),
      authorizationList: authorizationsOf(tx),
      intrinsic: accepted.intrinsic,
    });
    this.#gasUsed += outcome.gasUsed;
    this.#blobGasUsed += accepted.blobGas;
    const receipt = this.#receiptOf(transaction, outcome, gasPrice, accepted.blobGas);
    this.#transactions.push(transaction);
    this.#receipts.push(receipt);
    return receipt;
  }

  #receiptOf(
    { tx }: SignedTransaction,
    outcome: MessageOutcome,
    effectiveGasPrice: bigint,
    blobGasUsed: bigint,
  ): Receipt {
    const logsBloom = new Uint8Array(BLOOM_BYTES);
    if (outcome.logs.length > 0) {
      this.#blooms.add(logsBloom, outcome.logs);
      mergeBloom(this.#logsBloom, logsBloom);
    }
    return {
      type: tx.type,
      status: outcome.ending.status === "success",
      cumulativeGasUsed: this.#gasUsed,
      logsBloom,
      logs: outcome.logs,
      gasUsed: outcome.gasUsed,
      effectiveGasPrice,
      ...(outcome.contractAddress !== undefined && { contractAddress: outcome.contractAddress }),
      ...(tx.type === 3 && { blobGasUsed, blobGasPrice: this.#situation.blobBaseFee }),
    };
  }

  async finish(): Promise<ExecutionOutcome> {
    return this.#exclusively(async () => {
      const { env, world, fork, machine } = this.#site;
      const { rules } = this.#situation;
      if (fork.shanghai && env.withdrawals !== undefined) applyWithdrawals(this.#site, env.withdrawals);
      const collects = fork.prague && rules.requests === true;
      const requests = collects ? await collectRequests(this.#site, this.#receipts) : [];
      this.#shelf.giveBack(fork, machine);
      return {
        changes: world.changes(),
        transactions: this.#transactions,
        receipts: this.#receipts,
        gasUsed: this.#gasUsed,
        blobGasUsed: this.#blobGasUsed,
        logsBloom: this.#logsBloom,
        transactionsRoot: orderedTrieRoot(this.#transactions.map(({ raw }) => raw)),
        receiptsRoot: orderedTrieRoot(this.#receipts.map(encodeReceipt)),
        requests,
      };
    }).finally(() => {
      this.#state = "over";
    });
  }
}

/** The executor over @ethereumjs/evm: the specification's RevmExecutor on this language's EVM. */
export interface EvmExecutor extends BlockExecutor {
  /** What it executes by. */
  readonly rules: ChainRules;
}

/** Executes blocks under `rules`. */
export function createExecutor(rules: ChainRules): EvmExecutor {
  const shelf = createMachineShelf(rules);
  const blooms = createBlooms();
  return {
    rules,
    async open(state, env, hashes, inputs = []) {
      try {
        const fork = forkOf(rules, env.number, env.timestamp);
        const machine = shelf.take(fork);
        const world = new World(state, machine.precompiles);
        machine.attach(world, env, hashes);
        const site: Site = { machine, world, fork, env, chainId: rules.chainId };
        await beginBlock(site);
        if (inputs.length > 0) applyInputs(world, inputs);
        return new Execution(site, situationOf(rules, site, env), shelf, blooms);
      } catch (thrown) {
        throw ourFault(thrown);
      }
    },
  };
}

function situationOf(rules: ChainRules, { fork }: Site, env: BlockEnv): BlockSituation {
  const blobs = blobScheduleOf(rules, fork);
  return {
    fork,
    rules,
    blobs,
    baseFeePerGas: env.baseFeePerGas,
    blobBaseFee: fork.cancun ? blobBaseFee(env.excessBlobGas, blobs) : 0n,
    gasLeft: env.gasLimit,
    blobGasLeft: BigInt(blobs.max) * GAS_PER_BLOB,
  };
}
