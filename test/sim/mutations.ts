// bun test/sim/mutations.ts [--seeds N] [--only RULE]: removes each rule in turn and looks for the first seed whose
// schedule notices. Writes mutations.md beside itself; exits 1 if a removal goes unnoticed.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ALL_RULES, type RuleName } from "#consensus/rules.ts";
import { createProgress } from "../support/progress.ts";
import { runSeed } from "./schedule.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "5000" }, only: { type: "string" } },
});
const seeds = Number(values.seeds);
const names = (Object.keys(ALL_RULES) as RuleName[]).filter(
  (name) => values.only === undefined || name === values.only,
);

const rows: string[][] = [["rule removed", "first failing seed", "what fails"]];
const unnoticed: string[] = [];
const progress = createProgress(names.length, "rules");
console.log(`${names.length} rules removed one by one, seeds 1 to ${seeds}`);
for (const [index, name] of names.entries()) {
  const rules = { ...ALL_RULES, [name]: false };
  const started = performance.now();
  let row = [name, `none in ${seeds}`, ""];
  let found = false;
  for (let seed = 1; seed <= seeds && !found; seed++) {
    progress.at(index, `${name}: seed ${seed}`);
    const { violation } = runSeed(seed, rules);
    if (violation === undefined) continue;
    found = true;
    row = [name, `${seed}`, violation.replaceAll("|", "/").slice(0, 100).trimEnd()];
  }
  if (!found) unnoticed.push(name);
  rows.push(row);
  progress.end();
  console.log(`${row.join(" | ")} ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** One line of the table, as the formatter would have it. */
function line(cells: readonly string[], fill: string): string {
  const padded = cells.map((cell, column) => {
    const width = Math.max(...rows.map((row) => (row[column] ?? "").length));
    return cell.padEnd(width, fill);
  });
  return `| ${padded.join(" | ")} |`;
}

if (values.only === undefined) {
  const [head = [], ...found] = rows;
  const text = [
    "# What the simulator notices",
    "",
    "Each rule removed alone, and the first seed of the default mix whose schedule fails without it.",
    "Written by `npx bun test/sim/mutations.ts`.",
    "",
    line(head, " "),
    line(
      head.map(() => ""),
      "-",
    ),
    ...found.map((row) => line(row, " ")),
  ];
  writeFileSync(`${import.meta.dirname}/mutations.md`, `${text.join("\n")}\n`);
}
for (const name of unnoticed)
  console.log(`again: npx bun test/sim/mutations.ts --only ${name} --seeds ${seeds}`);
console.log(`${names.length} rules removed, ${unnoticed.length} unnoticed in seeds 1 to ${seeds}`);
process.exit(unnoticed.length === 0 ? 0 : 1);
