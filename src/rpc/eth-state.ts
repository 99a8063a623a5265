// eth_: balances, nonces, code and storage at any block that is held.
import { type Hex, padLeft, toHex } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { Account } from "#types/account.ts";
import type { Address, Hash } from "#types/ids.ts";
import { heightOf, withState } from "./blocks.ts";
import { toQuantity } from "./encode.ts";
import { invalidParams, NOT_SUPPORTED, RpcError, serverError } from "./errors.ts";
import { MAX_PROOF_SLOTS, MAX_STORAGE_SLOTS } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import {
  type Arguments,
  addressOf,
  type BlockRef,
  blockRef,
  field,
  LATEST,
  listOf,
  object,
  storageKey,
} from "./params.ts";
import type { ChainPort, PoolPort } from "./ports.ts";

/** The block argument at `index`; `latest` without one. */
export function blockArgument(args: Arguments, index: number): BlockRef {
  return args.optional(index, blockRef) ?? LATEST;
}

function word(state: StateReader, address: Address, slot: Hash): Hex {
  return toHex(padLeft(state.storage(address, slot), 32));
}

/** Slots of several accounts: `{address: [slot, …]}` gives `{address: [value, …]}`. */
function storageValues(wanted: Readonly<Record<string, unknown>>, state: StateReader): unknown {
  let left = MAX_STORAGE_SLOTS;
  const answer: Record<string, readonly Hex[]> = {};
  for (const key of Object.keys(wanted)) {
    const address = addressOf(key);
    const slots = field(wanted, key, listOf(storageKey, MAX_STORAGE_SLOTS)) ?? [];
    left -= slots.length;
    if (left < 0) throw invalidParams(`too many slots (max ${MAX_STORAGE_SLOTS})`);
    answer[key] = slots.map((slot) => word(state, address, slot));
  }
  if (left === MAX_STORAGE_SLOTS) throw invalidParams("empty request");
  return answer;
}

function proof(chain: ChainPort, args: Arguments): unknown {
  const address = args.required(0, addressOf);
  const slots = args.optional(1, listOf(storageKey, MAX_PROOF_SLOTS)) ?? [];
  const ref = blockArgument(args, 2);
  if (ref.kind === "pending") throw serverError("a proof needs a finalized block, the pending one is none");
  const height = heightOf(chain, ref);
  if (height === undefined) throw serverError("header not found");
  return chain.proof(address, slots, height);
}

export function ethStateMethods(chain: ChainPort, pool: PoolPort): Methods {
  /** What `read` makes of the account that the first argument names, in the state that the second one names. */
  const ofAccount = (
    args: Arguments,
    read: (account: Account | undefined, state: StateReader) => unknown,
  ): unknown => {
    const address = args.required(0, addressOf);
    return withState(chain, blockArgument(args, 1), (state) => read(state.account(address), state));
  };
  return {
    eth_getBalance: method(2, (args) => ofAccount(args, (found) => toQuantity(found?.balance ?? 0n))),
    eth_getTransactionCount: method(2, (args) => {
      // More than a pending block may hold: a sender numbers on after all that waits, whether or not it fits.
      if (blockArgument(args, 1).kind === "pending") {
        return toQuantity(pool.nextNonce(args.required(0, addressOf)));
      }
      return ofAccount(args, (found) => toQuantity(found?.nonce ?? 0n));
    }),
    eth_getCode: method(2, (args) =>
      ofAccount(args, (found, state) => (found === undefined ? "0x" : toHex(state.code(found.codeHash)))),
    ),
    eth_getStorageAt: method(3, (args) => {
      const address = args.required(0, addressOf);
      const slot = args.required(1, storageKey);
      return withState(chain, blockArgument(args, 2), (state) => word(state, address, slot));
    }),
    eth_getStorageValues: method(2, (args) => {
      const wanted = args.required(0, object);
      return withState(chain, blockArgument(args, 1), (state) => storageValues(wanted, state));
    }),
    eth_getAccount: method(2, (args) =>
      ofAccount(args, (found) =>
        found === undefined
          ? null
          : {
              balance: toQuantity(found.balance),
              nonce: toQuantity(found.nonce),
              codeHash: found.codeHash,
            },
      ),
    ),
    eth_getAccountInfo: method(2, (args) =>
      ofAccount(args, (found, state) => ({
        balance: toQuantity(found?.balance ?? 0n),
        nonce: toQuantity(found?.nonce ?? 0n),
        code: found === undefined ? "0x" : toHex(state.code(found.codeHash)),
      })),
    ),
    eth_getProof: method(3, () => {
      const why = "eth_getProof is not supported: the state root is not an Ethereum trie";
      throw new RpcError(NOT_SUPPORTED, `${why}; use kora_getProof(address, slots, block)`);
    }),
    kora_getProof: method(3, (args) => proof(chain, args)),
  };
}
