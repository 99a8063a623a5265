// When blocks come at the pace of blocks rather than of empty ones. Whose turn it is and when it begins is decided
// elsewhere.
import type { Pool } from "#chain/pool.ts";

/**
 * Empty blocks after which a transaction that the base fee has passed must be taken for them to come soon: the fee falls
 * by an eighth with each, to less than an eighth of itself. Whoever waits there pays in the end, so that nobody keeps a
 * chain from resting for nothing.
 */
const SOON_BLOCKS = 16;

/** Whether something waits in the pool that the next block takes, or one soon after it. */
export const hasWork = (pool: Pick<Pool, "hasExecutable">): boolean => pool.hasExecutable(SOON_BLOCKS);
