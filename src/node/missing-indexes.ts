// What only queries need of final blocks is not written while a node serves no RPC; this builds it when it does again.
import type { History } from "#chain/history.ts";
import { rowsOf } from "#chain/record.ts";
import { assert } from "#lib/assert.ts";
import type { StateDb } from "#state/types.ts";
import type { Logger } from "./log.ts";

/** Builds the indexes of `state` from its blocks, where some of these were committed without them. */
export function buildMissingIndexes(state: StateDb, history: History, logger: Logger): void {
  if (!state.lacksIndexes) return;
  const { height: head } = state.head();
  logger.info("indexes are being built", { height: head });
  state.rebuildIndexes(({ height }) => {
    const block = history.block(height);
    const receipts = history.receipts(height);
    assert(block !== undefined && receipts !== undefined, "a stored block has its receipts");
    return rowsOf(block, receipts);
  });
  logger.info("indexes are built", { height: head });
}
