// eth_: fee suggestions and history, computed from the blocks themselves.
import { createLru } from "#lib/bounded.ts";
import type { Block } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import { type Hash, type Height, height } from "#types/ids.ts";
import type { Transaction } from "#types/transaction.ts";
import { heightOf } from "./blocks.ts";
import { toQuantity } from "./encode.ts";
import { invalidParams, serverError } from "./errors.ts";
import { MAX_FEE_HISTORY, MAX_FEE_PERCENTILES } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, type BlockRef, blockNumber, hexOrDecimal, listOf } from "./params.ts";
import type { ChainPort, UnfinalizedBlock } from "./ports.ts";
import { createPause } from "./slice.ts";

/** Blocks a tip suggestion looks at (geth's). */
const TIP_BLOCKS = 20;
/** Lowest tips taken from each block (geth's). */
const TIPS_PER_BLOCK = 3;
/** Tips below this many wei do not count (geth's). */
const IGNORED_TIP = 2n;
/** Percentile of the tips that is suggested (geth's). */
const TIP_PERCENTILE = 60;
/** Suggested on a chain without transactions: 1 gwei, as anvil does. */
const DEFAULT_TIP = 1_000_000_000n;

/** No more is suggested, whatever one sender paid on a quiet chain: 500 gwei (geth's). */
const MAX_TIP = 500_000_000_000n;

