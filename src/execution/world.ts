// The state during one block: reads through to a fixed StateReader, keeps writes apart, and can undo each of them.
// A checkpoint is a position in one undo log, so opening one copies nothing. Knows nothing of gas or of the EVM.
import { keccakHash } from "#crypto/hash.ts";
import { assert } from "#lib/assert.ts";
import { EMPTY_BYTES, equalBytes } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { Account, AccountChange, StateChanges } from "#types/account.ts";
import { type Address, address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import type { Log } from "#types/receipt.ts";

/** RIPEMD-160 precompile: stays touched through a revert since mainnet's block 2,675,119 made that the rule. */
const STICKY_TOUCH: Address = address("0x0000000000000000000000000000000000000003");

const NO_ADDRESSES: ReadonlySet<Address> = new Set();

/** One storage slot as the block sees it. */
interface Slot {
  /** Value before the block. */
  readonly base: Uint8Array;
  value: Uint8Array;
  /** Value when transaction `originalSerial` first wrote it (EIP-2200). */
  original: Uint8Array;
  originalSerial: number;
  warmSerial: number;
}

/** One account as the block sees it. Read its fields freely; change them only through the World. */
export interface Entry {
  readonly address: Address;
  readonly before: Account | undefined;
  exists: boolean;
  nonce: bigint;
  balance: bigint;
  codeHash: Hash;
  /** Removed at some point of the block: nothing stored before counts any more. */
  reset: boolean;
  /** Something about it was written in this block, perhaps undone since. */
  dirty: boolean;
  touchedSerial: number;
  slots: Map<Hash, Slot>;
}

type Undo =
  | ({ readonly kind: "account"; readonly entry: Entry; readonly exists: boolean } & Pick<
      Entry,
      "nonce" | "balance" | "codeHash"
    >)
  | { readonly kind: "storage"; readonly slot: Slot; readonly value: Uint8Array }
  | { readonly kind: "wipe"; readonly entry: Entry; readonly slots: Map<Hash, Slot>; readonly reset: boolean }
  | { readonly kind: "touch"; readonly entry: Entry; readonly serial: number }
  | { readonly kind: "warmAddress"; readonly address: Address }
  | { readonly kind: "warmSlot"; readonly slot: Slot; readonly serial: number }
  | { readonly kind: "log" }
  | { readonly kind: "birth"; readonly address: Address }
  | { readonly kind: "destruction"; readonly address: Address };

/** Accounts, slots and warm sets of one block in progress. */
export class World {
  readonly #reader: StateReader;
  readonly #entries = new Map<Address, Entry>();
  readonly #code = new Map<Hash, Uint8Array>();
  readonly #newCode = new Map<Hash, Uint8Array>();
  readonly #log: Undo[] = [];
  #warm = new Map<Address, number>();
  #touched: Entry[] = [];
  #serial = 0;
  #accessed: Map<Address, Set<Hash>> | undefined;
  readonly #created = new Set<Address>();
  #logs: Log[] = [];
  readonly #born = new Set<Address>();
  readonly #destroyed = new Set<Address>();
  readonly #alwaysWarm: ReadonlySet<Address>;

  /** `alwaysWarm`: accounts that every transaction finds warm (precompiles, EIP-2929). */
  constructor(reader: StateReader, alwaysWarm: ReadonlySet<Address> = NO_ADDRESSES) {
    this.#reader = reader;
    this.#alwaysWarm = alwaysWarm;
  }

  /** The account's entry, read on first use. */
  entry(target: Address): Entry {
    const known = this.#entries.get(target);
    if (known !== undefined) return known;
    const before = this.#reader.account(target);
    const entry: Entry = {
      address: target,
      before,
      exists: before !== undefined,
      nonce: before?.nonce ?? 0n,
      balance: before?.balance ?? 0n,
      codeHash: before?.codeHash ?? EMPTY_CODE_HASH,
      reset: false,
      dirty: false,
      touchedSerial: 0,
      slots: new Map(),
    };
    this.#entries.set(target, entry);
    return entry;
  }

  /** Starts a transaction: warm sets, original values and touched accounts begin anew; nothing before can be undone. */
  begin(): void {
    this.#serial++;
    this.#log.length = 0;
    this.#touched.length = 0;
    if (this.#warm.size > 0) this.#warm = new Map();
    this.#logs = [];
    if (this.#born.size > 0) this.#born.clear();
    if (this.#destroyed.size > 0) this.#destroyed.clear();
  }

  /** A position to revert to, valid until the transaction ends or an earlier position is reverted to. */
  checkpoint(): number {
    return this.#log.length;
  }

  /** Undoes everything since `checkpoint`. */
  revert(checkpoint: number): void {
    assert(checkpoint <= this.#log.length, "a checkpoint is not ahead of the log");
    while (this.#log.length > checkpoint) this.#undo(this.#log.pop() as Undo);
  }

  #undo(change: Undo): void {
    switch (change.kind) {
      case "account":
        change.entry.exists = change.exists;
        change.entry.nonce = change.nonce;
        change.entry.balance = change.balance;
        change.entry.codeHash = change.codeHash;
        return;
      case "storage":
        change.slot.value = change.value;
        return;
      case "wipe":
        change.entry.slots = change.slots;
        change.entry.reset = change.reset;
        return;
      case "touch":
        if (change.entry.address !== STICKY_TOUCH) change.entry.touchedSerial = change.serial;
        return;
      case "warmAddress":
        this.#warm.delete(change.address);
        return;
      case "warmSlot":
        change.slot.warmSerial = change.serial;
        return;
      case "log":
        this.#logs.pop();
        return;
      case "birth":
        this.#born.delete(change.address);
        return;
      case "destruction":
        this.#destroyed.delete(change.address);
    }
  }

  /** Sets the account's fields; it exists afterwards and counts as touched (EIP-161). */
  write(entry: Entry, nonce: bigint, balance: bigint, codeHash: Hash): void {
    this.touch(entry);
    this.#log.push({
      kind: "account",
      entry,
      exists: entry.exists,
      nonce: entry.nonce,
      balance: entry.balance,
      codeHash: entry.codeHash,
    });
    entry.exists = true;
    entry.nonce = nonce;
    entry.balance = balance;
    entry.codeHash = codeHash;
    entry.dirty = true;
  }

  setBalance(entry: Entry, balance: bigint): void {
    this.write(entry, entry.nonce, balance, entry.codeHash);
  }

  setNonce(entry: Entry, nonce: bigint): void {
    this.write(entry, nonce, entry.balance, entry.codeHash);
  }

  setCode(entry: Entry, code: Uint8Array): void {
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHash(code);
    if (code.length > 0) this.#newCode.set(codeHash, code);
    this.write(entry, entry.nonce, entry.balance, codeHash);
  }

  /** Marks an account as touched without changing it. */
  touch(entry: Entry): void {
    if (entry.touchedSerial === this.#serial) return;
    this.#log.push({ kind: "touch", entry, serial: entry.touchedSerial });
    entry.touchedSerial = this.#serial;
    this.#touched.push(entry);
  }

  /** Removes the account with all it stored. */
  remove(entry: Entry): void {
    this.wipeStorage(entry);
    this.write(entry, 0n, 0n, EMPTY_CODE_HASH);
    entry.exists = false;
  }

  /** Makes every slot zero, also those never read. */
  wipeStorage(entry: Entry): void {
    this.#log.push({ kind: "wipe", entry, slots: entry.slots, reset: entry.reset });
    entry.slots = new Map();
    entry.reset = true;
    entry.dirty = true;
  }

  /** EIP-161: removes the accounts that this transaction touched and left empty. */
  removeEmptyTouched(): void {
    for (const entry of this.#touched) {
      if (entry.touchedSerial === this.#serial && entry.exists && isEmpty(entry)) this.remove(entry);
    }
  }

  /** Code of an account; empty without. */
  code(entry: Entry): Uint8Array {
    if (entry.codeHash === EMPTY_CODE_HASH) return EMPTY_BYTES;
    const known = this.#newCode.get(entry.codeHash) ?? this.#code.get(entry.codeHash);
    if (known !== undefined) return known;
    const code = this.#reader.code(entry.codeHash);
    this.#code.set(entry.codeHash, code);
    return code;
  }

  #slot(entry: Entry, key: Hash): Slot {
    const known = entry.slots.get(key);
    if (known !== undefined) return known;
    const base =
      entry.reset || entry.before === undefined ? EMPTY_BYTES : this.#reader.storage(entry.address, key);
    const slot: Slot = { base, value: base, original: base, originalSerial: 0, warmSerial: 0 };
    entry.slots.set(key, slot);
    return slot;
  }

  /** Current value of a slot: big-endian without leading zeros. */
  storage(entry: Entry, key: Hash): Uint8Array {
    return this.#slot(entry, key).value;
  }

  /** Value of a slot when the transaction began (EIP-2200). */
  originalStorage(entry: Entry, key: Hash): Uint8Array {
    const slot = this.#slot(entry, key);
    return slot.originalSerial === this.#serial ? slot.original : slot.value;
  }

  /** Sets a slot; `value` is big-endian without leading zeros. */
  setStorage(entry: Entry, key: Hash, value: Uint8Array): void {
    const slot = this.#slot(entry, key);
    if (slot.originalSerial !== this.#serial) {
      slot.original = slot.value;
      slot.originalSerial = this.#serial;
    }
    this.#log.push({ kind: "storage", slot, value: slot.value });
    slot.value = value;
    entry.dirty = true;
  }

  /** Whether any slot is non-zero (EIP-7610). */
  hasStorage(entry: Entry): boolean {
    for (const slot of entry.slots.values()) if (slot.value.length > 0) return true;
    if (entry.reset || entry.before === undefined) return false;
    return this.#reader.hasStorage(entry.address);
  }

  isWarm(target: Address): boolean {
    return this.#warm.has(target) || this.#alwaysWarm.has(target);
  }

  warm(target: Address): void {
    if (this.isWarm(target)) return;
    this.#warm.set(target, this.#serial);
    this.#log.push({ kind: "warmAddress", address: target });
    if (this.#accessed !== undefined && !this.#accessed.has(target)) this.#accessed.set(target, new Set());
  }

  isWarmSlot(target: Address, key: Hash): boolean {
    return this.#slot(this.entry(target), key).warmSerial === this.#serial;
  }

  warmSlot(target: Address, key: Hash): void {
    this.warm(target);
    const slot = this.#slot(this.entry(target), key);
    if (slot.warmSerial === this.#serial) return;
    this.#log.push({ kind: "warmSlot", slot, serial: slot.warmSerial });
    slot.warmSerial = this.#serial;
    if (this.#accessed === undefined) return;
    const keys = this.#accessed.get(target);
    if (keys === undefined) this.#accessed.set(target, new Set([key]));
    else keys.add(key);
  }

  /** Notes from now on what is found cold, also by frames that are undone later. */
  recordAccesses(): void {
    this.#accessed = new Map();
  }

  /** What was noted: slots by account. */
  accessed(): ReadonlyMap<Address, ReadonlySet<Hash>> {
    return this.#accessed ?? new Map();
  }

  /** Adds to what the transaction logs. */
  addLog(log: Log): void {
    this.#logs.push(log);
    this.#log.push({ kind: "log" });
  }

  /** What the transaction logged and did not undo. */
  logs(): readonly Log[] {
    return this.#logs;
  }

  /** Notes that a contract is being made at an address. */
  noteCreation(entry: Entry): void {
    this.#created.add(entry.address);
    if (this.#born.has(entry.address)) return;
    this.#born.add(entry.address);
    this.#log.push({ kind: "birth", address: entry.address });
  }

  /** Whether the transaction made a contract there, and did not undo it (EIP-6780). */
  isBorn(target: Address): boolean {
    return this.#born.has(target);
  }

  /** Notes that a contract asked to be removed at the end of the transaction. */
  noteDestruction(target: Address): void {
    if (this.#destroyed.has(target)) return;
    this.#destroyed.add(target);
    this.#log.push({ kind: "destruction", address: target });
  }

  isDestroyed(target: Address): boolean {
    return this.#destroyed.has(target);
  }

  /** The contracts that asked to be removed. */
  destroyed(): ReadonlySet<Address> {
    return this.#destroyed;
  }

  /** Where contracts were made, also by frames that were undone later. */
  created(): ReadonlySet<Address> {
    return this.#created;
  }

  /** What the block changed so far, free of writes that left things as they were. */
  changes(): StateChanges {
    const accounts = new Map<Address, AccountChange>();
    const code = new Map<Hash, Uint8Array>();
    for (const entry of this.#entries.values()) {
      if (!entry.dirty) continue;
      const change = changeOf(entry);
      if (change === undefined) continue;
      accounts.set(entry.address, change);
      const created = this.#newCode.get(entry.codeHash);
      if (entry.exists && created !== undefined && entry.codeHash !== entry.before?.codeHash) {
        code.set(entry.codeHash, created);
      }
    }
    return { accounts, code };
  }
}

/** EIP-161: no code, no nonce, no balance. */
export function isEmpty(entry: Entry): boolean {
  return entry.nonce === 0n && entry.balance === 0n && entry.codeHash === EMPTY_CODE_HASH;
}

function changeOf(entry: Entry): AccountChange | undefined {
  const { before } = entry;
  if (!entry.exists) {
    return before === undefined ? undefined : { account: undefined, reset: true, storage: new Map() };
  }
  const reset = entry.reset && before !== undefined;
  const storage = new Map<Hash, Uint8Array>();
  for (const [key, slot] of entry.slots) {
    if (!equalBytes(slot.value, reset ? EMPTY_BYTES : slot.base)) storage.set(key, slot.value);
  }
  const same =
    before !== undefined &&
    before.nonce === entry.nonce &&
    before.balance === entry.balance &&
    before.codeHash === entry.codeHash;
  if (same && !reset && storage.size === 0) return undefined;
  const account = { nonce: entry.nonce, balance: entry.balance, codeHash: entry.codeHash };
  return { account, reset, storage };
}
