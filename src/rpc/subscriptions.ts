// Subscriptions of WebSocket connections: one listener on the chain and the pool, each event encoded once, sent to
// whoever asked. Knows connections as a sink for text; the server decides when a slow one is closed.

import type { LocatedLog } from "#chain/history.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { type Announcer, createAnnouncer, type Listener } from "./announcer.ts";
import { headerJson, locateLogs, logJson, transactionJson } from "./encode.ts";
import { METHOD_NOT_FOUND, RpcError, serverError } from "./errors.ts";
import { randomId } from "./filters.ts";
import { MAX_CONNECTION_LOG_TERMS, MAX_LOG_TERMS, type RpcLimits } from "./limits.ts";
import { type Candidate, createLogIndex, type LogIndex, termsOf } from "./log-index.ts";
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
  /**
   * A connection; `send` gets complete messages, and the id of the subscription that each belongs to. `drop` is called
   * when there is more to be sent to it than there is time for.
   */
  connect(send: Send, drop: () => void): Subscriber;
  /** Subscriptions of all connections. */
  count(): number;
  close(): void;
}

interface Subscription {
  readonly id: string;
  readonly send: Send;
  readonly listener: Listener;
  /** Events before it: it is not told the rest of one that is being told. */
  readonly after: number;
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

type Steps = Generator<Listener | undefined, void>;

/** Tells event `number` to those of the group that it fits and that were there before it. */
function* tell(number: number, group: Iterable<Candidate<Subscription>>, result: () => string): Steps {
  let text: string | undefined;
  for (const { value, fits } of group) {
    const { id, send, listener, after } = value;
    if (fits && after < number) {
      text ??= result();
      send(id, notification(id, text));
    }
    yield listener;
  }
}

/** Everyone of a group that needs no index. */
function* everyone(group: Iterable<Subscription>): Generator<Candidate<Subscription>> {
  for (const value of group) yield { value, fits: true };
}

function* tellBlock(number: number, groups: Groups, finalized: FinalizedBlock): Steps {
  yield* tell(number, everyone(groups.newHeads), () => JSON.stringify(headerJson(finalized.block)));
  if (groups.logs.size === 0) return;
  for (const located of logsOfBlock(finalized)) {
    // Looking whom it concerns takes its time, too.
    yield undefined;
    yield* tell(number, groups.logs.candidates(located.log), () => JSON.stringify(logJson(located)));
  }
}

function* tellPending(number: number, groups: Groups, transaction: SignedTransaction): Steps {
  yield* tell(number, everyone(groups.newPendingTransactions), () => `"${transaction.hash}"`);
  const whole = (): string => JSON.stringify(transactionJson(transaction, undefined));
  yield* tell(number, everyone(groups.wholePendingTransactions), whole);
}

/** Bytes of memory that a transaction or a log takes beside its data. */
const ITEM_BYTES = 512;

function weightOf({ block, receipts }: FinalizedBlock): number {
  let bytes = ITEM_BYTES;
  for (const { raw } of block.transactions) bytes += ITEM_BYTES + raw.length;
  for (const { logs } of receipts) for (const { data } of logs) bytes += ITEM_BYTES + data.length;
  return bytes;
}

/** Adds to the group that the topic belongs to; the result removes. */
function addTo(groups: Groups, topic: Topic, subscription: Subscription): () => void {
  if (topic.kind === "logs") return groups.logs.add(topic.criteria, subscription);
  const whole = topic.kind === "newPendingTransactions" && topic.full;
  const group = groups[whole ? "wholePendingTransactions" : topic.kind];
  group.add(subscription);
  return () => void group.delete(subscription);
}

/** What the connections of a hub have in common. */
interface Common {
  readonly groups: Groups;
  /** Number of the last event. */
  readonly last: () => number;
  readonly all: Share;
  readonly limits: RpcLimits;
  readonly announcer: Announcer;
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

function createSubscriber(
  { groups, last, all, limits, announcer }: Common,
  send: Send,
  drop: () => void,
): Subscriber {
  const own = new Map<string, Held>();
  const listener: Listener = { steps: 0, listens: () => own.size > 0, drop };
  const leave = announcer.join(listener);
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
      own.set(id, { remove: addTo(groups, topic, { id, send, listener, after: last() }), terms });
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
      leave();
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
  const announcer = createAnnouncer((error) => ports.report(error, "eth_subscription"));
  let events = 0;
  let wasSyncing = ports.status.syncing() !== undefined;
  const announceSyncing = (): void => {
    const progress = ports.status.syncing();
    if ((progress !== undefined) === wasSyncing) return;
    wasSyncing = progress !== undefined;
    const state = progress === undefined ? false : { syncing: true, status: progress };
    announcer.announce(
      tell(++events, everyone(groups.syncing), () => JSON.stringify(state)),
      ITEM_BYTES,
    );
  };
  const stopBlocks = ports.chain.onFinalized((finalized) => {
    if (groups.newHeads.size > 0 || groups.logs.size > 0) {
      announcer.announce(tellBlock(++events, groups, finalized), weightOf(finalized));
    }
    announceSyncing();
  });
  const stopPending = ports.pool.onPending((transaction) => {
    if (groups.newPendingTransactions.size + groups.wholePendingTransactions.size === 0) return;
    announcer.announce(tellPending(++events, groups, transaction), ITEM_BYTES + transaction.raw.length);
  });

  return {
    connect: (send, drop) =>
      createSubscriber({ groups, last: () => events, all, limits, announcer }, send, drop),
    count: () => all.subscriptions,
    close() {
      stopBlocks();
      stopPending();
      announcer.close();
    },
  };
}
