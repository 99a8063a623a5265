// The transaction pool: geth's rules and words. Executable transactions and those behind a nonce gap, per sender;
// replacement by price; bounds by count and bytes with eviction of the cheapest. An entry leaves only when the
// committed state has passed it, when it is replaced or evicted, or when it expired behind a gap.
// Durability (the journal) and gossip are others' business.

import { recoverAuthority } from "#execution/authorization.ts";
import { forkOf } from "#execution/rules.ts";
import type { ChainRules } from "#execution/types.ts";
import { maximumCost } from "#execution/validate.ts";
import { createListeners } from "#lib/listeners.ts";
import type { StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Header } from "#types/header.ts";
import { type Address, type Hash, height } from "#types/ids.ts";
import { authorizationsOf, feeCapOf, type SignedTransaction, tipCapOf } from "#types/transaction.ts";
import { nextPrices } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import {
  createPoolAccount,
  entryAt,
  insert,
  moveTo,
  nextNonce,
  type PoolAccount,
  promote,
  remove,
} from "./pool-account.ts";
import {
  checkAgainstState,
  checkReplacement,
  checkStateless,
  lookUpSender,
  type PoolHead,
  refuse,
  type SenderState,
} from "./pool-check.ts";
import {
  type Growth,
  isFull,
  leastTailTip,
  type PoolTotals,
  roomByPrice,
  roomInQueue,
  type Victim,
} from "./pool-evict.ts";
import { isAnySelectable, selectFrom } from "./pool-select.ts";
import {
  effectiveTip,
  type PoolEntry,
  type PoolOptions,
  type PoolRejection,
  type PoolVerdict,
} from "./pool-types.ts";
import type { Mempool } from "./ports.ts";

/** Transactions of one kind by sender, each list by ascending nonce. */
export type PoolSection = ReadonlyMap<Address, readonly SignedTransaction[]>;

/** Why an entry left the pool. */
export type PoolDeparture = "included" | "replaced" | "evicted" | "expired" | "dropped" | "unpayable";

export interface Pool extends Mempool {
  /** Judges and takes a transaction. */
  add(signed: SignedTransaction): PoolVerdict;
  get(hash: Hash): SignedTransaction | undefined;
  /** Nonce after the sender's executable transactions; the state's nonce when it has none. */
  nextNonce(sender: Address): bigint;
  content(): { readonly pending: PoolSection; readonly queued: PoolSection };
  status(): { readonly pending: number; readonly queued: number; readonly bytes: number };
  /** Whether a block at the next base fee would take anything. */
  hasExecutable(): boolean;
  /** Takes a transaction out, leaving a gap. */
  drop(hash: Hash): boolean;
  clear(): void;
  /** All transactions, senders' nonces ascending. */
  all(): readonly SignedTransaction[];
  /** Looks every sender up anew: after a rollback or writes from outside transactions. */
  refresh(): void;
  /** Calls back for each transaction that becomes executable; the result ends it. */
  onPending(listener: (transaction: SignedTransaction) => void): () => void;
  onDeparture(listener: (left: { readonly hash: Hash; readonly why: PoolDeparture }) => void): () => void;
}

export interface PoolParts {
  readonly rules: ChainRules;
  readonly options: PoolOptions;
  /** The committed state, with what the local chain wrote since. */
  readonly state: () => StateReader;
  /** Header of the finalized tip. */
  readonly head: () => Header;
  /** What is set by hand for the next block, on a local chain. */
  readonly inputs: () => BlockInputs | undefined;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** Gets what a listener throws. */
  readonly report: (error: unknown) => void;
}

interface Store {
  readonly parts: PoolParts;
  readonly accounts: Map<Address, PoolAccount>;
  readonly byHash: Map<Hash, PoolEntry>;
  /** Pending transactions that carry an authorization of an account (EIP-7702). */
  readonly authorities: Map<Address, number>;
  readonly totals: PoolTotals;
  sequence: number;
  expiredAt: number;
  /** While the pool stays full: what pays no more than `tip` per gas at the base fee `at` finds no room. */
  floor: { readonly at: bigint; readonly tip: bigint } | undefined;
  head: { readonly of: Header; readonly with: BlockInputs | undefined; readonly seen: PoolHead } | undefined;
  readonly pending: ReturnType<typeof createListeners<SignedTransaction>>;
  readonly departures: ReturnType<typeof createListeners<{ hash: Hash; why: PoolDeparture }>>;
}

