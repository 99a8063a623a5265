// The ten situations that a newcomer should see, as stories: each file says what happens and why, then how, line by line
// as the simulator tells it. KORA_UPDATE=1 writes the lines anew.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { calmOptions, type Options } from "../sim/options.ts";
import { runSchedule } from "../sim/schedule.ts";

const folder = import.meta.dirname;
const SEPARATOR = "---\n";

function optionsOf(text: string): Options {
  const line = text.split("\n").find((l) => l.startsWith("options "));
  const given = JSON.parse(line!.slice("options ".length));
  const { byzantine, absent, ...rest } = given;
  return {
    ...calmOptions(given.seed ?? 1, given.n, given.views),
    delay: 5,
    spread: 0,
    phaseOneMs: 100_000,
    short: true,
    ...rest,
    byzantine: new Map(
      Object.entries(byzantine ?? {}).map(([index, name]) => [Number(index), name as string]),
    ),
    absent: new Set(absent ?? []),
  };
}

/** One line per thing and moment: who did the same at the same time stands together. */
function tell(options: Options): string {
  const moments: { time: string; who: number[]; what: string }[] = [];
  const { violation } = runSchedule(options, undefined, (at, node, what) => {
    const time = at.toFixed(1);
    const same = moments.findLast((moment) => moment.time === time && moment.what === what);
    if (same === undefined) moments.push({ time, who: [node], what });
    else same.who.push(node);
  });
  const lines = moments.map(({ time, who, what }) => {
    const name = who[0] === -1 ? "network" : who.sort((a, b) => a - b).join(" ");
    return `${time.padStart(7)} ms  ${name.padEnd(7)}  ${what}`;
  });
  lines.push(violation === undefined ? "all invariants held" : `VIOLATION ${violation}`);
  return `${lines.join("\n")}\n`;
}

describe("scenarios", () => {
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".txt"))
    .sort()) {
    test(name, () => {
      const path = `${folder}/${name}`;
      const [story = "", golden] = readFileSync(path, "utf8").split(SEPARATOR);
      const told = tell(optionsOf(story));
      if (process.env["KORA_UPDATE"] === "1") writeFileSync(path, story + SEPARATOR + told);
      else expect(told).toBe(golden ?? "");
    });
  }
});
