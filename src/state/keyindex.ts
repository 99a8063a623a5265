// Key → SN of the committed state: open addressing in flat typed arrays, 256 shards that grow one at a time.
// Holds 64-bit fingerprints and SNs modulo 2^32; confirming a hit against the full key is the caller's business.
import { assert } from "#lib/assert.ts";

const SHARDS = 256;
/** Words of an entry: high and low fingerprint, SN modulo 2^32. An entry with a zero fingerprint is free. */
const WORDS = 3;
const MIN_CAPACITY = 16;
/** Entries per slot at which a shard grows, and by how much: 14 to 18 bytes a key. */
const MAX_LOAD = 0.85;
const GROWTH = 1.25;
const U32 = 0x1_0000_0000;

export interface KeyIndex {
  /** Keys held. */
  readonly size: number;
  /** All SNs are at or above `floor`: makes stored remainders absolute. */
  setFloor(floor: number): void;
  /**
   * Absolute SN of the `nth` entry with this fingerprint (0 first), or -1. More than one is a collision of
   * fingerprints, and at most one of them is the key that is sought.
   */
  find(high: number, low: number, nth: number): number;
  insert(high: number, low: number, sn: number): void;
  /** Points the entry at `from` to `to`; throws if there is none. */
  replace(high: number, low: number, from: number, to: number): void;
  /** Removes the entry at `sn`; throws if there is none. */
  remove(high: number, low: number, sn: number): void;
  /** The shards for a checkpoint file: raw entries, in order. */
  dump(): readonly Uint32Array[];
  /** Replaces the content by shards of an earlier dump; false if they cannot be one. */
  load(shards: readonly Uint32Array[]): boolean;
  clear(): void;
}

interface Shard {
  entries: Uint32Array;
  capacity: number;
  count: number;
}

function emptyShard(capacity: number): Shard {
  return { entries: new Uint32Array(capacity * WORDS), capacity, count: 0 };
}

/** Slot a fingerprint would like: monotone in `low`, so growing a shard is one pass. */
function home(low: number, capacity: number): number {
  return Math.floor((low / U32) * capacity);
}

function place(shard: Shard, high: number, low: number, word: number): void {
  const { entries, capacity } = shard;
  let slot = home(low, capacity);
  while (entries[slot * WORDS] !== 0 || entries[slot * WORDS + 1] !== 0) {
    slot = slot + 1 === capacity ? 0 : slot + 1;
  }
  const at = slot * WORDS;
  entries[at] = high;
  entries[at + 1] = low;
  entries[at + 2] = word;
  shard.count++;
}

function grow(shard: Shard): void {
  const old = shard.entries;
  const oldCapacity = shard.capacity;
  shard.capacity = Math.ceil(oldCapacity * GROWTH);
  shard.entries = new Uint32Array(shard.capacity * WORDS);
  shard.count = 0;
  for (let at = 0; at < oldCapacity * WORDS; at += WORDS) {
    const high = old[at] as number;
    const low = old[at + 1] as number;
    if (high !== 0 || low !== 0) place(shard, high, low, old[at + 2] as number);
  }
}

/** Frees a slot by moving later entries of its run back (no tombstones). */
function vacate(shard: Shard, hole: number): void {
  const { entries, capacity } = shard;
  let next = hole;
  for (;;) {
    next = next + 1 === capacity ? 0 : next + 1;
    const high = entries[next * WORDS] as number;
    const low = entries[next * WORDS + 1] as number;
    if (high === 0 && low === 0) break;
    const wish = home(low, capacity);
    const stays = hole <= next ? hole < wish && wish <= next : hole < wish || wish <= next;
    if (stays) continue;
    entries.copyWithin(hole * WORDS, next * WORDS, next * WORDS + WORDS);
    hole = next;
  }
  entries.fill(0, hole * WORDS, hole * WORDS + WORDS);
  shard.count--;
}

/** An empty index. */
export function createKeyIndex(): KeyIndex {
  let shards: Shard[] = Array.from({ length: SHARDS }, () => emptyShard(MIN_CAPACITY));
  let size = 0;
  let floor = 0;
  let floorWord = 0;

  const absolute = (word: number): number => floor + ((word - floorWord) >>> 0);
  const shardOf = (high: number): Shard => shards[high >>> 24] as Shard;

  /** Slot of the entry with this fingerprint and SN, or -1. */
  const locate = (shard: Shard, high: number, low: number, sn: number): number => {
    const { entries, capacity } = shard;
    const word = sn % U32;
    let slot = home(low, capacity);
    for (;;) {
      const at = slot * WORDS;
      if (entries[at + 1] === low && entries[at] === high && entries[at + 2] === word) return slot;
      if (entries[at] === 0 && entries[at + 1] === 0) return -1;
      slot = slot + 1 === capacity ? 0 : slot + 1;
    }
  };

  return {
    get size() {
      return size;
    },
    setFloor(value) {
      floor = value;
      floorWord = value % U32;
    },
    find(high, low, nth) {
      const { entries, capacity } = shardOf(high);
      let slot = home(low, capacity);
      for (;;) {
        const at = slot * WORDS;
        const h = entries[at];
        const l = entries[at + 1];
        if (h === high && l === low) {
          if (nth === 0) return absolute(entries[at + 2] as number);
          nth--;
        } else if (h === 0 && l === 0) {
          return -1;
        }
        slot = slot + 1 === capacity ? 0 : slot + 1;
      }
    },
    insert(high, low, sn) {
      const shard = shardOf(high);
      if (shard.count + 1 > shard.capacity * MAX_LOAD) grow(shard);
      place(shard, high, low, sn % U32);
      size++;
    },
    replace(high, low, from, to) {
      const shard = shardOf(high);
      const slot = locate(shard, high, low, from);
      if (slot < 0) assert(false, `the index holds SN ${from}`);
      shard.entries[slot * WORDS + 2] = to % U32;
    },
    remove(high, low, sn) {
      const shard = shardOf(high);
      const slot = locate(shard, high, low, sn);
      if (slot < 0) assert(false, `the index holds SN ${sn}`);
      vacate(shard, slot);
      size--;
    },
    dump: () => shards.map((shard) => shard.entries),
    load(dumped) {
      if (dumped.length !== SHARDS) return false;
      const loaded: Shard[] = [];
      for (const entries of dumped) {
        const capacity = entries.length / WORDS;
        if (!Number.isInteger(capacity) || capacity < MIN_CAPACITY) return false;
        let count = 0;
        for (let at = 0; at < entries.length; at += WORDS) {
          if (entries[at] !== 0 || entries[at + 1] !== 0) count++;
        }
        if (count > capacity * MAX_LOAD) return false;
        loaded.push({ entries, capacity, count });
      }
      shards = loaded;
      size = loaded.reduce((sum, shard) => sum + shard.count, 0);
      return true;
    },
    clear() {
      shards = Array.from({ length: SHARDS }, () => emptyShard(MIN_CAPACITY));
      size = 0;
    },
  };
}
