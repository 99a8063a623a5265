// All pairs of splits of the twins' enumeration; longer products are a matter of patience.
import { expect, test } from "bun:test";
import { runSchedule } from "./schedule.ts";
import { SPLITS, twinOptions } from "./twins.ts";

test("twins, under every pair of splits", () => {
  let reports = 0;
  for (let first = 0; first < SPLITS.length; first++) {
    for (let second = 0; second < SPLITS.length; second++) {
      const { violation } = runSchedule(twinOptions([first, second]), undefined, (_time, _node, what) => {
        if (what.startsWith("reports")) reports++;
      });
      expect(violation, `splits ${first}, ${second}`).toBeUndefined();
    }
  }
  // The enumeration is not vacuous: in many of them the twin contradicts itself before witnesses.
  expect(reports).toBeGreaterThan(50);
}, 60_000);
