// Commits blocks under load until it is killed: deterministic in (seed, height), acknowledging each commit on stdout.
// Arguments: directory, seed.

import { openStateDb } from "#state/state.ts";
import type { Finalized } from "#state/types.ts";
import { height, ZERO_HASH } from "#types/ids.ts";
import { createRng } from "../../support/rng.ts";
import { recordOf } from "../model.ts";
import { blockChanges } from "./load.ts";

/** Blocks whose state a prune leaves: more than a rollback needs. */
const KEPT_BLOCKS = 30;

const [directory, seedText] = process.argv.slice(2) as [string, string];
const seed = Number(seedText);
const db = openStateDb({ directory });
const rng = createRng(process.pid);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
say(`open ${db.isEmpty ? -1 : db.head().height}`);
for (;;) {
  // One to three blocks in a transaction, as while catching up.
  const blocks: Finalized[] = [];
  let parentHash = db.isEmpty ? ZERO_HASH : db.head().hash;
  let at = db.isEmpty ? 0 : db.head().height + 1;
  for (let i = 1 + rng.below(3); i > 0; i--) {
    const batch = db.prepare(blocks[blocks.length - 1]?.batch, height(at), blockChanges(seed, at));
    const record = recordOf(at, batch.root, parentHash);
    blocks.push({ batch, record });
    parentHash = record.hash;
    at++;
  }
  db.commit(blocks);
  say(`commit ${db.head().height} ${db.head().root}`);
  if (rng.chance(0.1)) db.checkpoint();
  if (rng.chance(0.05)) db.prune(height(Math.max(0, db.head().height - KEPT_BLOCKS)));
  if (rng.chance(0.02) && db.head().height > 20) {
    const to = db.head().height - 1 - rng.below(3);
    say(`rollback ${to}`);
    db.rollback(height(to));
    say(`commit ${to} ${db.head().root}`);
  }
  // Lets the pipe drain: an acknowledgement must not wait behind the next block.
  await Bun.sleep(0);
}
