// Making room in a full pool: first transactions behind a gap, of whoever was inactive longest; then the cheapest
// last transactions, of senders above their guaranteed slots before others. Only says who goes; removes nothing.

import { createHeap } from "#lib/heap.ts";
import type { Address } from "#types/ids.ts";
import type { PoolAccount } from "./pool-account.ts";
import { effectiveTip, type PoolEntry, type PoolOptions } from "./pool-types.ts";

/** Running sums over the whole pool. */
export interface PoolTotals {
  count: number;
  executable: number;
  /** Wire bytes. */
  bytes: number;
}

export interface Victim {
  readonly account: PoolAccount;
  readonly entry: PoolEntry;
}

/** Share of the pool that is freed at once, so that a full pool is not searched for every newcomer. */
const BATCH_SHARE = 64;

interface Candidate {
  readonly account: PoolAccount;
  /** Entries left if those after it go. */
  readonly left: number;
  readonly entry: PoolEntry;
  readonly tip: bigint;
}

/** Takes the oldest inactive senders' transactions behind a gap. */
function fromQueues(accounts: Iterable<PoolAccount>, wanted: number): readonly Victim[] {
  const waiting = [...accounts].filter(({ entries, executable }) => entries.length > executable);
  waiting.sort((a, b) => a.lastActive - b.lastActive || (a.address < b.address ? -1 : 1));
  const victims: Victim[] = [];
  for (const account of waiting) {
    for (let i = account.entries.length - 1; i >= account.executable; i--) {
      if (victims.length >= wanted) return victims;
      victims.push({ account, entry: account.entries[i] as PoolEntry });
    }
  }
  return victims;
}

function compare(accountSlots: number): (a: Candidate, b: Candidate) => number {
  return (a, b) => {
    const aOver = a.left > accountSlots;
    if (aOver !== b.left > accountSlots) return aOver ? -1 : 1;
    if (a.tip !== b.tip) return a.tip < b.tip ? -1 : 1;
    return b.entry.sequence - a.entry.sequence;
  };
}

/** Takes the cheapest last transactions that pay less than `tip`, until both amounts are freed. */
function cheapest(
  accounts: Iterable<PoolAccount>,
  spare: Address,
  tip: bigint,
  wanted: { readonly count: number; readonly bytes: number },
  options: PoolOptions,
  baseFeePerGas: bigint,
): readonly Victim[] {
  const at = (account: PoolAccount, left: number): Candidate | undefined => {
    const entry = account.entries[left - 1];
    return entry && { account, left, entry, tip: effectiveTip(entry, baseFeePerGas) };
  };
  const first = [...accounts]
    .filter(({ address }) => address !== spare)
    .map((account) => at(account, account.entries.length))
    .filter((candidate) => candidate !== undefined);
  const heap = createHeap(compare(options.accountSlots), first);
  const victims: Victim[] = [];
  let bytes = 0;
  while (victims.length < wanted.count || bytes < wanted.bytes) {
    const candidate = heap.pop();
    if (candidate === undefined) break;
    // A sender above its slots may pay more than the newcomer: others may still pay less.
    if (candidate.tip >= tip) continue;
    victims.push(candidate);
    bytes += candidate.entry.signed.raw.length;
    const next = at(candidate.account, candidate.left - 1);
    if (next !== undefined) heap.push(next);
  }
  return victims;
}

/** What a newcomer adds to the pool: a replacement adds no place, and the bytes by which it is longer. */
export interface Growth {
  readonly count: number;
  readonly bytes: number;
}

/** Whether the bounds of the whole pool leave no room for `growth`. */
export function isFull(totals: PoolTotals, options: PoolOptions, growth: Growth): boolean {
  return (
    totals.count + growth.count > options.globalSlots + options.globalQueue ||
    totals.bytes + growth.bytes > options.globalBytes
  );
}

/** Who has to go so that `entry` fits a full pool; undefined when too few pay less than it does. */
export function roomByPrice(
  accounts: ReadonlyMap<Address, PoolAccount>,
  totals: PoolTotals,
  options: PoolOptions,
  entry: PoolEntry,
  growth: Growth,
  baseFeePerGas: bigint,
): readonly Victim[] | undefined {
  const limit = options.globalSlots + options.globalQueue;
  const overCount = totals.count + growth.count - limit;
  const overBytes = totals.bytes + growth.bytes - options.globalBytes;
  const wanted = {
    count: overCount <= 0 ? 0 : Math.max(overCount, Math.ceil(limit / BATCH_SHARE)),
    bytes: overBytes <= 0 ? 0 : Math.max(overBytes, Math.ceil(options.globalBytes / BATCH_SHARE)),
  };
  const tip = effectiveTip(entry, baseFeePerGas);
  const victims = cheapest(accounts.values(), entry.signed.sender, tip, wanted, options, baseFeePerGas);
  const freed = victims.reduce((sum, victim) => sum + victim.entry.signed.raw.length, 0);
  return victims.length >= overCount && freed >= overBytes ? victims : undefined;
}

/** The least that the last transaction of any sender pays per gas. */
export function leastTailTip(accounts: Iterable<PoolAccount>, baseFeePerGas: bigint): bigint | undefined {
  let least: bigint | undefined;
  for (const { entries } of accounts) {
    const last = entries.at(-1);
    if (last === undefined) continue;
    const tip = effectiveTip(last, baseFeePerGas);
    if (least === undefined || tip < least) least = tip;
  }
  return least;
}

/** Who has to go so that one more transaction fits behind the gaps. */
export function roomInQueue(
  accounts: ReadonlyMap<Address, PoolAccount>,
  totals: PoolTotals,
  options: PoolOptions,
): readonly Victim[] {
  const over = totals.count - totals.executable + 1 - options.globalQueue;
  if (over <= 0) return [];
  return fromQueues(accounts.values(), Math.max(over, Math.ceil(options.globalQueue / BATCH_SHARE)));
}
