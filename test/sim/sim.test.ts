// The slice of the simulator that the suite runs; campaigns are `bun test/sim/run.ts`.
import { describe, expect, test } from "bun:test";
import { ALL_RULES, type RuleName } from "#consensus/rules.ts";
import { ADVERSARIES, ADVERSARY_NAMES } from "./adversaries/names.ts";
import { SIM_TIMING } from "./node.ts";
import { calmOptions } from "./options.ts";
import { MANY_RESTORED } from "./scenarios.ts";
import { repro, runSchedule, runSeed } from "./schedule.ts";

describe("simulated schedules", () => {
  test("300 schedules of the default mix hold every invariant", () => {
    for (let seed = 1; seed <= 300; seed++) {
      expect(runSeed(seed).violation, repro(seed)).toBeUndefined();
    }
  }, 120_000);

  test("the same seed gives the same trace", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const [first, second] = [runSeed(seed).outcome, runSeed(seed).outcome];
      expect(first).toBeDefined();
      expect(second).toEqual(first);
    }
    expect(runSeed(1).outcome?.trace).not.toBe(runSeed(2).outcome?.trace);
  });

  test("every size from 1 to 10 makes progress in peace", () => {
    for (let n = 1; n <= 10; n++)
      expect(runSchedule(calmOptions(n, n, 40)).violation, `n = ${n}`).toBeUndefined();
  });

  test("each adversary alone is withstood, and the provable ones are found out (L8)", () => {
    for (const name of ADVERSARY_NAMES) {
      for (let seed = 1; seed <= 3; seed++) {
        const options = { ...calmOptions(seed, 4, 40), byzantine: new Map([[seed % 4, name]]) };
        const { violation, outcome } = runSchedule(options);
        expect(violation, `${name}, seed ${seed}`).toBeUndefined();
        if (ADVERSARIES[name]?.provable) expect(outcome?.accused, `${name}, seed ${seed}`).toBe(1);
      }
    }
  });

  test("a validator whose first greetings are lost votes all the same, however well the others do without it", () => {
    const options = { ...calmOptions(816, 5, 40), loss: 0.5, delay: 0.5, spread: 10, phaseOneMs: 600 };
    for (let seed = 1; seed <= 20; seed++)
      expect(runSchedule({ ...options, seed }).violation, `seed ${seed}`).toBeUndefined();
  });

  test("where more than f were restored at once, nobody goes on but by an operator's word (R18)", () => {
    const restored = { ...calmOptions(1, 4, 40), ...MANY_RESTORED, phaseOneMs: 1_500 };
    for (let seed = 1; seed <= 3; seed++) {
      const stuck = runSchedule({ ...restored, seed }).violation;
      expect(stuck, `seed ${seed}`).toStartWith("L");
      // Its bar is higher than the view that the operator names.
      expect(runSchedule({ ...restored, seed, guardOverride: 1_023 }).violation).toBe(stuck);
      expect(runSchedule({ ...restored, seed, guardOverride: 1_024 }).violation).toBeUndefined();
    }
  });

  test("a dead leader costs one timeout, then is skipped at once (L5)", () => {
    const options = { ...calmOptions(3, 4, 60), absent: new Set([2]), absentForever: true };
    const left = new Map<number, number>();
    const givenUp: { view: number; ms: number }[] = [];
    const { violation } = runSchedule(options, undefined, (time, node, what) => {
      const [, kind, view] = /^holds (notarize|nullify) certificate of view (\d+)$/.exec(what) ?? [];
      if (node !== 0 || kind === undefined) return;
      if (kind === "nullify") givenUp.push({ view: Number(view), ms: time - left.get(Number(view) - 1)! });
      left.set(Number(view), time);
    });
    expect(violation).toBeUndefined();
    const { leaderTimeout, skipTimeout } = SIM_TIMING;
    const before = givenUp.filter(({ view }) => view <= skipTimeout);
    const after = givenUp.filter(({ view }) => view > skipTimeout + 1);
    expect(before.length).toBeGreaterThan(0);
    expect(after.length).toBeGreaterThan(3);
    for (const { ms } of before) expect(ms).toBeGreaterThan(leaderTimeout);
    for (const { ms } of after) expect(ms).toBeLessThan(leaderTimeout / 2);
  });

  // A few of the rules; test/sim/mutations.md has them all.
  test.each<RuleName>([
    "r3NotNullified",
    "r6Certified",
    "r6NotNullified",
    "r8Nullifications",
    "r15CommitFirst",
    "quorum",
  ])(
    "without %s the simulator finds a violation",
    (rule) => {
      const rules = { ...ALL_RULES, [rule]: false };
      let found = false;
      for (let seed = 1; seed <= 200 && !found; seed++) found = runSeed(seed, rules).violation !== undefined;
      expect(found).toBeTrue();
    },
    60_000,
  );
});
