// The pooled transactions of one sender, by ascending nonce: an executable prefix without gaps, and the rest behind
// the first gap. Knows nothing of prices across senders or of bounds.
import type { Address } from "#types/ids.ts";
import type { PoolEntry } from "./pool-types.ts";

/** Transactions of one sender. Fields are read freely and changed through the functions below. */
export interface PoolAccount {
  readonly address: Address;
  /** Nonce of the account in the committed state. */
  nonce: bigint;
  /** Ascending by nonce; never below `nonce`. */
  readonly entries: PoolEntry[];
  /** How many entries, from the first, follow `nonce` without a gap. */
  executable: number;
  /** The most those can cost, wei. */
  executableCost: bigint;
  /** When a transaction last came or was mined, milliseconds. */
  lastActive: number;
}

export function createPoolAccount(address: Address, now: number): PoolAccount {
  return {
    address,
    nonce: 0n,
    entries: [],
    executable: 0,
    executableCost: 0n,
    lastActive: now,
  };
}

/** Index of the first entry whose nonce is at least `nonce`. */
export function lowerBound(account: PoolAccount, nonce: bigint): number {
  let low = 0;
  let high = account.entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((account.entries[middle] as PoolEntry).nonce < nonce) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The entry with exactly this nonce. */
export function entryAt(account: PoolAccount, nonce: bigint): PoolEntry | undefined {
  const entry = account.entries[lowerBound(account, nonce)];
  return entry?.nonce === nonce ? entry : undefined;
}

/** Nonce of the next transaction that would be executable. */
export function nextNonce(account: PoolAccount): bigint {
  return account.nonce + BigInt(account.executable);
}

/** Extends the executable prefix past entries just added; returns those that have joined it. */
export function promote(account: PoolAccount): readonly PoolEntry[] {
  const before = account.executable;
  let count = before;
  while (account.entries[count]?.nonce === account.nonce + BigInt(count)) {
    account.executableCost += (account.entries[count] as PoolEntry).cost;
    count++;
  }
  account.executable = count;
  return account.entries.slice(before, count);
}

/** Puts an entry in its place; returns the one of the same nonce that it replaces. */
export function insert(account: PoolAccount, entry: PoolEntry): PoolEntry | undefined {
  const { entries } = account;
  const last = entries.at(-1);
  if (last === undefined || last.nonce < entry.nonce) {
    entries.push(entry);
    return undefined;
  }
  const index = lowerBound(account, entry.nonce);
  const same = (entries[index] as PoolEntry).nonce === entry.nonce;
  const [replaced] = entries.splice(index, same ? 1 : 0, entry);
  if (replaced !== undefined && index < account.executable) {
    account.executableCost += entry.cost - replaced.cost;
  }
  return replaced;
}

function shrink(account: PoolAccount, executable: number): void {
  account.executable = executable;
  account.executableCost = 0n;
  for (let i = 0; i < executable; i++) account.executableCost += (account.entries[i] as PoolEntry).cost;
}

/** Takes out the entry with this nonce, leaving a gap. */
export function remove(account: PoolAccount, nonce: bigint): PoolEntry | undefined {
  const index = lowerBound(account, nonce);
  if (account.entries[index]?.nonce !== nonce) return undefined;
  const [removed] = account.entries.splice(index, 1);
  if (index < account.executable) shrink(account, index);
  return removed;
}

/** The entry that can go without making a gap: the one with the highest nonce. */
export function tail(account: PoolAccount): PoolEntry | undefined {
  return account.entries.at(-1);
}

/** Moves to the state's nonce, up or (after a rollback) down; returns the entries the state has passed. */
export function moveTo(account: PoolAccount, nonce: bigint): readonly PoolEntry[] {
  const before = account.nonce;
  account.nonce = nonce;
  const passed = account.entries.splice(0, lowerBound(account, nonce));
  if (nonce < before) shrink(account, 0);
  else {
    for (const { cost } of passed.slice(0, account.executable)) account.executableCost -= cost;
    account.executable = Math.max(0, account.executable - passed.length);
  }
  return passed;
}
