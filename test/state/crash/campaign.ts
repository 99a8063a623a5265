// The kill −9 campaign: a child commits blocks, is killed at a random moment, and what it left must open at a height
// it had acknowledged or was committing, with the root that an undisturbed store has there.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import { decodeHeader } from "#types/header.ts";
import { height, ZERO_HASH } from "#types/ids.ts";
import type { Rng } from "../../support/rng.ts";
import { recordOf } from "../model.ts";
import { blockChanges } from "./load.ts";

/** Most blocks that one transaction of the child holds. */
const BLOCKS_PER_COMMIT = 3;

/** Roots by height, from a store that nobody kills. */
export class Undisturbed {
  readonly #db: StateDb = openStateDb({ directory: undefined });
  readonly #roots: string[] = [];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  rootAt(at: number): string {
    for (let next = this.#roots.length; next <= at; next++) {
      const batch = this.#db.prepare(undefined, height(next), blockChanges(this.#seed, next));
      const parent = next === 0 ? ZERO_HASH : this.#db.head().hash;
      this.#db.commit([{ batch, record: recordOf(next, batch.root, parent) }]);
      this.#roots.push(batch.root);
    }
    return this.#roots[at] as string;
  }

  close(): void {
    this.#db.close();
  }
}

interface Last {
  /** Height of the last acknowledged commit, -1 for none. */
  readonly acknowledged: number;
  /** Whether a rollback to this height was under way. */
  readonly rollback: number | undefined;
}

/** Runs the child until it has committed `commits` times (or rolled back), then kills it `delay` ms later. */
async function runChild(directory: string, seed: number, commits: number, delay: number): Promise<Last> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "child.ts"), directory, String(seed)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  let armed = false;
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (!armed && text.split("\ncommit ").length > commits) {
      armed = true;
      setTimeout(() => child.kill(9), delay);
    }
  }
  await child.exited;
  if (child.signalCode !== "SIGKILL")
    throw new Error(`the child ended by itself: ${await new Response(child.stderr).text()}`);
  // A cut last line was never acknowledged.
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .trim()
    .split("\n");
  const last = lines[lines.length - 1]!.split(" ");
  const heights = lines
    .filter((line) => !line.startsWith("rollback"))
    .map((line) => Number(line.split(" ")[1]));
  return {
    acknowledged: heights[heights.length - 1]!,
    rollback: last[0] === "rollback" ? Number(last[1]) : undefined,
  };
}

/** One round: kill, re-open, compare. Returns the height that was found. */
export async function crashRound(
  directory: string,
  seed: number,
  rng: Rng,
  undisturbed: Undisturbed,
): Promise<number> {
  const { acknowledged, rollback } = await runChild(directory, seed, 1 + rng.below(12), rng.below(40));
  if (rng.chance(0.2)) rmSync(join(directory, "chain.index"), { force: true });
  const db = openStateDb({ directory });
  try {
    const head = db.head();
    const least = rollback ?? acknowledged;
    if (head.height < least || head.height > acknowledged + BLOCKS_PER_COMMIT) {
      throw new Error(`opened at ${head.height}, acknowledged were ${acknowledged}`);
    }
    const stored = db.archive.block(head.height);
    if (stored === undefined || decodeHeader(stored.header).stateRoot !== head.root) {
      throw new Error(`the root at ${head.height} is not its header's`);
    }
    if (undisturbed.rootAt(head.height) !== head.root) throw new Error(`wrong root at ${head.height}`);
    if (db.archive.block(height(head.height + 1)) !== undefined) throw new Error("a block above the head");
    const probe = db.at(head.height);
    for (const [who] of blockChanges(seed, head.height).accounts) {
      if (probe.account(who)?.balance !== db.latest().account(who)?.balance)
        throw new Error(`history of ${who} differs`);
    }
    return head.height;
  } finally {
    db.close();
  }
}
