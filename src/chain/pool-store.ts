// What a pool holds and the books it keeps about it: entries by sender and by hash, running totals, and who is told
// of changes. Every change of an account's list goes through `settle`. Decides nothing.
import { forkOf } from "#execution/rules.ts";
import type { ChainRules } from "#execution/types.ts";
import { createListeners, type Listeners } from "#lib/listeners.ts";
import type { StateReader } from "#state/types.ts";
import type { Header } from "#types/header.ts";
import { type Address, type Hash, height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { nextPrices } from "./header-rules.ts";
import type { BlockInputs } from "./inputs.ts";
import { type PoolAccount, remove } from "./pool-account.ts";
import type { PoolHead } from "./pool-check.ts";
import type { PoolTotals, Victim } from "./pool-evict.ts";
import type { PoolEntry, PoolOptions } from "./pool-types.ts";

/** Why an entry left the pool. */
export type PoolDeparture = "included" | "replaced" | "evicted" | "expired" | "dropped" | "unpayable";

export interface Departed {
  readonly hash: Hash;
  readonly why: PoolDeparture;
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

export interface PoolStore {
  readonly parts: PoolParts;
  readonly accounts: Map<Address, PoolAccount>;
  readonly byHash: Map<Hash, PoolEntry>;
  /** Pending transactions that carry an authorization of an account (EIP-7702). */
  readonly authorities: Map<Address, number>;
  readonly totals: PoolTotals;
  /** Rises whenever an account's list changes: the same number, the same transactions. */
  revision: number;
  sequence: number;
  expiredAt: number;
  /** While the pool stays full: what pays no more than `tip` per gas at the base fee `at` finds no room. */
  floor: { readonly at: bigint; readonly tip: bigint } | undefined;
  head: { readonly of: Header; readonly with: BlockInputs | undefined; readonly seen: PoolHead } | undefined;
  readonly pending: Listeners<SignedTransaction>;
  readonly departures: Listeners<Departed>;
}

/** An empty store. */
export function createPoolStore(parts: PoolParts): PoolStore {
  return {
    parts,
    accounts: new Map(),
    byHash: new Map(),
    authorities: new Map(),
    totals: { count: 0, executable: 0, bytes: 0 },
    revision: 0,
    sequence: 0,
    expiredAt: parts.now(),
    floor: undefined,
    head: undefined,
    pending: createListeners(parts.report),
    departures: createListeners(parts.report),
  };
}

/** Books the authorities of an entry in or out. */
export function countAuthorities(store: PoolStore, entry: PoolEntry, by: 1 | -1): void {
  for (const authority of entry.authorities) {
    const count = (store.authorities.get(authority) ?? 0) + by;
    if (count > 0) store.authorities.set(authority, count);
    else store.authorities.delete(authority);
  }
}

/** Books an entry out of everything but its account's list. */
export function release(store: PoolStore, entry: PoolEntry, why: PoolDeparture): void {
  store.byHash.delete(entry.hash);
  store.totals.bytes -= entry.signed.raw.length;
  countAuthorities(store, entry, -1);
  store.departures.emit({ hash: entry.hash, why });
}

/** Books what changed about an account: its part of the totals, and its end when it is empty. */
export function settle(store: PoolStore, account: PoolAccount, change: () => readonly PoolEntry[]): void {
  const before = account.executable;
  const beforeAll = account.entries.length;
  const promoted = change();
  store.revision++;
  store.totals.executable += account.executable - before;
  store.totals.count += account.entries.length - beforeAll;
  if (account.entries.length < beforeAll) store.floor = undefined;
  if (account.entries.length === 0) store.accounts.delete(account.address);
  for (const { signed } of promoted) store.pending.emit(signed);
}

/** The next block as admission sees it, worked out once per tip and inputs. */
export function headOf(store: PoolStore): PoolHead {
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

/** Takes victims out. */
export function evictAll(store: PoolStore, victims: readonly Victim[]): void {
  for (const { account, entry } of victims) {
    settle(store, account, () => {
      remove(account, entry.nonce);
      return [];
    });
    release(store, entry, "evicted");
  }
}
