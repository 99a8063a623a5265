// StateReader over three things: the committed state in memory, a batch above it, and an old height through the
// history index. Owns caches of decoded values; decides nothing about what is committed.
import { keccakHash } from "#crypto/hash.ts";
import { createLru } from "#lib/bounded.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, bytesOf, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import { type Base, findKey, type Layer, type View, viewOf } from "./base.ts";
import {
  accountKey,
  decodeAccount,
  OP_KEY,
  opIsLive,
  opValue,
  type StoredAccount,
  sameHash,
  slotKey,
  slotPreimage,
} from "./format.ts";
import type { HistoryReader } from "./history.ts";
import type { OpLog } from "./log.ts";
import type { Store } from "./store.ts";
import type { StateReader } from "./types.ts";

/** Decoded accounts and slots kept: about 300 bytes an entry. */
const CACHED_ACCOUNTS = 32_768;
const CACHED_SLOTS = 65_536;
/** Code kept, in pieces and in bytes: a local chain may have no limit on the size of one. */
const CACHED_CODE = 512;
const CACHED_CODE_BYTES: number = CACHED_CODE * 24 * 1024;
/** Storage keys looked at in one query while searching for a live one. */
const PAGE = 256;

const PRUNED_SN = "SELECT pruned_sn FROM meta";
const ROLLBACKS = "SELECT rollbacks FROM meta";

/** How many rollbacks there were. After another one, SNs may stand for other ops: the cache of ops is dropped. */
function rollbacksOf({ store, log }: HistorySource): number {
  const rollbacks = store.prepare(ROLLBACKS).get()?.[0] as number;
  if (rollbacks !== log.rollbacks) log.forget();
  log.rollbacks = rollbacks;
  return rollbacks;
}

/** A StateReader that also tells incarnations. */
export interface RecordReader extends StateReader {
  record(address: Address): StoredAccount | undefined;
}

/** The committed state, with caches that follow each fold. */
export interface LatestReader extends RecordReader {
  /** Takes over what a folded layer changed. */
  follow(layer: Layer): void;
  forget(): void;
}

/** Reads code by hash; missing code is corruption. */
export function openCode(store: Store): (codeHash: Hash) => Uint8Array {
  const select = store.prepare("SELECT code FROM code WHERE hash = ?");
  const cache = createLru<Hash, Uint8Array>(CACHED_CODE, {
    of: ({ length }) => length,
    most: CACHED_CODE_BYTES,
    spared: 1,
  });
  return (codeHash) => {
    if (codeHash === EMPTY_CODE_HASH) return EMPTY_BYTES;
    const held = cache.get(codeHash);
    if (held !== undefined) return held;
    const code = select.get(bytesOf(codeHash))?.[0];
    if (!(code instanceof Uint8Array)) throw store.corrupt(`code ${codeHash} is missing`);
    if (keccakHash(code) !== codeHash) throw store.corrupt(`code ${codeHash} was changed`);
    cache.set(codeHash, code);
    return code;
  };
}

/** Calls `visit` with preimage and key of every slot key of one incarnation in `table` until it returns true. */
function someSlot(
  store: Store,
  table: "keys" | "gone",
  { address, incarnation }: { readonly address: Address; readonly incarnation: number },
  visit: (preimage: Uint8Array, key: Uint8Array) => boolean,
): boolean {
  // A key may have gone more than once.
  const page = store.prepare(
    `SELECT preimage, key FROM ${table} WHERE preimage > ? AND preimage <= ? GROUP BY preimage
       ORDER BY preimage LIMIT ${PAGE}`,
  );
  const all = slotPreimage(address, incarnation, `0x${"ff".repeat(32)}` as Hash);
  let from: Uint8Array = all.slice(0, 28);
  for (;;) {
    const rows = page.all(from, all);
    for (const [preimage, key] of rows) {
      if (visit(preimage as Uint8Array, key as Uint8Array)) return true;
      from = preimage as Uint8Array;
    }
    if (rows.length < PAGE) return false;
  }
}

/** The committed state of `base`. */
export function openLatest(base: Base, code: (codeHash: Hash) => Uint8Array): LatestReader {
  const accounts = createLru<Address, StoredAccount | null>(CACHED_ACCOUNTS);
  const slots = createLru<string, Uint8Array>(CACHED_SLOTS);
  const slotName = (address: Address, incarnation: number, slot: Hash): string =>
    `${address}${slot}${incarnation}`;
  let view: View = viewOf(base, undefined);

  const record = (address: Address): StoredAccount | undefined => {
    const held = accounts.get(address);
    if (held !== undefined) return held ?? undefined;
    const found = findKey(view, accountKey(address));
    const account = found === undefined ? null : decodeAccount(opValue(found.op));
    accounts.set(address, account);
    return account ?? undefined;
  };
  return {
    record,
    account: record,
    storage(address, slot) {
      const account = record(address);
      if (account === undefined) return EMPTY_BYTES;
      const name = slotName(address, account.incarnation, slot);
      const held = slots.get(name);
      if (held !== undefined) return held;
      const found = findKey(view, slotKey(address, account.incarnation, slot));
      const value = found === undefined ? EMPTY_BYTES : opValue(found.op);
      slots.set(name, value);
      return value;
    },
    code,
    hasStorage(address) {
      const account = record(address);
      return account !== undefined && someSlot(base.store, "keys", { address, ...account }, () => true);
    },
    follow(layer) {
      view = viewOf(base, undefined);
      // What a block writes it mostly read before; only what is held must follow.
      for (const [address, account] of layer.accounts) {
        if (accounts.has(address)) accounts.set(address, account ?? null);
        if (account === undefined) continue;
        for (const [slot, value] of layer.slots.get(address) ?? []) {
          const name = slotName(address, account.incarnation, slot);
          if (slots.has(name)) slots.set(name, value);
        }
      }
    },
    forget() {
      view = viewOf(base, undefined);
      accounts.clear();
      slots.clear();
    },
  };
}

