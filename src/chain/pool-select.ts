// The order in which a block takes from the pool: best tip first across senders, by nonce within one, first come
// first among equals. Works on the pool as it is when called and is used up within one proposal.
import { createHeap } from "#lib/heap.ts";
import type { PoolAccount } from "./pool-account.ts";
import { effectiveTip, type PoolEntry } from "./pool-types.ts";
import type { Selection, SelectionLimits } from "./ports.ts";

interface Candidate {
  readonly account: PoolAccount;
  readonly entry: PoolEntry;
  readonly tip: bigint;
  readonly index: number;
}

function compare(a: Candidate, b: Candidate): number {
  if (a.tip !== b.tip) return a.tip > b.tip ? -1 : 1;
  return a.entry.sequence - b.entry.sequence;
}

/** The sender's first entry from `index` on that is not in flight and can pay; undefined ends the sender. */
function candidate(account: PoolAccount, from: number, limits: SelectionLimits): Candidate | undefined {
  let index = from;
  while (index < account.executable && limits.inFlight.has((account.entries[index] as PoolEntry).hash))
    index++;
  if (index >= account.executable) return undefined;
  const entry = account.entries[index] as PoolEntry;
  const tip = effectiveTip(entry, limits.baseFeePerGas);
  const { tx } = entry.signed;
  const affordable = tip >= 0n && (tx.type !== 3 || tx.maxFeePerBlobGas >= limits.blobBaseFee);
  return affordable ? { account, entry, tip, index } : undefined;
}

/** Whether `selectFrom` would give anything. */
export function isAnySelectable(accounts: Iterable<PoolAccount>, limits: SelectionLimits): boolean {
  for (const account of accounts) {
    if (account.executable > 0 && candidate(account, 0, limits) !== undefined) return true;
  }
  return false;
}

/** A walk over the executable transactions of `accounts`. */
export function selectFrom(accounts: Iterable<PoolAccount>, limits: SelectionLimits): Selection {
  const first: Candidate[] = [];
  for (const account of accounts) {
    const found = account.executable === 0 ? undefined : candidate(account, 0, limits);
    if (found !== undefined) first.push(found);
  }
  const heap = createHeap(compare, first);
  const skipped = new Set<PoolAccount["address"]>();
  let last: Candidate | undefined;
  return {
    next() {
      if (last !== undefined && !skipped.has(last.account.address)) {
        const following = candidate(last.account, last.index + 1, limits);
        if (following !== undefined) heap.push(following);
      }
      last = heap.pop();
      return last?.entry.signed;
    },
    skip: (sender) => {
      skipped.add(sender);
    },
  };
}
