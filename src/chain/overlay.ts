// Change sets as something to read through: on top of a state, and made from inputs that wait for their block.
// Nothing here is committed and nothing has a root.
import { keccakHash } from "#crypto/hash.ts";
import type { StateInput } from "#execution/types.ts";
import { EMPTY_BYTES, trimLeft } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { Account, AccountChange, StateChanges } from "#types/account.ts";
import { type Address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";

/**
 * `base` as it would be after `changes`. Only `hasStorage` may say yes too often: whether zeroed slots were the only
 * ones cannot be asked of a base.
 */
export function overlayReader(base: StateReader, changes: StateChanges): StateReader {
  return {
    account(address) {
      const change = changes.accounts.get(address);
      return change === undefined ? base.account(address) : change.account;
    },
    storage(address, slot) {
      const change = changes.accounts.get(address);
      const written = change?.storage.get(slot);
      if (written !== undefined) return written;
      return change !== undefined && (change.reset || change.account === undefined)
        ? EMPTY_BYTES
        : base.storage(address, slot);
    },
    code: (codeHash) => changes.code.get(codeHash) ?? base.code(codeHash),
    hasStorage(address) {
      const change = changes.accounts.get(address);
      if (change === undefined) return base.hasStorage(address);
      for (const value of change.storage.values()) if (value.length > 0) return true;
      return !change.reset && change.account !== undefined && base.hasStorage(address);
    },
  };
}

function followed(before: AccountChange | undefined, after: AccountChange): AccountChange {
  if (before === undefined) return after;
  const anew = after.reset || after.account === undefined || before.account === undefined;
  if (anew) return { ...after, reset: true };
  const storage = new Map([...before.storage, ...after.storage]);
  return { account: after.account, reset: before.reset, storage };
}

/** What several blocks change together, oldest first. */
export function mergeChanges(blocks: readonly StateChanges[]): StateChanges {
  const accounts = new Map<Address, AccountChange>();
  const code = new Map<Hash, Uint8Array>();
  for (const changes of blocks) {
    for (const [address, change] of changes.accounts) {
      accounts.set(address, followed(accounts.get(address), change));
    }
    for (const [codeHash, bytes] of changes.code) code.set(codeHash, bytes);
  }
  return { accounts, code };
}

const ABSENT: Account = { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH };

function applyInput(account: Account, input: StateInput, code: Map<Hash, Uint8Array>): Account {
  let { codeHash } = account;
  if (input.code !== undefined) {
    codeHash = input.code.length === 0 ? EMPTY_CODE_HASH : keccakHash(input.code);
    if (input.code.length > 0) code.set(codeHash, input.code);
  }
  return { nonce: input.nonce ?? account.nonce, balance: input.balance ?? account.balance, codeHash };
}

/** What `inputs` make of `base`, in order. */
export function changesOfInputs(base: StateReader, inputs: readonly StateInput[]): StateChanges {
  const accounts = new Map<Address, AccountChange>();
  const code = new Map<Hash, Uint8Array>();
  for (const input of inputs) {
    const before = accounts.get(input.address);
    const current = before === undefined ? base.account(input.address) : before.account;
    const storage = new Map(before?.storage);
    for (const [slot, value] of input.storage ?? []) storage.set(slot, trimLeft(value));
    accounts.set(input.address, {
      account: applyInput(current ?? ABSENT, input, code),
      reset: false,
      storage,
    });
  }
  return { accounts, code };
}
