// A plain-map model of the state, random blocks over it, and records of blocks with real headers.
import { keccakHash } from "#crypto/hash.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { BlockRecord } from "#state/types.ts";
import type { AccountChange, StateChanges } from "#types/account.ts";
import { encodeHeader } from "#types/header.ts";
import {
  type Address,
  address,
  EMPTY_CODE_HASH,
  EMPTY_OMMERS_HASH,
  EMPTY_TRIE_ROOT,
  type Hash,
  hash,
  height,
  ZERO_ADDRESS,
  ZERO_HASH,
} from "#types/ids.ts";
import type { Rng } from "../support/rng.ts";
import { referenceAccountKey, referenceAccountValue, referenceSlotKey } from "./reference.ts";

export interface ModelAccount {
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly codeHash: Hash;
  readonly incarnation: number;
  readonly storage: ReadonlyMap<Hash, Uint8Array>;
}
export interface Model {
  readonly height: number;
  readonly accounts: ReadonlyMap<Address, ModelAccount>;
  /** What the log holds: accounts, slots, and slots of dead incarnations, hex key to hex value. */
  readonly values: ReadonlyMap<string, string>;
}
export const EMPTY_MODEL: Model = { height: -1, accounts: new Map(), values: new Map() };

export function addressAt(i: number): Address {
  return address(`0x${(i + 1).toString(16).padStart(40, "a0")}`);
}
export function slotAt(i: number): Hash {
  return hash(`0x${i.toString(16).padStart(64, "0")}`);
}

function randomValue(rng: Rng): Uint8Array {
  if (rng.chance(0.3)) return EMPTY_BYTES;
  const bytes = rng.bytes(1 + rng.below(32));
  bytes[0] = 1 + rng.below(255);
  return bytes;
}

function randomStorage(rng: Rng, span: number): Map<Hash, Uint8Array> {
  const storage = new Map<Hash, Uint8Array>();
  for (let i = rng.below(6); i > 0; i--) storage.set(slotAt(rng.below(span)), randomValue(rng));
  return storage;
}

/** A random block over `model`: creations, updates, removals, removal and re-creation, slots written and cleared. */
export function randomChanges(rng: Rng, model: Model, size: number, span: number): StateChanges {
  const accounts = new Map<Address, AccountChange>();
  const code = new Map<Hash, Uint8Array>();
  for (let i = 0; i < size; i++) {
    const who = addressAt(rng.below(span));
    const old = model.accounts.get(who);
    const roll = rng.unit();
    if (old !== undefined && roll < 0.2) {
      accounts.set(who, { account: undefined, reset: true, storage: new Map() });
      continue;
    }
    let codeHash = old?.codeHash ?? EMPTY_CODE_HASH;
    if (rng.chance(0.1)) {
      const bytes = rng.bytes(1 + rng.below(40));
      codeHash = keccakHash(bytes);
      code.set(codeHash, bytes);
    }
    const account =
      rng.chance(0.2) && old !== undefined
        ? { nonce: old.nonce, balance: old.balance, codeHash: old.codeHash }
        : { nonce: BigInt(rng.u32()), balance: BigInt(rng.u32()) ** BigInt(rng.below(7)), codeHash };
    accounts.set(who, { account, reset: roll < 0.35, storage: randomStorage(rng, span) });
  }
  return { accounts, code };
}

/** The model after a block at `at` with `changes`. */
export function applyChanges(model: Model, at: number, changes: StateChanges): Model {
  const accounts = new Map(model.accounts);
  const values = new Map(model.values);
  for (const [who, change] of changes.accounts) {
    const old = model.accounts.get(who);
    if (change.account === undefined) {
      accounts.delete(who);
      values.delete(referenceAccountKey(who));
      continue;
    }
    const fresh = old === undefined || change.reset;
    const incarnation = fresh ? at : old.incarnation;
    const storage = new Map(fresh ? [] : old.storage);
    for (const [slot, value] of change.storage) {
      const key = referenceSlotKey(who, incarnation, slot);
      if (value.length === 0) {
        storage.delete(slot);
        values.delete(key);
      } else {
        storage.set(slot, value);
        values.set(key, value.toHex());
      }
    }
    const { nonce, balance, codeHash } = change.account;
    accounts.set(who, { nonce, balance, codeHash, incarnation, storage });
    values.set(referenceAccountKey(who), referenceAccountValue(nonce, balance, codeHash, incarnation));
  }
  return { height: at, accounts, values };
}

/** A record with a real header around `root`. */
export function recordOf(
  at: number,
  root: Hash,
  parentHash: Hash,
  extra: Partial<BlockRecord> = {},
): BlockRecord {
  const header = encodeHeader({
    parentHash,
    ommersHash: EMPTY_OMMERS_HASH,
    coinbase: ZERO_ADDRESS,
    stateRoot: root,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: new Uint8Array(256),
    difficulty: 0n,
    number: height(at),
    gasLimit: 30_000_000n,
    gasUsed: 0n,
    timestamp: 1_700_000_000 + at,
    extraData: EMPTY_BYTES,
    mixHash: ZERO_HASH,
    nonce: new Uint8Array(8),
  });
  return {
    height: height(at),
    hash: keccakHash(header),
    parentHash,
    stateRoot: root,
    timestamp: 1_700_000_000 + at,
    header,
    body: Uint8Array.of(0xc0),
    receipts: Uint8Array.of(0xc0),
    certificate: undefined,
    seed: undefined,
    inputs: undefined,
    transactions: [],
    logs: [],
    ...extra,
  };
}