function authoritiesOf(signed: SignedTransaction): readonly Address[] {
  return authorizationsOf(signed.tx)
    .map(recoverAuthority)
    .filter((authority) => authority !== undefined);
}

function countAuthorities(store: Store, entry: PoolEntry, by: 1 | -1): void {
  for (const authority of entry.authorities) {
    const count = (store.authorities.get(authority) ?? 0) + by;
    if (count > 0) store.authorities.set(authority, count);
    else store.authorities.delete(authority);
  }
}

/** Books an entry out of everything but its account's list. */
function release(store: Store, entry: PoolEntry, why: PoolDeparture): void {
  store.byHash.delete(entry.hash);
  store.totals.bytes -= entry.signed.raw.length;
  countAuthorities(store, entry, -1);
  store.departures.emit({ hash: entry.hash, why });
}

/** Books what changed about an account: its part of the totals, and its end when it is empty. */
function settle(store: Store, account: PoolAccount, change: () => readonly PoolEntry[]): void {
  const before = account.executable;
  const beforeAll = account.entries.length;
  const promoted = change();
  store.totals.executable += account.executable - before;
  store.totals.count += account.entries.length - beforeAll;
  if (account.entries.length < beforeAll) store.floor = undefined;
  if (account.entries.length === 0) store.accounts.delete(account.address);
  for (const { signed } of promoted) store.pending.emit(signed);
}

/** The next block as admission sees it, worked out once per tip and inputs. */
function headOf(store: Store): PoolHead {
  const { rules } = store.parts;
  const parent = store.parts.head();
  const inputs = store.parts.inputs();
  if (store.head === undefined || store.head.of !== parent || store.head.with !== inputs) {
    const timestamp = inputs?.timestamp ?? parent.timestamp;
    const fork = forkOf(rules, height(parent.number + 1), timestamp);
    const { baseFeePerGas } = nextPrices(parent, timestamp, rules, inputs);
    const gasLimit = inputs?.gasLimit ?? parent.gasLimit;
    store.head = { of: parent, with: inputs, seen: { fork, gasLimit, baseFeePerGas } };
  }
  return store.head.seen;
}

/** Geth's limits on accounts with a delegation, in the state or on its way. */
function checkDelegation(store: Store, entry: PoolEntry, sender: SenderState): PoolRejection | undefined {
  if (!store.parts.options.delegationLimit) return undefined;
  const at = entry.signed.sender;
  const account = store.accounts.get(at);
  if (sender.delegated || store.authorities.has(at)) {
    if (account === undefined || account.executable === 0) {
      if (entry.nonce !== sender.nonce) {
        return refuse("DELEGATION_LIMIT", "gapped-nonce tx from delegated accounts");
      }
    } else if (entryAt(account, entry.nonce) === undefined) {
      return refuse("DELEGATION_LIMIT", "in-flight transaction limit reached for delegated accounts");
    }
  }
  const reserved = entry.authorities.some(
    (authority) => (store.accounts.get(authority)?.entries.length ?? 0) > 1,
  );
  return reserved ? refuse("AUTHORITY_RESERVED", "authority already reserved") : undefined;
}

function evictAll(store: Store, victims: readonly Victim[]): void {
  for (const { account, entry } of victims) {
    settle(store, account, () => {
      remove(account, entry.nonce);
      return [];
    });
    release(store, entry, "evicted");
  }
}

const UNDERPRICED: PoolRejection = refuse("UNDERPRICED", "transaction underpriced");

/** Makes room in a full pool by price, or says that there is none at this price. */
function makeRoom(store: Store, entry: PoolEntry, growth: Growth): PoolRejection | undefined {
  const { accounts, totals, parts } = store;
  if (!isFull(totals, parts.options, growth)) return undefined;
  const { baseFeePerGas } = headOf(store);
  // As long as nothing left a full pool, what was too cheap is too cheap: no search for each newcomer.
  if (store.floor?.at === baseFeePerGas && effectiveTip(entry, baseFeePerGas) <= store.floor.tip) {
    return UNDERPRICED;
  }
  const victims = roomByPrice(accounts, totals, parts.options, entry, growth, baseFeePerGas);
  if (victims === undefined) {
    const tip = leastTailTip(accounts.values(), baseFeePerGas);
    store.floor = tip === undefined ? undefined : { at: baseFeePerGas, tip };
    return UNDERPRICED;
  }
  evictAll(store, victims);
  return undefined;
}

