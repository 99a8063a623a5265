// bun test/sim/run.ts --seed N --count M [--jobs J] [--n SIZE] [--calm VIEWS]: runs seeds N to N+M-1, each exactly
// reproducible. Exits 1 at a violation with the line that repeats it; ends with a summary line.
import { parseArgs } from "node:util";
import { Violation } from "./checkers.ts";
import { calmOptions, type Options, swarmOptions } from "./options.ts";
import { createWorld } from "./world.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    n: { type: "string" },
    calm: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const first = Number(values.seed);
const count = Number(values.count);

function optionsOf(seed: number): Options {
  if (values.calm !== undefined) return calmOptions(seed, Number(values.n ?? 4), Number(values.calm));
  return swarmOptions(seed);
}

const started = performance.now();
let views = 0;
for (let seed = first; seed < first + count; seed++) {
  const options = optionsOf(seed);
  const tell = values.verbose
    ? (time: number, node: number, what: string): void => console.log(time.toFixed(2), node, what)
    : undefined;
  try {
    const outcome = createWorld(options, undefined, tell).run();
    views += outcome.views;
    if (values.verbose) console.log(outcome);
  } catch (error) {
    const name = error instanceof Violation ? error.message : String((error as Error).stack);
    console.log({ ...options, byzantine: [...options.byzantine], absent: [...options.absent] });
    console.log(`seed ${seed}: ${name}\nrepeat: npx bun test/sim/run.ts --seed ${seed} --count 1 --verbose`);
    process.exit(1);
  }
}
const seconds = (performance.now() - started) / 1000;
console.log(
  `${count} schedules, ${views} views, 0 violations in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)}/s)`,
);
