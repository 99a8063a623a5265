// From a block parameter to a block, a state or a view for calls, with geth's answers for what is not there.
import type { StateReader } from "#state/types.ts";
import { type Height, height } from "#types/ids.ts";
import type { BlockParts } from "./encode.ts";
import { serverError } from "./errors.ts";
import type { BlockRef } from "./params.ts";
import type { CallView, ChainPort } from "./ports.ts";

/** Height of a finalized block, or undefined when there is none such. `pending` has none. */
export function heightOf(chain: ChainPort, ref: BlockRef): Height | undefined {
  const head = chain.head().header.number;
  switch (ref.kind) {
    case "latest":
      return head;
    case "pending":
      return undefined;
    case "number":
      return ref.height <= head ? ref.height : undefined;
    case "hash":
      return chain.heightOf(ref.hash);
  }
}

/** The block, or undefined when there is none such. */
export function blockAt(chain: ChainPort, ref: BlockRef): BlockParts | undefined {
  if (ref.kind === "latest") return chain.head();
  if (ref.kind === "pending") return { ...chain.pending(), hash: undefined };
  const found = heightOf(chain, ref);
  return found === undefined ? undefined : chain.block(found);
}

/** Where a state is read: the newest state includes what the local chain wrote after its head. */
function statePlace(chain: ChainPort, ref: BlockRef): Height | "latest" | "pending" {
  if (ref.kind === "latest" || ref.kind === "pending") return ref.kind;
  const found = heightOf(chain, ref);
  if (found === undefined) throw serverError("header not found");
  return found === chain.head().header.number ? "latest" : height(found);
}

/** The state after a block; throws `header not found`, and STATE_PRUNED past the window. */
export function stateAt(chain: ChainPort, ref: BlockRef): StateReader {
  return chain.state(statePlace(chain, ref));
}

/** What calls run on; throws as `stateAt`. */
export function viewAt(chain: ChainPort, ref: BlockRef): CallView {
  return chain.view(statePlace(chain, ref));
}
