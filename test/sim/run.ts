// bun test/sim/run.ts --seed N --count M [--real] [--jobs J] [--calm VIEWS --n SIZE] [--verbose]: runs seeds N to N+M-1,
// each exactly reproducible. Exits 1 at a violation with the line that repeats it; ends with a summary line whose trace
// covers every schedule. --calm: the plain schedules by which speed is measured, instead of the default mix.
// --real: over the true ledger, execution and store, comparing state roots.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { createProgress } from "../support/progress.ts";
import { calmOptions, type Options, realOptions, swarmOptions } from "./options.ts";
import { type Result, repro, runReal, runSchedule } from "./schedule.ts";
import { mix } from "./stand-in.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    jobs: { type: "string", default: "1" },
    n: { type: "string", default: "4" },
    calm: { type: "string" },
    real: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

/** Seeds that one process takes at a time. */
const SHARE = values.real ? 25 : 500;

const first = Number(values.seed);
const count = Number(values.count);
const jobs = values.jobs === "all" ? availableParallelism() : Number(values.jobs);
const started = performance.now();
const seeds = `seeds ${first} to ${first + count - 1}`;
const progress = createProgress(count, "schedules");

interface Totals {
  schedules: number;
  views: number;
  /** Sum of every schedule's trace: in whatever order they ran. */
  trace: number;
  /** Transfers in final blocks; real ledgers only. */
  transfers: number;
}

const nothing = (): Totals => ({ schedules: 0, views: 0, trace: 0, transfers: 0 });

function summary({ schedules, views, trace, transfers }: Totals): string {
  const seconds = (performance.now() - started) / 1000;
  // What the work costs, however busy the machine is.
  const cpu = values.jobs === "1" ? `, ${(process.cpuUsage().user / 1e6).toFixed(1)} s of CPU` : "";
  const rate = (schedules / seconds).toFixed(values.real ? 1 : 0);
  const moved = values.real ? `, ${transfers} transfers` : "";
  return `${seeds}: ${schedules} schedules, ${views} views${moved}, 0 violations in ${seconds.toFixed(1)} s (${rate}/s${cpu}), trace ${trace.toString(16)}`;
}

function optionsOf(seed: number): Options {
  if (values.real) return realOptions(seed);
  if (values.calm !== undefined) return calmOptions(seed, Number(values.n), Number(values.calm));
  return swarmOptions(seed);
}

async function runHere(): Promise<Totals> {
  const totals = nothing();
  const print = (time: number, node: number, what: string): void => console.log(time.toFixed(2), node, what);
  const tell = values.verbose ? print : undefined;
  for (let seed = first; seed < first + count; seed++) {
    const options = optionsOf(seed);
    const result: Result = values.real ? await runReal(seed, tell) : runSchedule(options, undefined, tell);
    const { outcome, violation, transfers } = result;
    if (outcome === undefined) {
      progress.end();
      console.log(
        JSON.stringify({ ...options, byzantine: [...options.byzantine], absent: [...options.absent] }),
      );
      const calm = values.calm === undefined ? "" : ` --calm ${values.calm} --n ${values.n}`;
      console.log(`seed ${seed}: ${violation}\nrepeat: ${repro(seed, values.real)}${calm}`);
      process.exit(1);
    }
    totals.schedules++;
    totals.views += outcome.views;
    totals.transfers += transfers ?? 0;
    totals.trace = (totals.trace + (mix(outcome.trace, seed) >>> 0)) >>> 0;
    progress.at(totals.schedules);
  }
  return totals;
}

/** One process after the other takes the next share, `jobs` at a time. */
async function runShared(): Promise<Totals> {
  const totals = nothing();
  const running = new Set<{ kill(): void }>();
  let next = first;
  const worker = async (): Promise<void> => {
    while (next < first + count) {
      const seed = next;
      const share = Math.min(SHARE, first + count - seed);
      next += share;
      const command = [process.execPath, import.meta.path, "--seed", `${seed}`, "--count", `${share}`];
      if (values.real) command.push("--real");
      if (values.calm !== undefined) command.push("--calm", values.calm, "--n", values.n);
      // Its own progress would be one of many: it has no terminal.
      const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
      running.add(child);
      const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      running.delete(child);
      if ((await child.exited) !== 0) {
        for (const other of running) other.kill();
        progress.end();
        console.log(`${text}${errors}`.trimEnd());
        process.exit(1);
      }
      const found = /(\d+) schedules, (\d+) views(?:, (\d+) transfers)?.* trace ([0-9a-f]+)/.exec(text);
      totals.schedules += Number(found?.[1]);
      totals.views += Number(found?.[2]);
      totals.transfers += Number(found?.[3] ?? 0);
      totals.trace = (totals.trace + Number.parseInt(found?.[4] ?? "", 16)) >>> 0;
      progress.at(totals.schedules);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return totals;
}

console.log(seeds);
const totals = jobs > 1 ? await runShared() : await runHere();
progress.end();
console.log(summary(totals));
