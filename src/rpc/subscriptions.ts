// Subscriptions of WebSocket connections: one listener on the chain and the pool, each event encoded once, sent to
// whoever asked. Knows connections as a sink for text; the server decides when a slow one is closed.

import type { LocatedLog } from "#chain/history.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { headerJson, locateLogs, logJson, transactionJson } from "./encode.ts";
import { METHOD_NOT_FOUND, RpcError, serverError } from "./errors.ts";
import { randomId } from "./filters.ts";
import type { RpcLimits } from "./limits.ts";
import { type LogCriteria, matches } from "./log-query.ts";
import type { FinalizedBlock, RpcPorts } from "./ports.ts";

export type Topic =
  | { readonly kind: "newHeads" }
  | { readonly kind: "logs"; readonly criteria: LogCriteria }
  | { readonly kind: "newPendingTransactions"; readonly full: boolean }
  | { readonly kind: "syncing" };

/** One connection as subscriptions see it. */
export interface Subscriber {
  /** Adds a subscription and answers its id; throws when the connection has too many. */
  subscribe(topic: Topic): string;
  /** Ends one of its own subscriptions. */
  unsubscribe(id: string): boolean;
  /** Ends all of them. */
  close(): void;
}

/** All subscriptions of the server. */
export interface SubscriptionHub {
  /** A connection; `send` gets complete messages. */
  connect(send: (message: string) => void): Subscriber;
  close(): void;
}

interface Subscription {
  readonly id: string;
  readonly topic: Topic;
  readonly send: (message: string) => void;
}

function notification(id: string, result: string): string {
  return `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"${id}","result":${result}}}`;
}

/** Every log of a block with where it is. */
function logsOfBlock({ block, receipts }: FinalizedBlock): LocatedLog[] {
  const logs: LocatedLog[] = [];
  block.transactions.forEach((transaction, index) => {
    const receipt = receipts[index];
    if (receipt !== undefined) logs.push(...locateLogs(block, transaction, index, receipt, logs.length));
  });
  return logs;
}

/** Subscriptions by kind, so that an event touches only those it concerns. */
type Groups = Readonly<Record<Topic["kind"], Map<string, Subscription>>>;

function announceBlock(groups: Groups, finalized: FinalizedBlock): void {
  const { block } = finalized;
  if (groups.newHeads.size > 0) {
    const text = JSON.stringify(headerJson(block));
    for (const { id, send } of groups.newHeads.values()) send(notification(id, text));
  }
  if (groups.logs.size === 0) return;
  for (const located of logsOfBlock(finalized)) {
    let text: string | undefined;
    for (const { id, topic, send } of groups.logs.values()) {
      if (topic.kind !== "logs" || !matches(topic.criteria, located.log)) continue;
      text ??= JSON.stringify(logJson(located));
      send(notification(id, text));
    }
  }
}

function announcePending(groups: Groups, transaction: SignedTransaction): void {
  let full: string | undefined;
  for (const { id, topic, send } of groups.newPendingTransactions.values()) {
    if (topic.kind === "newPendingTransactions" && topic.full) {
      full ??= JSON.stringify(transactionJson(transaction, undefined));
      send(notification(id, full));
    } else {
      send(notification(id, `"${transaction.hash}"`));
    }
  }
}

/** The hub of one server. */
export function createSubscriptionHub(ports: RpcPorts, limits: RpcLimits): SubscriptionHub {
  const groups: Groups = {
    newHeads: new Map(),
    logs: new Map(),
    newPendingTransactions: new Map(),
    syncing: new Map(),
  };
  let wasSyncing = ports.status.syncing() !== undefined;
  const announceSyncing = (): void => {
    const progress = ports.status.syncing();
    if ((progress !== undefined) === wasSyncing) return;
    wasSyncing = progress !== undefined;
    const text = JSON.stringify(progress === undefined ? false : { syncing: true, status: progress });
    for (const { id, send } of groups.syncing.values()) send(notification(id, text));
  };
  const stopBlocks = ports.chain.onFinalized((finalized) => {
    announceBlock(groups, finalized);
    announceSyncing();
  });
  const stopPending = ports.pool.onPending((transaction) => announcePending(groups, transaction));

  return {
    connect(send) {
      const own = new Map<string, Topic["kind"]>();
      return {
        subscribe(topic) {
          if (own.size >= limits.maxSubscriptions) throw serverError("too many subscriptions");
          const id = randomId();
          own.set(id, topic.kind);
          groups[topic.kind].set(id, { id, topic, send });
          return id;
        },
        unsubscribe(id) {
          const kind = own.get(id);
          if (kind === undefined) throw new RpcError(METHOD_NOT_FOUND, "subscription not found");
          groups[kind].delete(id);
          return own.delete(id);
        },
        close() {
          for (const [id, kind] of own) groups[kind].delete(id);
          own.clear();
        },
      };
    },
    close() {
      stopBlocks();
      stopPending();
    },
  };
}
