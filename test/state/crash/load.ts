// The load of the crash campaign: the changes of a block follow from seed and height alone, so that any process can
// say which state and root a height must have.

import type { AccountChange, StateChanges } from "#types/account.ts";
import { type Address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import { createRng } from "../../support/rng.ts";
import { addressAt, slotAt } from "../model.ts";

const ACCOUNTS = 400;

/** Changes of the block at `height`: up to two hundred accounts, a few removed, slots written and cleared. */
export function blockChanges(seed: number, height: number): StateChanges {
  const rng = createRng(seed * 1_000_003 + height);
  const accounts = new Map<Address, AccountChange>();
  for (let i = 1 + rng.below(200); i > 0; i--) {
    const storage = new Map<Hash, Uint8Array>();
    for (let s = rng.below(3); s > 0; s--) {
      storage.set(
        slotAt(rng.below(20)),
        rng.chance(0.3) ? new Uint8Array(0) : Uint8Array.of(1 + rng.below(255)),
      );
    }
    const removed = rng.chance(0.05);
    accounts.set(addressAt(rng.below(ACCOUNTS)), {
      account: removed
        ? undefined
        : { nonce: BigInt(height), balance: BigInt(rng.u32()), codeHash: EMPTY_CODE_HASH },
      reset: removed,
      storage: removed ? new Map() : storage,
    });
  }
  return { accounts, code: new Map() };
}
