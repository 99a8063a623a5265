// One seed, one schedule, one answer: what every runner, table and test shares.

import { ALL_RULES, type Rules } from "#consensus/rules.ts";
import { messageOf } from "#lib/error.ts";
import { Violation } from "./checkers.ts";
import { createLedger } from "./ledger.ts";
import { type Options, realOptions, swarmOptions } from "./options.ts";
import type { StandIn } from "./stand-in.ts";
import { createWorld, type Narrator, type Outcome } from "./world.ts";

export interface Result {
  readonly seed: number;
  readonly outcome: Outcome | undefined;
  /** What was violated; undefined: nothing. */
  readonly violation: string | undefined;
  /** Transfers that became final, where the ledger is real. */
  readonly transfers?: number;
}

/** Runs one schedule. An exception of the code under test is a violation too. */
export function runSchedule(
  options: Options,
  rules: Rules = ALL_RULES,
  narrate?: Narrator,
  crypto?: StandIn,
): Result {
  const { seed } = options;
  try {
    return {
      seed,
      outcome: createWorld(options, rules, narrate, crypto && { crypto }).run(),
      violation: undefined,
    };
  } catch (error) {
    return { seed, outcome: undefined, violation: described(error) };
  }
}

function described(error: unknown): string {
  return error instanceof Violation ? error.message : `crash: ${messageOf(error)}`;
}

/** The schedule of `seed` over the true ledger, execution and store. */
export async function runReal(seed: number, narrate?: Narrator, rules: Rules = ALL_RULES): Promise<Result> {
  const ledger = createLedger();
  try {
    const outcome = await createWorld(realOptions(seed), rules, narrate, { ledger }).settle();
    return { seed, outcome, violation: undefined, transfers: ledger.transfers() };
  } catch (error) {
    return { seed, outcome: undefined, violation: described(error), transfers: ledger.transfers() };
  } finally {
    ledger.close();
  }
}

/** The schedule of the default mix. */
export function runSeed(seed: number, rules: Rules = ALL_RULES): Result {
  return runSchedule(swarmOptions(seed), rules);
}

/** The line that repeats a schedule. */
export function repro(seed: number, real = false): string {
  return `npx bun test/sim/run.ts --seed ${seed} --count 1${real ? " --real" : ""} --verbose`;
}
