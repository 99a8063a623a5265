// Fills an opened block: what it must begin with, then what was chosen from the pool, as far as gas, bytes and places
// reach. Proposals and the pending block share it. Does not choose an order and seals nothing.
import { blobBaseFee } from "#execution/fees.ts";
import { TRANSACTION_GAS } from "#execution/intrinsic.ts";
import { blobScheduleOf, forkOf } from "#execution/rules.ts";
import type { BlockExecution, ChainRules } from "#execution/types.ts";
import { KoraError } from "#lib/error.ts";
import { encodeBlock } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { Selection, SelectionLimits } from "./ports.ts";

/** RLP bytes around a transaction in a body, at most. */
const TRANSACTION_OVERHEAD_BYTES = 4;
/** What an empty block may still grow by: list prefixes, gas used and blob gas used. */
const SEALING_BYTES = 24;

/** What a block may hold. */
export interface BlockBounds {
  readonly maxBlockBytes: number;
  readonly maxTxs: number;
}

export interface Filling {
  readonly draft: Header;
  readonly bounds: BlockBounds;
  /** Opened bootstrap transactions of block 1; empty for every other block. */
  readonly opening: readonly SignedTransaction[];
  /** Undefined: nothing else. */
  readonly selection: Selection | undefined;
  /** Filling stops when it returns true. */
  readonly expired: () => boolean;
}

/** Bytes and places left in a block. */
class Room {
  #bytes: number;
  #places: number;

  constructor(header: Header, { maxBlockBytes, maxTxs }: BlockBounds) {
    this.#bytes = maxBlockBytes - encodeBlock({ header, transactions: [] }).length - SEALING_BYTES;
    this.#places = maxTxs;
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

async function applyOpening(
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

/** What the pool is asked for when `draft` is to be filled. */
export function selectionLimits(
  rules: ChainRules,
  draft: Header,
  inFlight: ReadonlySet<Hash>,
): SelectionLimits {
  const fork = forkOf(rules, draft.number, draft.timestamp);
  return {
    baseFeePerGas: draft.baseFeePerGas ?? 0n,
    blobBaseFee: fork.cancun ? blobBaseFee(draft.excessBlobGas ?? 0n, blobScheduleOf(rules, fork)) : 0n,
    inFlight,
  };
}

/** Applies what the block takes to `execution`. Throws BOOTSTRAP_REJECTED. */
export async function fillBlock(execution: BlockExecution, filling: Filling): Promise<void> {
  const { draft, bounds, opening, selection, expired } = filling;
  const room = new Room(draft, bounds);
  await applyOpening(execution, opening, room);
  if (selection === undefined) return;
  while (!room.isFull && execution.gasLeft >= TRANSACTION_GAS && !expired()) {
    const transaction = selection.next();
    if (transaction === undefined) return;
    const fits = room.fits(transaction) && transaction.tx.gasLimit <= execution.gasLeft;
    if (fits && (await execution.apply(transaction)).kind === "included") room.take(transaction);
    else selection.skip(transaction.sender);
  }
}
