// What a block leaves in the indexes: a function of seed and height.

import type { IndexRows, LogRow, TransactionRow } from "#state/types.ts";
import { type Hash, hash } from "#types/ids.ts";
import { createRng } from "../../support/rng.ts";
import { addressAt } from "../model.ts";

const SPAN = 9;
const TRANSFER = hash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/** Transactions of a few senders, most with a transfer of a token. */
export function blockRows(seed: number, at: number): IndexRows {
  const rng = createRng(seed + at);
  const word = (): Hash => hash(`0x${"0".repeat(24)}${addressAt(rng.below(SPAN)).slice(2)}`);
  const transactions: TransactionRow[] = [];
  const logs: LogRow[] = [];
  for (let index = 0; index < 3 + rng.below(4); index++) {
    const sender = addressAt(rng.below(SPAN));
    const nonce = BigInt(at * 8 + index);
    transactions.push({
      hash: hash(rng.bytes(32)),
      sender,
      to: addressAt(rng.below(SPAN)),
      created: undefined,
      nonce,
    });
    if (rng.chance(0.2)) continue;
    const address = addressAt(100 + rng.below(2));
    logs.push({
      transactionIndex: index,
      logIndex: logs.length,
      address,
      topics: [TRANSFER, word(), word()],
    });
  }
  return { transactions, logs };
}
