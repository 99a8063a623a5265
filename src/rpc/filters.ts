// Installed filters: each has a cursor and is polled. Bounded in number; one that nobody polls is forgotten.
import type { Hash } from "#types/ids.ts";
import { toQuantity } from "./encode.ts";
import { serverError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import type { LogFilter } from "./log-query.ts";

/** `cursor`: last height (of a pending filter: last number in the ring of hashes) that was answered. */
export type Filter =
  | { readonly kind: "block"; cursor: number }
  | { readonly kind: "logs"; readonly filter: LogFilter; cursor: number }
  | { readonly kind: "pending"; readonly full: boolean; cursor: number };

interface Entry {
  readonly filter: Filter;
  usedAt: number;
}

/** Filters by id, in the order of their last use. */
export interface FilterStore {
  /** Installs a filter and answers its id. */
  install(filter: Filter): string;
  /** The filter, which counts as a use; throws `filter not found`. */
  use(id: string): Filter;
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
  const forgetIdle = (): void => {
    const deadline = now() - limits.filterIdle;
    for (const [id, entry] of entries) {
      if (entry.usedAt >= deadline && entries.size <= limits.maxFilters) return;
      entries.delete(id);
    }
  };
  return {
    install(filter) {
      const id = randomId();
      entries.set(id, { filter, usedAt: now() });
      forgetIdle();
      return id;
    },
    use(id) {
      forgetIdle();
      const entry = entries.get(id);
      if (entry === undefined) throw serverError("filter not found");
      entries.delete(id);
      entries.set(id, entry);
      entry.usedAt = now();
      return entry.filter;
    },
    remove: (id) => entries.delete(id),
    get size() {
      return entries.size;
    },
  };
}

/** The youngest hashes of pending transactions, numbered from 1 on. */
export interface HashRing {
  push(hash: Hash): void;
  /** Hashes numbered above `cursor` that are still held. */
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
