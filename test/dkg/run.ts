// bun test/dkg/run.ts --seed N --count M [--real] [--core]: simulated key ceremonies of seeds N…N+M−1. Exits 1 at the first
// violation with the one line that reproduces it; ends with a summary line.
import { parseArgs } from "node:util";
import { type Bls, openBls } from "#crypto/bls.ts";
import { createProgress } from "../support/progress.ts";
import { simulate } from "./sim.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1000" },
    real: { type: "boolean", default: false },
    core: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const bls: Bls | undefined = values.real ? await openBls() : undefined;
const first = Number(values.seed);
const count = Number(values.count);
const mode = `${values.real ? " --real" : ""}${values.core ? " --core" : ""}`;
const began = performance.now();
const caught = new Map<string, number>();
const total = { steps: 0, reshared: 0, restarts: 0, exposed: 0 };
const progress = createProgress(count, "ceremonies");
const seeds = `seeds ${first} to ${first + count - 1}`;
console.log(`ceremonies of ${seeds}${values.real ? ", real cryptography" : ""}`);
for (let seed = first; seed < first + count; seed++) {
  const verdict = simulate(seed, { ...(bls && { real: bls }), core: values.core });
  if (values.verbose) console.log(`seed ${seed}: ${verdict.story}`);
  if (verdict.violations.length > 0) {
    progress.end();
    console.error(`seed ${seed}: ${verdict.violations.join("; ")}\n  ${verdict.story}`);
    console.error(`reproduce: npx bun test/dkg/run.ts --seed ${seed} --count 1${mode}`);
    process.exit(1);
  }
  total.steps += verdict.steps;
  total.reshared += Number(verdict.reshared);
  total.restarts += verdict.restarts;
  for (const fault of verdict.caught) caught.set(fault, (caught.get(fault) ?? 0) + 1);
  total.exposed += Number(verdict.exposed > 0);
  progress.at(seed - first + 1);
}
progress.end();
console.log(`caught in so many: ${[...caught].map(([fault, times]) => `${fault} ${times}`).join(", ")}`);
const seconds = (performance.now() - began) / 1000;
console.log(
  `${seeds}: ${count} ceremonies, 0 violations, ${total.reshared} of them reshares, ${total.restarts} restarts, ` +
    `${total.exposed} with exposed players, ${total.steps} steps, ${seconds.toFixed(1)} s, ` +
    `${(count / seconds).toFixed(0)} a second`,
);
