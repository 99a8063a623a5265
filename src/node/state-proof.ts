// The answer of kora_getProof: values of one block with a proof under the head's state root, and what anchors that
// root: the head's header, and its certificate where one is held. Verifying needs src/state/verify.ts alone.
import { toHex } from "#lib/bytes.ts";
import { toQuantity } from "#rpc/encode.ts";
import type { StateDb } from "#state/types.ts";
import type { Address, Hash, Height } from "#types/ids.ts";

/** JSON-ready proof of an account and slots at a height; throws STATE_PRUNED and PROOF_UNAVAILABLE. */
export function provenState(state: StateDb, address: Address, slots: readonly Hash[], at: Height): unknown {
  const head = state.head();
  const stored = state.archive.block(head.height);
  const reader = state.at(at);
  const account = reader.account(address);
  const proof = state.prove(address, slots, at === head.height ? undefined : at);
  return {
    address,
    blockNumber: toQuantity(at),
    account:
      account === undefined
        ? null
        : {
            nonce: toQuantity(account.nonce),
            balance: toQuantity(account.balance),
            codeHash: account.codeHash,
          },
    slots: slots.map((key) => ({ key, value: toHex(reader.storage(address, key)) })),
    proof: toHex(proof),
    anchor: {
      number: toQuantity(head.height),
      hash: head.hash,
      stateRoot: head.root,
      header: stored && toHex(stored.header),
      certificate: stored?.certificate === undefined ? null : toHex(stored.certificate),
    },
  };
}