/** Room for a transaction with a nonce of its own: within its sender's bounds, by price, and behind the gaps. */
function makePlace(store: Store, entry: PoolEntry, sender: SenderState): PoolRejection | undefined {
  const { accounts, totals, parts } = store;
  const account = accounts.get(entry.signed.sender);
  const waits = entry.nonce > (account === undefined ? sender.nonce : nextNonce(account));
  if (account !== undefined && waits) {
    const waiting = account.entries.length - account.executable;
    if (waiting >= parts.options.accountQueue) {
      return refuse("ACCOUNT_LIMIT", `account limit exceeded: pooled ${account.entries.length} txs`);
    }
  }
  const full = makeRoom(store, entry, { count: 1, bytes: entry.signed.raw.length });
  if (full === undefined && waits) evictAll(store, roomInQueue(accounts, totals, parts.options));
  return full;
}

/** Room for the bytes by which a replacement is longer. */
function makeLength(store: Store, entry: PoolEntry, old: PoolEntry): PoolRejection | undefined {
  const bytes = entry.signed.raw.length - old.signed.raw.length;
  return bytes <= 0 ? undefined : makeRoom(store, entry, { count: 0, bytes });
}

/** `signed` as an entry; its authorities, each of which costs a recovery, are left for later. */
function entryOf(store: Store, signed: SignedTransaction): PoolEntry {
  return {
    signed,
    hash: signed.hash,
    nonce: signed.tx.nonce,
    feeCap: feeCapOf(signed.tx),
    tipCap: tipCapOf(signed.tx),
    cost: maximumCost(signed.tx),
    sequence: store.sequence++,
    authorities: [],
  };
}

function accountFor(store: Store, signed: SignedTransaction, sender: SenderState): PoolAccount {
  const known = store.accounts.get(signed.sender);
  if (known !== undefined) return known;
  const account = createPoolAccount(signed.sender, store.parts.now());
  account.nonce = sender.nonce;
  store.accounts.set(signed.sender, account);
  return account;
}

interface Admission {
  readonly entry: PoolEntry;
  readonly sender: SenderState;
  readonly old: PoolEntry | undefined;
}

/** Everything that can be said against a transaction, what is cheap to find out first. */
function judge(store: Store, signed: SignedTransaction): Admission | PoolRejection {
  const { parts, accounts } = store;
  if (store.byHash.has(signed.hash)) return refuse("ALREADY_KNOWN", "already known");
  const stateless = checkStateless(signed, parts.rules, headOf(store), parts.options);
  if (stateless !== undefined) return stateless;
  const sender = lookUpSender(parts.state(), signed);
  if ("message" in sender) return sender;
  const draft = entryOf(store, signed);
  const account = accounts.get(signed.sender);
  const old = account && entryAt(account, draft.nonce);
  const cheap =
    checkAgainstState(draft, sender, account) ??
    (old === undefined ? undefined : checkReplacement(draft, old, parts.options));
  if (cheap !== undefined) return cheap;
  const entry = { ...draft, authorities: authoritiesOf(signed) };
  const dear =
    checkDelegation(store, entry, sender) ??
    (old === undefined ? makePlace(store, entry, sender) : makeLength(store, entry, old));
  return dear ?? { entry, sender, old };
}

function add(store: Store, signed: SignedTransaction): PoolVerdict {
  const judged = judge(store, signed);
  if ("message" in judged) return { kind: "rejected", rejection: judged };
  const { entry, sender, old } = judged;
  const account = accountFor(store, signed, sender);
  account.lastActive = store.parts.now();
  store.byHash.set(entry.hash, entry);
  store.totals.bytes += signed.raw.length;
  countAuthorities(store, entry, 1);
  if (old !== undefined) release(store, old, "replaced");
  settle(store, account, () => {
    insert(account, entry);
    const promoted = promote(account);
    // One that replaces an executable entry is executable without being promoted.
    return old !== undefined && entry.nonce < nextNonce(account) ? [entry] : promoted;
  });
  return { kind: "accepted", transaction: signed };
}

