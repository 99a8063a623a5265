// txpool_: what waits, by sender and nonce. Answers are as large as the pool's own bounds allow.
import type { Address } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { type JsonObject, toQuantity, transactionJson } from "./encode.ts";
import { responseTooLarge } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import { addressOf } from "./params.ts";
import type { PoolPort, PoolSection } from "./ports.ts";

type Show = (transaction: SignedTransaction) => unknown;

const whole: Show = (transaction) => transactionJson(transaction, undefined);

/** One line: receiver, value, gas and price (geth's form). */
const summary: Show = ({ tx }) => {
  const price = tx.type === 0 || tx.type === 1 ? tx.gasPrice : tx.maxFeePerGas;
  return `${tx.to ?? "contract creation"}: ${tx.value} wei + ${tx.gasLimit} gas × ${price} wei`;
};

function byNonce(transactions: readonly SignedTransaction[], show: Show): JsonObject {
  return Object.fromEntries(transactions.map((t) => [t.tx.nonce.toString(), show(t)]));
}

function bySender(section: PoolSection, show: Show): JsonObject {
  return Object.fromEntries([...section].map(([sender, list]) => [sender, byNonce(list, show)]));
}

function contentFrom(pool: PoolPort, sender: Address): JsonObject {
  const { pending, queued } = pool.contentFrom(sender);
  return { pending: byNonce(pending, whole), queued: byNonce(queued, whole) };
}

export function txpoolMethods(pool: PoolPort, limits: RpcLimits): Methods {
  const content = (show: Show): JsonObject => {
    const { pending, queued } = pool.content();
    return { pending: bySender(pending, show), queued: bySender(queued, show) };
  };
  /** Throws before an answer that is too large is put together: each byte takes two characters at least. */
  const checkSize = (): void => {
    if (2 * pool.status().bytes > limits.maxResponseBytes) throw responseTooLarge();
  };
  return {
    txpool_content: method(0, () => {
      checkSize();
      return content(whole);
    }),
    txpool_contentFrom: method(1, (args) => contentFrom(pool, args.required(0, addressOf))),
    txpool_inspect: method(0, () => content(summary)),
    txpool_status: method(0, () => {
      const { pending, queued } = pool.status();
      return { pending: toQuantity(pending), queued: toQuantity(queued) };
    }),
    eth_pendingTransactions: method(0, () => {
      checkSize();
      return [...pool.content().pending.values()].flat().map(whole);
    }),
  };
}
