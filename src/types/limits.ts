// Every bound of the protocol and of the doors, with its unit and its reason, related to each other by asserts.
import { assert } from "#lib/assert.ts";

/** Bytes of one transaction in its wire form (geth's pool limit: four slots of 32 KiB). */
export const MAX_TRANSACTION_BYTES: number = 128 * 1024;
/** Bytes of a block body; a validity rule (30 Mgas of zero calldata is about 3 MB, hence configurable per chain). */
export const DEFAULT_MAX_BLOCK_BYTES: number = 2 * 1024 * 1024;
/** What a message may hold beside a block body. */
export const MESSAGE_OVERHEAD_BYTES: number = 64 * 1024;
/** Validators in one committee. */
export const MAX_PARTICIPANTS = 256;
/** Ancestors that BLOCKHASH can see. */
export const BLOCK_HASH_WINDOW = 256;
/** Seconds a proposal's timestamp may be ahead of a voter's clock. */
export const MAX_CLOCK_AHEAD_SECONDS = 5;
/** extraData: epoch, view, parent view, 8 bytes each (R3). */
export const EXTRA_DATA_BYTES = 24;

assert(MAX_TRANSACTION_BYTES < DEFAULT_MAX_BLOCK_BYTES, "a block holds at least one transaction of any size");
