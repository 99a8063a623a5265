// A state with changes above it that are not in the database: pending writes of a local chain, a speculative block.
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";

/** Reads `changes` first, then `base`. */
export function overlayState(base: StateReader, changes: StateChanges | undefined): StateReader {
  if (changes === undefined) return base;
  const { accounts, code } = changes;
  return {
    account(address) {
      const change = accounts.get(address);
      return change === undefined ? base.account(address) : change.account;
    },
    storage(address, slot) {
      const change = accounts.get(address);
      if (change === undefined) return base.storage(address, slot);
      return change.storage.get(slot) ?? (change.reset ? EMPTY_BYTES : base.storage(address, slot));
    },
    code: (codeHash) => code.get(codeHash) ?? base.code(codeHash),
    hasStorage(address) {
      const change = accounts.get(address);
      if (change === undefined) return base.hasStorage(address);
      for (const value of change.storage.values()) if (value.length > 0) return true;
      return !change.reset && base.hasStorage(address);
    },
  };
}