/** Wei per gas that a transaction gives the block's producer. */
function tipOf(tx: Transaction, baseFee: bigint): bigint {
  if (tx.type === 0 || tx.type === 1) return tx.gasPrice - baseFee;
  const room = tx.maxFeePerGas - baseFee;
  if (room < tx.maxPriorityFeePerGas) return room;
  return tx.maxPriorityFeePerGas;
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

interface BlockTips {
  readonly parentHash: Hash;
  readonly lowest: readonly bigint[];
}

function tipsOf(block: Block): BlockTips {
  const { baseFeePerGas = 0n, parentHash, coinbase } = block.header;
  const tips = block.transactions
    // What a producer gives itself costs it nothing, and says nothing about prices.
    .filter(({ sender }) => sender !== coinbase)
    .map(({ tx }) => tipOf(tx, baseFeePerGas))
    .filter((tip) => tip >= IGNORED_TIP);
  return { parentHash, lowest: tips.sort(ascending).slice(0, TIPS_PER_BLOCK) };
}

/** Suggests a tip from the last blocks; remembers the answer for its head, and of each block what matters. */
export function createTipOracle(chain: ChainPort): () => bigint {
  const remembered = createLru<Hash, BlockTips>(4 * TIP_BLOCKS);
  let known: { readonly head: string; readonly tip: bigint } | undefined;
  return () => {
    const head = chain.head();
    if (known?.head === head.hash) return known.tip;
    const tips: bigint[] = [];
    let hash = head.hash;
    for (let back = 0; back < TIP_BLOCKS && back <= head.header.number; back++) {
      let found = remembered.get(hash);
      if (found === undefined) {
        const block = chain.block(height(head.header.number - back));
        if (block === undefined) break;
        found = tipsOf(block);
        remembered.set(block.hash, found);
      }
      tips.push(...found.lowest);
      hash = found.parentHash;
    }
    tips.sort(ascending);
    const seen = tips[Math.floor(((tips.length - 1) * TIP_PERCENTILE) / 100)] ?? DEFAULT_TIP;
    const tip = seen < MAX_TIP ? seen : MAX_TIP;
    known = { head: head.hash, tip };
    return tip;
  };
}

/** Tips at the given percentiles of the block's gas. */
function rewards(block: UnfinalizedBlock, percentiles: readonly number[]): bigint[] {
  const { receipts } = block;
  const baseFee = block.header.baseFeePerGas ?? 0n;
  const sorted = block.transactions
    .map(({ tx }, index) => ({ tip: tipOf(tx, baseFee), gas: receipts[index]?.gasUsed ?? 0n }))
    .sort((a, b) => ascending(a.tip, b.tip));
  const used = Number(block.header.gasUsed);
  let at = 0;
  let sum = Number(sorted[0]?.gas ?? 0n);
  return percentiles.map((percentile) => {
    // A whole number of gas, as geth has it.
    const threshold = Math.floor((used * percentile) / 100);
    while (sum < threshold && at < sorted.length - 1) {
      at++;
      sum += Number(sorted[at]?.gas ?? 0n);
    }
    return sorted[at]?.tip ?? 0n;
  });
}

const percentile = (value: unknown): number => {
  if (typeof value !== "number") throw invalidParams("invalid reward percentile: not a number");
  if (!(value >= 0 && value <= 100)) throw invalidParams(`invalid reward percentile: ${value}`);
  return value;
};

function percentilesOf(args: Arguments): readonly number[] {
  const list = args.optional(2, listOf(percentile, MAX_FEE_PERCENTILES)) ?? [];
  for (let i = 1; i < list.length; i++) {
    const [before, here] = [list[i - 1] ?? 0, list[i] ?? 0];
    if (here <= before)
      throw invalidParams(`invalid reward percentile: #${i - 1}:${before} >= #${i}:${here}`);
  }
  return list;
}

/** Blocks whose fees are told, by height, and the header after the newest of them. */
interface FeeBlocks {
  readonly newest: number;
  /** `whole`: transactions and receipts are looked at too. */
  at(number: number, whole: boolean): UnfinalizedBlock | undefined;
  readonly next: Header | undefined;
}

function finalBlocks(chain: ChainPort, newest: Height): FeeBlocks {
  const head = chain.head().header.number;
  return {
    newest,
    at(number, whole) {
      const block = chain.block(height(number));
      const receipts = whole && block !== undefined ? chain.receipts(block.header.number) : undefined;
      return block && { ...block, receipts: receipts ?? [] };
    },
    next: newest >= head ? chain.nextHeader() : chain.block(height(newest + 1))?.header,
  };
}

/** Final blocks, and above them those that are pending. */
async function pendingBlocks(chain: ChainPort): Promise<FeeBlocks> {
  const pending = await chain.pending();
  const { base } = pending.view;
  const above: readonly UnfinalizedBlock[] = [...pending.ancestors, pending];
  const final = finalBlocks(chain, base);
  return {
    newest: base + above.length,
    at: (number, whole) => (number > base ? above[number - base - 1] : final.at(number, whole)),
    next: chain.nextHeader(pending.header),
  };
}

function beyondHead(chain: ChainPort, ref: BlockRef): string {
  const requested = ref.kind === "number" ? `requested ${ref.height}, ` : "";
  return `request beyond head block: ${requested}head ${chain.head().header.number}`;
}

async function feeBlocks(chain: ChainPort, ref: BlockRef): Promise<FeeBlocks> {
  if (ref.kind === "pending") return pendingBlocks(chain);
  const newest = heightOf(chain, ref);
  if (newest === undefined) throw serverError(beyondHead(chain, ref));
  return finalBlocks(chain, newest);
}

async function feeHistory(chain: ChainPort, args: Arguments): Promise<unknown> {
  const wanted = Math.min(args.required(0, hexOrDecimal), MAX_FEE_HISTORY);
  const ref = args.required(1, blockNumber);
  const percentiles = percentilesOf(args);
  const blocks = await feeBlocks(chain, ref);
  const { newest, next } = blocks;
  const count = Math.min(wanted, newest + 1);
  if (count === 0) return { oldestBlock: "0x0", gasUsedRatio: [] };
  const oldest = newest - count + 1;
  const base: string[] = [];
  const blobBase: string[] = [];
  const ratios: number[] = [];
  const blobRatios: number[] = [];
  const reward: string[][] = [];
  const pause = createPause();
  for (let at = oldest; at <= newest; at++) {
    await pause();
    const block = blocks.at(at, percentiles.length > 0);
    if (block === undefined) throw serverError(`block ${at} is not held`);
    const { header } = block;
    const maxBlobGas = chain.maxBlobGas(header);
    base.push(toQuantity(header.baseFeePerGas ?? 0n));
    blobBase.push(toQuantity(chain.blobBaseFee(header)));
    ratios.push(Number(header.gasUsed) / Number(header.gasLimit));
    blobRatios.push(maxBlobGas === 0n ? 0 : Number(header.blobGasUsed ?? 0n) / Number(maxBlobGas));
    if (percentiles.length === 0) continue;
    reward.push(rewards(block, percentiles).map(toQuantity));
  }
  return {
    oldestBlock: toQuantity(oldest),
    baseFeePerGas: [...base, toQuantity(next?.baseFeePerGas ?? 0n)],
    gasUsedRatio: ratios,
    baseFeePerBlobGas: [...blobBase, toQuantity(next === undefined ? 0n : chain.blobBaseFee(next))],
    blobGasUsedRatio: blobRatios,
    ...(percentiles.length > 0 && { reward }),
  };
}

export function ethFeeMethods(chain: ChainPort, suggestTip: () => bigint): Methods {
  return {
    eth_gasPrice: method(0, () => toQuantity(suggestTip() + (chain.head().header.baseFeePerGas ?? 0n))),
    eth_maxPriorityFeePerGas: method(0, () => toQuantity(suggestTip())),
    eth_baseFee: method(0, () => toQuantity(chain.nextHeader().baseFeePerGas ?? 0n)),
    eth_blobBaseFee: method(0, () => toQuantity(chain.blobBaseFee(chain.nextHeader()))),
    eth_feeHistory: method(3, (args) => feeHistory(chain, args)),
  };
}