/** What a batch's reader stands on: unfolded layers, newest first, over a reader. */
export interface Ground {
  readonly layers: readonly Layer[];
  readonly below: RecordReader;
}

/** Reads through the layers that `ground` finds now. */
export function openBatchReader(store: Store, ground: () => Ground): RecordReader {
  const record = (address: Address): StoredAccount | undefined => {
    const { layers, below } = ground();
    for (const { accounts } of layers) {
      if (accounts.has(address)) return accounts.get(address);
    }
    return below.record(address);
  };
  const storage = (address: Address, slot: Hash): Uint8Array => {
    const { layers, below } = ground();
    for (const { accounts, slots, reset } of layers) {
      const value = slots.get(address)?.get(slot);
      if (value !== undefined) return value;
      if (reset.has(address)) return EMPTY_BYTES;
      if (accounts.has(address) && accounts.get(address) === undefined) return EMPTY_BYTES;
    }
    return below.storage(address, slot);
  };
  return {
    record,
    account: record,
    storage,
    code(codeHash) {
      const { layers, below } = ground();
      for (const { code } of layers) {
        const held = code.get(codeHash);
        if (held !== undefined) return held;
      }
      return below.code(codeHash);
    },
    hasStorage(address) {
      const { layers, below } = ground();
      const written = new Set<string>();
      for (const { slots, reset } of layers) {
        for (const [slot, value] of slots.get(address) ?? []) {
          if (value.length > 0 && !written.has(slot)) return true;
          written.add(slot);
        }
        if (reset.has(address)) return false;
      }
      if (written.size === 0) return below.hasStorage(address);
      const account = below.record(address);
      if (account === undefined) return false;
      return someSlot(store, "keys", { address, ...account }, (preimage) => {
        const slot = `0x${preimage.subarray(28).toHex()}`;
        return !written.has(slot) && below.storage(address, slot as Hash).length > 0;
      });
    },
  };
}

/** What reads of old states need; the same for the owner and for read-only connections. */
export interface HistorySource {
  readonly store: Store;
  readonly log: OpLog;
  readonly history: HistoryReader;
  readonly code: (codeHash: Hash) => Uint8Array;
}

/** SN of the last op of `key` below `bound`; -1 if there is none, or only one that no held state needs. */
export function lastBefore({ store, log, history }: HistorySource, key: Uint8Array, bound: number): number {
  const prunedSN = store.prepare(PRUNED_SN).get()?.[0] as number;
  for (;;) {
    const sn = history.before(key, bound);
    if (sn < prunedSN) return -1;
    if (sameHash(log.op(sn), OP_KEY, key, 0)) return sn;
    bound = sn;
  }
}

/** The value of `key` in the state whose log ends before `bound`; undefined when absent. */
export function valueBefore(source: HistorySource, key: Uint8Array, bound: number): Uint8Array | undefined {
  const sn = lastBefore(source, key, bound);
  if (sn < 0) return undefined;
  const op = source.log.op(sn);
  return opIsLive(op) ? opValue(op) : undefined;
}

/** The state of the block at `height`, read through history. Throws STATE_PRUNED or STATE_UNKNOWN. */
export function openAt(source: HistorySource, height: number): RecordReader {
  const { store } = source;
  const [bound, oldest] =
    store.prepare("SELECT next_sn, (SELECT oldest FROM meta) FROM blocks WHERE height = ?").get(height) ?? [];
  if (typeof bound !== "number") {
    throw new KoraError(`no block at height ${height}`, { code: "STATE_UNKNOWN", details: { height } });
  }
  const check = (): void => {
    const held = store.prepare("SELECT oldest FROM meta").get()?.[0] as number;
    if (height < held) throw pruned(height, held);
  };
  if (height < (oldest as number)) throw pruned(height, oldest as number);
  const rollbacks = rollbacksOf(source);
  const record = (address: Address): StoredAccount | undefined =>
    reading(() => {
      const value = valueBefore(source, accountKey(address), bound);
      return value === undefined ? undefined : decodeAccount(value);
    });
  const reading = <T>(work: () => T): T =>
    store.read(() => {
      if (rollbacksOf(source) !== rollbacks) {
        throw new KoraError(`the chain was rolled back while its state at ${height} was read`, {
          code: "STATE_UNKNOWN",
          details: { height },
        });
      }
      try {
        return work();
      } catch (error) {
        // A prune may have passed by since this reader was made.
        check();
        throw error;
      }
    });
  return {
    record,
    account: record,
    storage: (address, slot) =>
      reading(() => {
        const account = record(address);
        if (account === undefined) return EMPTY_BYTES;
        return valueBefore(source, slotKey(address, account.incarnation, slot), bound) ?? EMPTY_BYTES;
      }),
    code: source.code,
    hasStorage: (address) =>
      reading(() => {
        const account = record(address);
        if (account === undefined) return false;
        const alive = (_: Uint8Array, key: Uint8Array): boolean =>
          valueBefore(source, key, bound) !== undefined;
        const slots = { address, ...account };
        return someSlot(store, "keys", slots, alive) || someSlot(store, "gone", slots, alive);
      }),
  };
}

/** The refusal to read a state that is no longer held. */
export function pruned(height: number, oldest: number): KoraError {
  return new KoraError(`the state at height ${height} is pruned; the oldest held is ${oldest}`, {
    code: "STATE_PRUNED",
    hint: 'ask for a later height, or a node with history = "archive"',
    details: { height, oldest },
  });
}
