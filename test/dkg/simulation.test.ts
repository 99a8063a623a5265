// A slice of the simulated ceremonies, and proof that each rule's absence is noticed. Longer campaigns: run.ts.
import { describe, expect, test } from "bun:test";
import { openBls } from "#crypto/bls.ts";
import { CEREMONY_FAULTS, type CeremonyFault } from "#types/ceremony-record.ts";
import { SABOTAGES } from "./sabotage.ts";
import { simulate } from "./sim.ts";

const SLICE = 200;
const REAL = 3;
/** Seeds within which a missing rule has to show. */
const WITHIN = 400;

describe("simulated ceremonies", () => {
  test(`seeds 1 to ${SLICE} hold every rule, and show every fault`, () => {
    const caught = new Set<CeremonyFault>();
    for (let seed = 1; seed <= SLICE; seed++) {
      const verdict = simulate(seed);
      expect(verdict).toMatchObject({ seed, violations: [], finished: true });
      for (const fault of verdict.caught) caught.add(fault);
    }
    expect([...caught].sort()).toEqual([...CEREMONY_FAULTS].sort());
  }, 180_000);

  test(`seeds 1 to ${REAL} with BLS12-381 and ed25519`, async () => {
    const real = await openBls();
    for (let seed = 1; seed <= REAL; seed++) {
      expect(simulate(seed, { real })).toMatchObject({ seed, violations: [] });
    }
  }, 120_000);

  test("the consensus core agrees on the logs of seeds 1 to 60", () => {
    for (let seed = 1; seed <= 60; seed++) {
      expect(simulate(seed, { core: true })).toMatchObject({ seed, violations: [] });
    }
  }, 180_000);

  test("the same seed tells the same story", () => {
    for (const seed of [3, 17, 42]) expect(simulate(seed)).toEqual(simulate(seed));
  });

  for (const [rule, options] of Object.entries(SABOTAGES)) {
    test(`without "${rule}" something breaks`, () => {
      for (let seed = 1; seed <= WITHIN; seed++) if (simulate(seed, options).violations.length > 0) return;
      throw new Error(`no violation within ${WITHIN} seeds: a check is missing`);
    }, 180_000);
  }
});
