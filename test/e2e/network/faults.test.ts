// A short selection of the faults on real processes; the tool beside it does all of them for as long as wanted.
import { expect, test } from "bun:test";
import { runFaults } from "../../support/faults.ts";

test("validators that misbehave, have wrong clocks or lose their disk: one chain, nobody signs twice", () => {
  const kinds = ["byzantine:equivocate", "byzantine:wrongRoot", "clockAll", "wiped"];
  const run = runFaults(["--links", "relays", "--seed", "5", "--within", "20"], kinds);
  expect(run.out).toContain(`seed 5: 0 violations: ${kinds.length} rounds`);
  expect(run.code).toBe(0);
}, 180_000);
