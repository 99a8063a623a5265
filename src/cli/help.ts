// Help texts, made from the command table alone.
import { COMMON_FLAGS } from "./args.ts";
import type { Command, Flag } from "./command.ts";

const WIDTH = 100;

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${" ".repeat(indent)}`);
}

function table(rows: readonly (readonly [string, string])[]): string {
  const left = Math.min(34, Math.max(...rows.map(([name]) => name.length)));
  return rows
    .map(([name, summary]) => {
      const head = name.length > left ? `  ${name}\n${" ".repeat(left + 4)}` : `  ${name.padEnd(left)}  `;
      return `${head}${wrap(summary, left + 4)}`;
    })
    .join("\n");
}

function flagRow(flag: Flag): readonly [string, string] {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value}`;
  const choices = flag.choices === undefined ? "" : ` (${flag.choices.join(", ")})`;
  const byDefault = flag.default === undefined ? "" : ` [${flag.default}]`;
  return [`${short}--${flag.name}${value}`, `${flag.summary}${choices}${byDefault}`];
}

/** The synopsis of a command. */
export function synopsis(command: Command): string {
  const words = ["kora", command.name, ...(command.operands ?? [])].filter((word) => word !== "");
  return `${words.join(" ")} [flags]`;
}

/** Help of one command. */
export function commandHelp(command: Command): string {
  const parts = [wrap(command.summary, 0), `usage: ${synopsis(command)}`];
  if (command.details !== undefined) parts.push(command.details);
  parts.push(`flags:\n${table([...command.flags, ...COMMON_FLAGS].map(flagRow))}`);
  return parts.join("\n\n");
}

/** The list of all commands. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command): readonly [string, string] => [
    command.name === ""
      ? "kora --config node.toml"
      : ["kora", command.name, ...(command.operands ?? [])].join(" "),
    command.summary,
  ]);
  return [
    "Kora: an EVM chain in one executable.",
    `commands:\n${table(rows)}`,
    "Every key of a configuration is a flag too: kora --config node.toml --help lists them.",
    "kora help COMMAND tells more of one. Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 refused for safety.",
  ].join("\n\n");
}
