// Rules taken out of a ceremony one at a time, to see that the simulation misses them.
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import type { CeremonyRules } from "#crypto/dkg/rules.ts";
import type { SimulationOptions } from "./sim.ts";
import { CALM } from "./world.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function bend(change: (rules: Mutable<CeremonyRules>) => void): SimulationOptions {
  return { sabotage: (ceremony: Ceremony) => change(ceremony.rules as Mutable<CeremonyRules>) };
}

/** By the name of the rule that is missing. */
export const SABOTAGES: Readonly<Record<string, SimulationOptions>> = {
  "durable before sent": { lazyDisk: true },
  "agreement on the logs": { noAgreement: true },
  "proposed sets are judged": {
    core: true,
    weather: CALM,
    sabotage: (ceremony) => {
      (ceremony as Mutable<Ceremony>).validate = () => ({ kind: "valid", logs: [] });
    },
  },
  "at most f reveals a log": {
    ...bend((rules) => {
      rules.maxReveals = rules.info.players.length;
    }),
    // Dealers that lose patience before most have answered.
    weather: { ...CALM, loss: 0.8, maxDelay: 40, earlyDeadline: 1 },
  },
  "shares are checked": bend((rules) => {
    rules.scheme = { ...rules.scheme, isShare: () => true };
  }),
  "signatures are checked": bend((rules) => {
    rules.identity = { ...rules.identity, verify: () => true };
  }),
  "a quorum of logs": bend((rules) => {
    rules.requiredLogs = Math.max(1, rules.requiredLogs - 1 - rules.exposureLimit);
  }),
  "a quorum of confirmations": bend((rules) => {
    rules.threshold = Math.max(1, rules.threshold - 1);
  }),
  "exposure above f": bend((rules) => {
    rules.exposureLimit += 1;
  }),
  "the trial signature verifies": bend((rules) => {
    rules.scheme = { ...rules.scheme, verify: () => true };
  }),
  "the deadline lets dealers close": bend((rules) => {
    rules.maxReveals = 0;
  }),
};
