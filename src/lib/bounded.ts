// Containers with a named bound: nothing a peer or a client can grow is unbounded.

/** A map that keeps the `capacity` most recently used entries. */
export interface LruMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  has(key: K): boolean;
  delete(key: K): boolean;
  clear(): void;
  readonly size: number;
}

/** A second bound, for values of which some weigh more than others. */
export interface Weight<V> {
  /** What a value weighs; the same each time. */
  of(value: V): number;
  /** Weight of all values together at most. */
  readonly most: number;
  /** As many of the most recently used stay whatever they weigh. */
  readonly spared: number;
}

/** Slot index that stands for "none" in the list of uses. */
const NO_SLOT = -1;

/**
 * An LRU map; `capacity` at least 1, in entries and where given by weight. Uses are a doubly linked list over slots: taking the oldest key of a Map after
 * many deletions is a scan over what was deleted (JavaScriptCore keeps the holes), hence not built on Map's order.
 */
export function createLru<K, V>(capacity: number, weight?: Weight<V>): LruMap<K, V> {
  const slots = new Map<K, number>();
  const keys: K[] = [];
  const values: V[] = [];
  const newer: number[] = [];
  const older: number[] = [];
  const free: number[] = [];
  let newest = NO_SLOT;
  let oldest = NO_SLOT;
  let carried = 0;

  const unlink = (slot: number): void => {
    const after = newer[slot] as number;
    const before = older[slot] as number;
    if (after === NO_SLOT) newest = before;
    else older[after] = before;
    if (before === NO_SLOT) oldest = after;
    else newer[before] = after;
  };
  const pushNewest = (slot: number): void => {
    newer[slot] = NO_SLOT;
    older[slot] = newest;
    if (newest === NO_SLOT) oldest = slot;
    else newer[newest] = slot;
    newest = slot;
  };
  const remove = (key: K): boolean => {
    const slot = slots.get(key);
    if (slot === undefined) return false;
    slots.delete(key);
    unlink(slot);
    if (weight !== undefined) carried -= weight.of(values[slot] as V);
    values[slot] = undefined as V;
    free.push(slot);
    return true;
  };
  const touch = (slot: number): void => {
    if (slot === newest) return;
    unlink(slot);
    pushNewest(slot);
  };
  const load = (value: V, { of, most, spared }: Weight<V>): void => {
    carried += of(value);
    while (carried > most && slots.size > Math.max(1, spared)) remove(keys[oldest] as K);
  };
  return {
    get(key) {
      const slot = slots.get(key);
      if (slot === undefined) return undefined;
      touch(slot);
      return values[slot];
    },
    set(key, value) {
      let slot = slots.get(key);
      if (slot !== undefined) {
        if (weight !== undefined) carried -= weight.of(values[slot] as V);
        values[slot] = value;
        touch(slot);
        if (weight !== undefined) load(value, weight);
        return;
      }
      if (slots.size >= capacity) remove(keys[oldest] as K);
      slot = free.pop() ?? keys.length;
      keys[slot] = key;
      values[slot] = value;
      slots.set(key, slot);
      pushNewest(slot);
      if (weight !== undefined) load(value, weight);
    },
    has: (key) => slots.has(key),
    delete: remove,
    clear() {
      slots.clear();
      for (const list of [keys, values, newer, older, free]) list.length = 0;
      carried = 0;
      newest = NO_SLOT;
      oldest = NO_SLOT;
    },
    get size() {
      return slots.size;
    },
  };
}
