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

/**
 * What `read` makes of the block, or of undefined when there is none such. At once, but for a pending block: that may
 * have to be built first.
 */
export function withBlock<T>(
  chain: ChainPort,
  ref: BlockRef,
  read: (block: BlockParts | undefined) => T,
): T | Promise<T> {
  if (ref.kind === "pending") {
    return chain
      .pending()
      .then(({ header, transactions }) => read({ header, transactions, hash: undefined }));
  }
  if (ref.kind === "latest") return read(chain.head());
  const found = heightOf(chain, ref);
  return read(found === undefined ? undefined : chain.block(found));
}

/** Where a final state is read: the newest one includes what the local chain wrote after its head. */
function statePlace(
  chain: ChainPort,
  ref: Exclude<BlockRef, { readonly kind: "pending" }>,
): Height | "latest" {
  if (ref.kind === "latest") return ref.kind;
  const found = heightOf(chain, ref);
  if (found === undefined) throw serverError("header not found");
  return found === chain.head().header.number ? "latest" : height(found);
}

/**
 * What `read` makes of the state after a block; as `withBlock`, so that nothing moves below the reading. Throws
 * `header not found`, and STATE_PRUNED past the window.
 */
export function withState<T>(
  chain: ChainPort,
  ref: BlockRef,
  read: (state: StateReader) => T,
): T | Promise<T> {
  if (ref.kind === "pending") return chain.pending().then(({ view }) => read(chain.stateOf(view)));
  return read(chain.state(statePlace(chain, ref)));
}

/** What calls run on; throws as `withState`. */
export function viewAt(chain: ChainPort, ref: BlockRef): CallView | Promise<CallView> {
  if (ref.kind === "pending") return chain.pending().then(({ view }) => view);
  return chain.view(statePlace(chain, ref));
}
