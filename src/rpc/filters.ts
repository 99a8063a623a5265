// Installed filters: each has a cursor and is polled. Bounded in number and in what they name; one that nobody polls
// is forgotten.
import type { Hash } from "#types/ids.ts";
import { toQuantity } from "./encode.ts";
import { serverError } from "./errors.ts";
import { MAX_LOG_TERMS, type RpcLimits } from "./limits.ts";
import { termsOf } from "./log-index.ts";
import type { LogFilter } from "./log-query.ts";

/** `cursor`: last height (of a pending filter: last number in the ring of hashes) that was answered. */
export type Filter =
  | { readonly kind: "block"; cursor: number }
  | { readonly kind: "logs"; readonly filter: LogFilter; cursor: number }
  | { readonly kind: "pending"; readonly full: boolean; cursor: number };

interface Entry {
  readonly filter: Filter;
  /** Addresses and topics it names. */
  readonly terms: number;
  usedAt: number;
  /** The poll that is being answered, or the last one that was. */
  turn: Promise<unknown>;
}

/** Filters by id, in the order of their last use. */
export interface FilterStore {
  /** Installs a filter and answers its id; the ones idle longest give way. */
  install(filter: Filter): string;
  /** The filter, which counts as a use; throws `filter not found`. */
  use(id: string): Filter;
  /** A use that moves its cursor: one after the other, so that nothing is answered twice. */
  poll<T>(id: string, work: (filter: Filter) => T | Promise<T>): Promise<T>;
  remove(id: string): boolean;
  readonly size: number;
}

/** An id nobody can guess: 16 random bytes as a quantity (geth's form). */
export function randomId(): string {
  return toQuantity(BigInt(`0x${crypto.getRandomValues(new Uint8Array(16)).toHex()}`));
}

/** `now` in milliseconds. */
export function createFilterStore(limits: RpcLimits, now: () => number): FilterStore {
  const entries = new Map<string, Entry>();
  let terms = 0;
  const remove = (id: string): boolean => {
    terms -= entries.get(id)?.terms ?? 0;
    return entries.delete(id);
  };
  const forgetIdle = (): void => {
    const deadline = now() - limits.filterIdle;
    for (const [id, entry] of entries) {
      const fits = entries.size <= limits.maxFilters && terms <= MAX_LOG_TERMS;
      if (fits && entry.usedAt >= deadline) return;
      remove(id);
    }
  };
  const touch = (id: string): Entry => {
    forgetIdle();
    const entry = entries.get(id);
    if (entry === undefined) throw serverError("filter not found");
    entries.delete(id);
    entries.set(id, entry);
    entry.usedAt = now();
    return entry;
  };
  return {
    install(filter) {
      const id = randomId();
      const entry = {
        filter,
        terms: filter.kind === "logs" ? termsOf(filter.filter) : 0,
        usedAt: now(),
        turn: Promise.resolve(),
      };
      entries.set(id, entry);
      terms += entry.terms;
      forgetIdle();
      return id;
    },
    use: (id) => touch(id).filter,
    poll(id, work) {
      const entry = touch(id);
      const done = entry.turn.then(() => work(entry.filter));
      entry.turn = done.catch(() => undefined);
      return done;
    },
    remove,
    get size() {
      return entries.size;
    },
  };
}

/** The youngest hashes of pending transactions, numbered from 1 on. */
export interface HashRing {
  push(hash: Hash): void;
  /** Hashes numbered above `cursor` that are still held, up to the youngest. */
  after(cursor: number): readonly Hash[];
  /** Number of the youngest. */
  readonly last: number;
}

export function createHashRing(capacity: number): HashRing {
  const slots: Hash[] = [];
  let last = 0;
  return {
    push(hash) {
      slots[last % capacity] = hash;
      last++;
    },
    after(cursor) {
      const hashes: Hash[] = [];
      for (let at = Math.max(cursor, last - capacity); at < last; at++) {
        const hash = slots[at % capacity];
        if (hash !== undefined) hashes.push(hash);
      }
      return hashes;
    },
    get last() {
      return last;
    },
  };
}
