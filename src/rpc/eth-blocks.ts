// eth_: blocks, headers, uncles (never any) and counts.
import { heightOf, withBlock } from "./blocks.ts";
import { type BlockParts, blockJson, headerJson, JsonText, receiptJson, toQuantity } from "./encode.ts";
import { responseTooLarge } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, type BlockRef, blockNumber, blockRef, boolean, hashOf, index } from "./params.ts";
import type { ChainPort } from "./ports.ts";
import { createPause } from "./slice.ts";

const byHash = (args: Arguments): BlockRef => ({ kind: "hash", hash: args.required(0, hashOf) });
const byNumber = (args: Arguments): BlockRef => args.required(0, blockNumber);

/**
 * Receipts of a block in order; null when there is no such block. Written one by one, since those of a full block may
 * take the loop a third of a second.
 */
async function blockReceipts(
  chain: ChainPort,
  ref: BlockRef,
  maxCharacters: number,
): Promise<JsonText | null> {
  if (ref.kind === "pending") return null;
  const height = heightOf(chain, ref);
  const block = height === undefined ? undefined : chain.block(height);
  const receipts = height === undefined ? undefined : chain.receipts(height);
  if (block === undefined || receipts === undefined) return null;
  const written: string[] = [];
  let firstLog = 0;
  let characters = 0;
  const pause = createPause();
  for (const [position, receipt] of receipts.entries()) {
    const transaction = block.transactions[position];
    if (transaction === undefined) break;
    await pause();
    const json = JSON.stringify(receiptJson(block, transaction, position, receipt, firstLog));
    firstLog += receipt.logs.length;
    characters += json.length + 1;
    if (characters > maxCharacters) throw responseTooLarge();
    written.push(json);
  }
  return new JsonText(`[${written.join(",")}]`);
}

export function ethBlockMethods(chain: ChainPort, { maxResponseBytes }: RpcLimits): Methods {
  /** Of the block, or null where there is none such. */
  const of = (ref: BlockRef, read: (block: BlockParts) => unknown): unknown =>
    withBlock(chain, ref, (block) => (block === undefined ? null : read(block)));
  const block = (ref: BlockRef, full: boolean): unknown => of(ref, (found) => blockJson(found, full));
  const header = (ref: BlockRef): unknown => of(ref, headerJson);
  const count = (ref: BlockRef): unknown => of(ref, (found) => toQuantity(found.transactions.length));
  const uncles = (ref: BlockRef): unknown => of(ref, () => "0x0");
  const noUncle = (args: Arguments): null => {
    args.required(1, index);
    return null;
  };
  const full = (args: Arguments): boolean => args.optional(1, boolean) ?? false;
  return {
    eth_blockNumber: method(0, () => toQuantity(chain.head().header.number)),
    eth_getBlockByNumber: method(2, (args) => block(byNumber(args), full(args))),
    eth_getBlockByHash: method(2, (args) => block(byHash(args), full(args))),
    eth_getHeaderByNumber: method(1, (args) => header(byNumber(args))),
    eth_getHeaderByHash: method(1, (args) => header(byHash(args))),
    eth_getBlockReceipts: method(1, (args) =>
      blockReceipts(chain, args.required(0, blockRef), maxResponseBytes),
    ),
    eth_getBlockTransactionCountByNumber: method(1, (args) => count(byNumber(args))),
    eth_getBlockTransactionCountByHash: method(1, (args) => count(byHash(args))),
    eth_getUncleCountByBlockNumber: method(1, (args) => uncles(byNumber(args))),
    eth_getUncleCountByBlockHash: method(1, (args) => uncles(byHash(args))),
    eth_getUncleByBlockNumberAndIndex: method(2, (args) => byNumber(args) && noUncle(args)),
    eth_getUncleByBlockHashAndIndex: method(2, (args) => byHash(args) && noUncle(args)),
  };
}