/** Brings one sender in line with the committed state. */
function refreshAccount(store: Store, account: PoolAccount): void {
  const { parts } = store;
  const first = account.entries[0];
  if (first === undefined) return;
  const sender = lookUpSender(parts.state(), first.signed);
  settle(store, account, () => {
    if ("message" in sender) {
      for (const entry of [...account.entries]) {
        remove(account, entry.nonce);
        release(store, entry, "dropped");
      }
      return [];
    }
    const passed = moveTo(account, sender.nonce);
    if (passed.length > 0) account.lastActive = parts.now();
    for (const entry of passed) release(store, entry, "included");
    for (const entry of account.entries.filter(({ cost }) => cost > sender.balance)) {
      remove(account, entry.nonce);
      release(store, entry, "unpayable");
    }
    return promote(account);
  });
}

/** Milliseconds between two looks for transactions that have waited too long. */
const EXPIRY_INTERVAL = 60_000;

/** Looks up anew whoever's account a block has changed; nothing else about a sender can have changed. */
function finalized(store: Store, changes: readonly StateChanges[]): void {
  for (const { accounts } of changes) {
    for (const at of accounts.keys()) {
      const account = store.accounts.get(at);
      if (account !== undefined) refreshAccount(store, account);
    }
  }
  if (store.parts.now() - store.expiredAt >= EXPIRY_INTERVAL) expire(store);
}

function section(
  store: Store,
  slice: (account: PoolAccount) => readonly PoolEntry[],
): ReadonlyMap<Address, readonly SignedTransaction[]> {
  const out = new Map<Address, readonly SignedTransaction[]>();
  for (const account of store.accounts.values()) {
    const entries = slice(account);
    if (entries.length > 0) {
      out.set(
        account.address,
        entries.map(({ signed }) => signed),
      );
    }
  }
  return out;
}

function drop(store: Store, hash: Hash): boolean {
  const entry = store.byHash.get(hash);
  const account = entry && store.accounts.get(entry.signed.sender);
  if (entry === undefined || account === undefined) return false;
  settle(store, account, () => {
    remove(account, entry.nonce);
    return [];
  });
  release(store, entry, "dropped");
  return true;
}

/** Drops what waited behind a gap for longer than the lifetime. */
function expire(store: Store): void {
  store.expiredAt = store.parts.now();
  const oldest = store.parts.now() - store.parts.options.lifetime;
  for (const account of [...store.accounts.values()]) {
    if (account.lastActive >= oldest || account.executable === account.entries.length) continue;
    const stale = account.entries.slice(account.executable);
    settle(store, account, () => {
      for (const entry of stale) remove(account, entry.nonce);
      return [];
    });
    for (const entry of stale) release(store, entry, "expired");
  }
}

/** An empty pool over the committed state. */
export function createPool(parts: PoolParts): Pool {
  const store: Store = {
    parts,
    accounts: new Map(),
    byHash: new Map(),
    authorities: new Map(),
    totals: { count: 0, executable: 0, bytes: 0 },
    sequence: 0,
    expiredAt: parts.now(),
    floor: undefined,
    head: undefined,
    pending: createListeners(parts.report),
    departures: createListeners(parts.report),
  };
  const { accounts, byHash, totals } = store;
  return {
    add: (signed) => add(store, signed),
    select: (limits) => selectFrom(accounts.values(), limits),
    finalized: (changes) => finalized(store, changes),
    get: (hash) => byHash.get(hash)?.signed,
    nextNonce(sender) {
      const account = accounts.get(sender);
      return account === undefined ? (parts.state().account(sender)?.nonce ?? 0n) : nextNonce(account);
    },
    content: () => ({
      pending: section(store, (account) => account.entries.slice(0, account.executable)),
      queued: section(store, (account) => account.entries.slice(account.executable)),
    }),
    status: () => ({
      pending: totals.executable,
      queued: totals.count - totals.executable,
      bytes: totals.bytes,
    }),
    hasExecutable() {
      const { baseFeePerGas } = headOf(store);
      const limits = { baseFeePerGas, blobBaseFee: 0n, inFlight: new Set<Hash>() };
      return totals.executable > 0 && isAnySelectable(accounts.values(), limits);
    },
    drop: (hash) => drop(store, hash),
    clear() {
      for (const { hash } of [...byHash.values()]) drop(store, hash);
    },
    all: () => [...accounts.values()].flatMap(({ entries }) => entries.map(({ signed }) => signed)),
    refresh() {
      for (const account of [...accounts.values()]) refreshAccount(store, account);
    },
    onPending: (listener) => store.pending.add(listener),
    onDeparture: (listener) => store.departures.add(listener),
  };
}
