// Subscriptions of WebSocket connections: one listener on the chain and the pool, each event encoded once, sent to
// whoever asked. Knows connections as a sink for text; the server decides when a slow one is closed.

import type { LocatedLog } from "#chain/history.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { headerJson, locateLogs, logJson, transactionJson } from "./encode.ts";
import { METHOD_NOT_FOUND, RpcError, serverError } from "./errors.ts";
import { randomId } from "./filters.ts";
import { MAX_CONNECTION_LOG_TERMS, MAX_LOG_TERMS, type RpcLimits } from "./limits.ts";
import { createLogIndex, type LogIndex, termsOf } from "./log-index.ts";
import type { LogCriteria } from "./log-query.ts";
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

type Send = (id: string, message: string) => void;

/** All subscriptions of the server. */
export interface SubscriptionHub {
  /** A connection; `send` gets complete messages, and the id of the subscription that each belongs to. */
  connect(send: Send): Subscriber;
  /** Subscriptions of all connections. */
  count(): number;
  close(): void;
}

interface Subscription {
  readonly id: string;
  readonly send: Send;
}

function notification(id: string, result: string): string {
  return `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"${id}","result":${result}}}`;
}

/** Every log of a block with where it is. */
function logsOfBlock({ block, receipts }: FinalizedBlock): LocatedLog[] {
  const logs: LocatedLog[] = [];
  block.transactions.forEach((transaction, index) => {
    const receipt = receipts[index];
    if (receipt === undefined) return;
    // One by one: a transaction can emit more logs than a call takes arguments.
    for (const log of locateLogs(block, transaction, index, receipt, logs.length)) logs.push(log);
  });
  return logs;
}

/** Subscriptions by kind, so that an event touches only those it concerns. */
interface Groups {
  readonly newHeads: Set<Subscription>;
  readonly logs: LogIndex<Subscription>;
  readonly newPendingTransactions: Set<Subscription>;
  readonly wholePendingTransactions: Set<Subscription>;
  readonly syncing: Set<Subscription>;
}

function announce(group: Iterable<Subscription>, result: string): void {
  for (const { id, send } of group) send(id, notification(id, result));
}

function announceBlock(groups: Groups, finalized: FinalizedBlock): void {
  const { block } = finalized;
  if (groups.newHeads.size > 0) {
    announce(groups.newHeads, JSON.stringify(headerJson(block)));
  }
  if (groups.logs.size === 0) return;
  for (const located of logsOfBlock(finalized)) {
    let text: string | undefined;
    for (const { id, send } of groups.logs.matching(located.log)) {
      text ??= JSON.stringify(logJson(located));
      send(id, notification(id, text));
    }
  }
}

function announcePending(groups: Groups, transaction: SignedTransaction): void {
  announce(groups.newPendingTransactions, `"${transaction.hash}"`);
  if (groups.wholePendingTransactions.size === 0) return;
  announce(groups.wholePendingTransactions, JSON.stringify(transactionJson(transaction, undefined)));
}

/** Adds to the group that the topic belongs to; the result removes. */
function addTo(groups: Groups, topic: Topic, subscription: Subscription): () => void {
  if (topic.kind === "logs") return groups.logs.add(topic.criteria, subscription);
  const whole = topic.kind === "newPendingTransactions" && topic.full;
  const group = groups[whole ? "wholePendingTransactions" : topic.kind];
  group.add(subscription);
  return () => void group.delete(subscription);
}

/** What subscriptions take of their bounds. */
interface Share {
  subscriptions: number;
  terms: number;
}

/** A subscription's way out of its group, and what it weighs. */
interface Held {
  readonly remove: () => void;
  readonly terms: number;
}

function createSubscriber(groups: Groups, all: Share, limits: RpcLimits, send: Send): Subscriber {
  const own = new Map<string, Held>();
  let ownTerms = 0;
  let closed = false;
  const weigh = (topic: Topic): number => {
    const terms = topic.kind === "logs" ? termsOf(topic.criteria) : 0;
    if (own.size >= limits.maxSubscriptions || all.subscriptions >= limits.maxAllSubscriptions) {
      throw serverError("too many subscriptions");
    }
    if (ownTerms + terms > MAX_CONNECTION_LOG_TERMS || all.terms + terms > MAX_LOG_TERMS) {
      throw serverError("too many addresses and topics in all subscriptions");
    }
    return terms;
  };
  const count = (sign: 1 | -1, terms: number): void => {
    ownTerms += sign * terms;
    all.terms += sign * terms;
    all.subscriptions += sign;
  };
  const end = (id: string, { remove, terms }: Held): void => {
    own.delete(id);
    remove();
    count(-1, terms);
  };
  return {
    subscribe(topic) {
      // Its requests may still be at work when a connection is gone.
      if (closed) throw serverError("the connection is closed");
      const terms = weigh(topic);
      const id = randomId();
      own.set(id, { remove: addTo(groups, topic, { id, send }), terms });
      count(1, terms);
      return id;
    },
    unsubscribe(id) {
      const held = own.get(id);
      if (held === undefined) throw new RpcError(METHOD_NOT_FOUND, "subscription not found");
      end(id, held);
      return true;
    },
    close() {
      closed = true;
      for (const [id, held] of [...own]) end(id, held);
    },
  };
}

/** The hub of one server. */
export function createSubscriptionHub(ports: RpcPorts, limits: RpcLimits): SubscriptionHub {
  const groups: Groups = {
    newHeads: new Set(),
    logs: createLogIndex(),
    newPendingTransactions: new Set(),
    wholePendingTransactions: new Set(),
    syncing: new Set(),
  };
  const all: Share = { subscriptions: 0, terms: 0 };
  let wasSyncing = ports.status.syncing() !== undefined;
  const announceSyncing = (): void => {
    const progress = ports.status.syncing();
    if ((progress !== undefined) === wasSyncing) return;
    wasSyncing = progress !== undefined;
    announce(
      groups.syncing,
      JSON.stringify(progress === undefined ? false : { syncing: true, status: progress }),
    );
  };
  const stopBlocks = ports.chain.onFinalized((finalized) => {
    announceBlock(groups, finalized);
    announceSyncing();
  });
  const stopPending = ports.pool.onPending((transaction) => announcePending(groups, transaction));

  return {
    connect: (send) => createSubscriber(groups, all, limits, send),
    count: () => all.subscriptions,
    close() {
      stopBlocks();
      stopPending();
    },
  };
}
