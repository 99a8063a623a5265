// The transaction pool: geth's rules and words. Executable transactions and those behind a nonce gap, per sender;
// replacement by price; bounds by count and bytes with eviction of the cheapest. An entry leaves only when the
// committed state has passed it, when it is replaced or evicted, or when it expired behind a gap.
// Durability (the journal) and gossip are others' business.

import { nextBaseFee } from "#execution/fees.ts";
import type { StateChanges } from "#types/account.ts";
import type { Address, Hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { moveTo, nextNonce, type PoolAccount, promote, remove } from "./pool-account.ts";
import { admit } from "./pool-admission.ts";
import { lookUpSender } from "./pool-check.ts";
import { isAnySelectable, selectFrom } from "./pool-select.ts";
import {
  createPoolStore,
  type Departed,
  headOf,
  type PoolParts,
  type PoolStore,
  release,
  settle,
} from "./pool-store.ts";
import type { PoolEntry, PoolVerdict } from "./pool-types.ts";
import type { Mempool } from "./ports.ts";

/** Transactions of one kind by sender, each list by ascending nonce. */
export type PoolSection = ReadonlyMap<Address, readonly SignedTransaction[]>;

export interface Pool extends Mempool {
  /** Judges and takes a transaction. */
  add(signed: SignedTransaction): PoolVerdict;
  /** The same for one that was taken before: the base fee that rose since may still fall. */
  restore(signed: SignedTransaction): PoolVerdict;
  get(hash: Hash): SignedTransaction | undefined;
  /** Nonce after the sender's executable transactions; the state's nonce when it has none. */
  nextNonce(sender: Address): bigint;
  content(): { readonly pending: PoolSection; readonly queued: PoolSection };
  /** The same of one sender. */
  contentFrom(sender: Address): Record<"pending" | "queued", readonly SignedTransaction[]>;
  status(): { readonly pending: number; readonly queued: number; readonly bytes: number };
  /** Another number each time what the pool holds may have changed. */
  readonly revision: number;
  /** Whether a block would take anything: the next one, or one behind as many empty ones as are given. */
  hasExecutable(emptyBlocks?: number): boolean;
  /** Takes a transaction out, leaving a gap. */
  drop(hash: Hash): boolean;
  clear(): void;
  /** All transactions, senders' nonces ascending. */
  all(): readonly SignedTransaction[];
  /** Looks every sender up anew: after a rollback or writes from outside transactions. */
  refresh(): void;
  /** Calls back for each transaction that becomes executable; the result ends it. */
  onPending(listener: (transaction: SignedTransaction) => void): () => void;
  onDeparture(listener: (left: Departed) => void): () => void;
}

/** Brings one sender in line with the committed state. */
function refreshAccount(store: PoolStore, account: PoolAccount): void {
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
function finalized(store: PoolStore, changes: readonly StateChanges[]): void {
  for (const { accounts } of changes) {
    for (const at of accounts.keys()) {
      const account = store.accounts.get(at);
      if (account !== undefined) refreshAccount(store, account);
    }
  }
  if (store.parts.now() - store.expiredAt >= EXPIRY_INTERVAL) expire(store);
}

function section(
  store: PoolStore,
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

function drop(store: PoolStore, hash: Hash): boolean {
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
function expire(store: PoolStore): void {
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
  const store = createPoolStore(parts);
  const { accounts, byHash, totals } = store;
  return {
    add: (signed) => admit(store, signed, parts.options),
    restore: (signed) => admit(store, signed, { ...parts.options, refuseBelowBaseFee: false }),
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
    contentFrom(sender) {
      const { entries = [], executable = 0 } = accounts.get(sender) ?? {};
      const own = entries.map(({ signed }) => signed);
      return { pending: own.slice(0, executable), queued: own.slice(executable) };
    },
    status: () => ({
      pending: totals.executable,
      queued: totals.count - totals.executable,
      bytes: totals.bytes,
    }),
    get revision() {
      return store.revision;
    },
    hasExecutable(emptyBlocks = 0) {
      const { gasLimit, ...head } = headOf(store);
      let { baseFeePerGas } = head;
      for (let i = 0; i < emptyBlocks; i++)
        baseFeePerGas = nextBaseFee({ baseFeePerGas, gasUsed: 0n, gasLimit });
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
