// A short slice of the kill -9 campaign; the long one is crash/run.ts.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "../support/rng.ts";
import { crashRound, Undisturbed } from "./crash/campaign.ts";

const ROUNDS = 5;

test("killed at random points, the store opens at the last finalized block", async () => {
  const seed = Date.now() % 1_000_000;
  console.log(`seed ${seed}`);
  const rng = createRng(seed);
  const directory = mkdtempSync(join(tmpdir(), "kora-test-crash-"));
  const undisturbed = new Undisturbed(seed);
  try {
    let found = -1;
    for (let round = 0; round < ROUNDS; round++) found = await crashRound(directory, seed, rng, undisturbed);
    expect(found).toBeGreaterThanOrEqual(0);
  } finally {
    undisturbed.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
