// The chosen situations, each under three seeds.
import { describe, expect, test } from "bun:test";
import { SCENARIOS } from "./scenarios.ts";
import { runSchedule } from "./schedule.ts";

const SEEDS = [1, 2, 3];

describe("chosen situations", () => {
  for (const { name, options } of SCENARIOS) {
    test(name, () => {
      for (const seed of SEEDS) expect(runSchedule(options(seed)).violation, `seed ${seed}`).toBeUndefined();
    });
  }
});
