// A StateReader over plain maps, and how a change set is applied to it: the model that execution tests run on.
import { keccakHash } from "#crypto/hash.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { Account, StateChanges } from "#types/account.ts";
import { type Address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";

export interface PlainAccount {
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly code: Uint8Array;
  /** Big-endian without leading zeros, never zero. */
  readonly storage: ReadonlyMap<Hash, Uint8Array>;
}

export interface MemoryState extends StateReader {
  /** Applies what a block changed. */
  apply(changes: StateChanges): void;
  /** Everything there is. */
  dump(): Map<Address, PlainAccount>;
  copy(): MemoryState;
}

interface Stored {
  account: Account;
  storage: Map<Hash, Uint8Array>;
}

export function memoryState(initial: Iterable<readonly [Address, PlainAccount]> = []): MemoryState {
  const accounts = new Map<Address, Stored>();
  const codes = new Map<Hash, Uint8Array>();
  for (const [at, { nonce, balance, code, storage }] of initial) {
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHash(code);
    if (code.length > 0) codes.set(codeHash, code);
    accounts.set(at, { account: { nonce, balance, codeHash }, storage: new Map(storage) });
  }
  const codeOf = (codeHash: Hash): Uint8Array => {
    if (codeHash === EMPTY_CODE_HASH) return EMPTY_BYTES;
    const code = codes.get(codeHash);
    if (code === undefined) throw new Error(`no code with hash ${codeHash}`);
    return code;
  };
  const state: MemoryState = {
    account: (at) => accounts.get(at)?.account,
    storage: (at, slot) => accounts.get(at)?.storage.get(slot) ?? EMPTY_BYTES,
    code: codeOf,
    hasStorage: (at) => (accounts.get(at)?.storage.size ?? 0) > 0,
    apply(changes) {
      for (const [codeHash, code] of changes.code) codes.set(codeHash, code);
      for (const [at, { account, reset, storage }] of changes.accounts) {
        if (account === undefined) {
          accounts.delete(at);
          continue;
        }
        const slots = reset ? new Map<Hash, Uint8Array>() : (accounts.get(at)?.storage ?? new Map());
        for (const [slot, value] of storage) {
          if (value.length === 0) slots.delete(slot);
          else slots.set(slot, value);
        }
        accounts.set(at, { account, storage: slots });
      }
    },
    dump() {
      const out = new Map<Address, PlainAccount>();
      for (const [at, { account, storage }] of accounts) {
        out.set(at, {
          nonce: account.nonce,
          balance: account.balance,
          code: codeOf(account.codeHash),
          storage: new Map(storage),
        });
      }
      return out;
    },
    copy: () => memoryState(state.dump()),
  };
  return state;
}
