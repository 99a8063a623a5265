// eth_: transactions and receipts by hash or place, and submission of signed ones.
import { toHex } from "#lib/bytes.ts";
import type { Block } from "#types/block.ts";
import type { Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { withBlock } from "./blocks.ts";
import { type JsonObject, placeIn, receiptJson, transactionJson } from "./encode.ts";
import { RpcError, SYNC_TIMEOUT, serverError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import { type Methods, method, overlapping } from "./method.ts";
import {
  type Arguments,
  addressOf,
  type BlockRef,
  blockNumber,
  data,
  hashOf,
  hexOrDecimal,
  index,
  quantity64,
} from "./params.ts";
import type { ChainPort, FinalizedBlock, PoolPort } from "./ports.ts";

interface Found {
  readonly block: Block;
  readonly index: number;
  readonly transaction: SignedTransaction;
}

function find(chain: ChainPort, hash: Hash): Found | undefined {
  const at = chain.transaction(hash);
  const block = at === undefined ? undefined : chain.block(at.height);
  const transaction = at === undefined ? undefined : block?.transactions[at.index];
  return at && block && transaction && { block, index: at.index, transaction };
}

const foundJson = (found: Found): JsonObject =>
  transactionJson(found.transaction, {
    ...placeIn(found.block.header, found.block.hash),
    index: found.index,
  });

/** The receipt of a finalized transaction; null when there is none. */
export function receiptOf(chain: ChainPort, hash: Hash): JsonObject | null {
  const found = find(chain, hash);
  const receipts = found === undefined ? undefined : chain.receipts(found.block.header.number);
  const receipt = found === undefined ? undefined : receipts?.[found.index];
  if (found === undefined || receipts === undefined || receipt === undefined) return null;
  let firstLog = 0;
  for (let before = 0; before < found.index; before++) firstLog += receipts[before]?.logs.length ?? 0;
  return receiptJson(found.block, found.transaction, found.index, receipt, firstLog);
}

/** A transaction by hash, from a block or from the pool; null when neither has it. */
export function transactionByHash(chain: ChainPort, pool: PoolPort, hash: Hash): JsonObject | null {
  const found = find(chain, hash);
  if (found !== undefined) return foundJson(found);
  const waiting = pool.get(hash);
  return waiting === undefined ? null : transactionJson(waiting, undefined);
}

function atPlace(chain: ChainPort, ref: BlockRef, position: number): unknown {
  return withBlock(chain, ref, (block) => {
    const transaction = block?.transactions[position];
    if (block === undefined || transaction === undefined) return null;
    if (block.hash === undefined) return transactionJson(transaction, undefined);
    return transactionJson(transaction, { ...placeIn(block.header, block.hash), index: position });
  });
}

function rawAtPlace(chain: ChainPort, ref: BlockRef, position: number): unknown {
  return withBlock(chain, ref, (block) => {
    const transaction = block?.transactions[position];
    return transaction === undefined ? "0x" : toHex(transaction.raw);
  });
}

async function submit(pool: PoolPort, args: Arguments): Promise<Hash> {
  const answer = await pool.submit(args.required(0, data));
  if (answer.kind === "rejected") throw serverError(answer.message);
  return answer.hash;
}

/** Calls back when the transaction is in a final block; the result ends it. */
type Awaiting = (hash: Hash, call: () => void) => () => void;

/** Of those who wait, a block wakes only whom it concerns. Listens while anybody waits. */
function createAwaiting(chain: ChainPort): Awaiting {
  const waiting = new Map<Hash, Set<() => void>>();
  let stop: (() => void) | undefined;
  const look = ({ block }: FinalizedBlock): void => {
    for (const { hash } of block.transactions) for (const call of [...(waiting.get(hash) ?? [])]) call();
  };
  return (hash, call) => {
    const calls = waiting.get(hash) ?? new Set();
    waiting.set(hash, calls.add(call));
    stop ??= chain.onFinalized(look);
    return () => {
      calls.delete(call);
      if (calls.size === 0) waiting.delete(hash);
      if (waiting.size > 0) return;
      stop?.();
      stop = undefined;
    };
  };
}

interface ReceiptWait {
  readonly chain: ChainPort;
  readonly awaiting: Awaiting;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Resolves with the receipt once it exists; rejects with code 4 after the timeout (EIP-7966). */
function awaitReceipt({ chain, awaiting, timeout }: ReceiptWait, hash: Hash): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      stop();
    };
    const look = (): void => {
      const receipt = receiptOf(chain, hash);
      if (receipt === null) return;
      finish();
      resolve(receipt);
    };
    const stop = awaiting(hash, look);
    const timer = setTimeout(() => {
      finish();
      const what = "the transaction was added to the pool but was not included in time";
      reject(new RpcError(SYNC_TIMEOUT, what, hash));
    }, timeout);
    look();
  });
}

export function ethTransactionMethods(chain: ChainPort, pool: PoolPort, limits: RpcLimits): Methods {
  const hashBlock = (args: Arguments): BlockRef => ({ kind: "hash", hash: args.required(0, hashOf) });
  const numberBlock = (args: Arguments): BlockRef => args.required(0, blockNumber);
  const awaiting = createAwaiting(chain);
  const position = (args: Arguments): number => args.required(1, index);
  return {
    eth_getTransactionByHash: method(1, (args) => transactionByHash(chain, pool, args.required(0, hashOf))),
    eth_getTransactionReceipt: method(1, (args) => receiptOf(chain, args.required(0, hashOf))),
    eth_getTransactionByBlockHashAndIndex: method(2, (args) =>
      atPlace(chain, hashBlock(args), position(args)),
    ),
    eth_getTransactionByBlockNumberAndIndex: method(2, (args) =>
      atPlace(chain, numberBlock(args), position(args)),
    ),
    eth_getRawTransactionByBlockHashAndIndex: method(2, (args) =>
      rawAtPlace(chain, hashBlock(args), position(args)),
    ),
    eth_getRawTransactionByBlockNumberAndIndex: method(2, (args) =>
      rawAtPlace(chain, numberBlock(args), position(args)),
    ),
    eth_getRawTransactionByHash: method(1, (args) => {
      const hash = args.required(0, hashOf);
      const transaction = find(chain, hash)?.transaction ?? pool.get(hash);
      return transaction === undefined ? "0x" : toHex(transaction.raw);
    }),
    eth_getTransactionBySenderAndNonce: method(2, (args) => {
      const sender = args.required(0, addressOf);
      const nonce = args.required(1, quantity64);
      const hash = chain.transactionBySender(sender, nonce);
      if (hash !== undefined) return transactionByHash(chain, pool, hash);
      const { pending, queued } = pool.contentFrom(sender);
      const waiting = [...pending, ...queued].find((transaction) => transaction.tx.nonce === nonce);
      return waiting === undefined ? null : transactionJson(waiting, undefined);
    }),
    // Each is pooled when it is started, in the order of the batch: one block takes what was sent together.
    eth_sendRawTransaction: overlapping(1, (args) => submit(pool, args)),
    eth_sendRawTransactionSync: method(2, async (args) => {
      const wanted = args.optional(1, hexOrDecimal) ?? limits.syncTimeout;
      const timeout = Math.min(wanted, limits.syncTimeout);
      return awaitReceipt({ chain, awaiting, timeout }, await submit(pool, args));
    }),
  };
}
