// Schedules over the true ledger, execution and store: a slice for the suite; campaigns are `bun test/sim/run.ts --real`.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ALL_RULES } from "#consensus/rules.ts";
import { repro, runReal } from "./schedule.ts";

setDefaultTimeout(60_000);

describe("schedules over the true ledger", () => {
  // Chosen for variety: refused certifications, kills of one and of all, an equivocator, bodies over the wire, a follower.
  test.each([12, 27, 37, 47, 85])(
    "seed %d: every node's store has the same blocks and state roots",
    async (seed) => {
      const { violation, outcome, transfers } = await runReal(seed);
      expect(violation, repro(seed, true)).toBeUndefined();
      expect(outcome?.height).toBeGreaterThan(0);
      expect(transfers).toBeGreaterThan(0);
    },
  );

  test("the same seed gives the same trace", async () => {
    const first = await runReal(4);
    expect(first.outcome).toBeDefined();
    expect(await runReal(4)).toEqual(first);
  });

  test("a node that tells of blocks before they are durable is found out", async () => {
    const rules = { ...ALL_RULES, r15Acknowledged: false };
    let violation: string | undefined;
    for (let seed = 1; seed <= 10 && violation === undefined; seed++) {
      ({ violation } = await runReal(seed, undefined, rules));
    }
    expect(violation).toContain("S11");
  });
});
