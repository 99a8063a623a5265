// Splits an argument vector into a command, its flags and operands. Knows nothing of what commands do.
import { KoraError } from "#lib/error.ts";
import { nearestName } from "#lib/nearest.ts";
import type { Args, Command, Flag } from "./command.ts";

/** Flags that every command has. */
export const COMMON_FLAGS: readonly Flag[] = [{ name: "help", short: "h", summary: "show this help" }];

/** A mistake on the command line: exit code 2. */
export function usageError(message: string, why: string, hint: string): KoraError {
  return new KoraError(message, { code: "USAGE", kind: "usage", why, hint });
}

function commandLine(command: Command): string {
  return command.name === "" ? "kora" : `kora ${command.name}`;
}

/** What shows the command's help: `kora --help` alone lists the commands. */
function helpLine(command: Command): string {
  return command.name === "" ? "kora --config node.toml --help" : `${commandLine(command)} --help`;
}

/** The command that the leading words name (the longest match), and the rest of the vector. */
export function findCommand(
  table: readonly Command[],
  argv: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } {
  const words = argv.slice(0, argv.findIndex((word) => word.startsWith("-")) >>> 0);
  for (let count = Math.min(words.length, 2); count >= 0; count--) {
    const name = words.slice(0, count).join(" ");
    const command = table.find((candidate) => candidate.name === name);
    if (command === undefined || (count === 0 && words.length > 0)) continue;
    return { command, rest: argv.slice(count) };
  }
  throw unknownCommand(table, words);
}

/** The error for words that name no command, with the nearest one as hint. */
export function unknownCommand(table: readonly Command[], words: readonly string[]): KoraError {
  const typed = words.slice(0, 2).join(" ");
  const group = table.filter((command) => command.name.startsWith(`${words[0]} `));
  if (group.length > 0) {
    const names = group.map((command) => `kora ${command.name}`).join(", ");
    return usageError(`"kora ${typed}" is not a command`, `"${words[0]}" is a group of commands`, names);
  }
  const known = table.map((command) => command.name).filter((name) => name !== "");
  const nearest = nearestName(typed, known) ?? nearestName(words[0] ?? "", known);
  const hint = nearest === undefined ? "kora help lists the commands" : `did you mean "kora ${nearest}"?`;
  return usageError(`"kora ${typed}" is not a command`, `no command is called "${typed}"`, hint);
}

function findFlag(command: Command, word: string): Flag {
  const flags = [...command.flags, ...COMMON_FLAGS];
  const found = word.startsWith("--")
    ? flags.find((flag) => flag.name === word.slice(2))
    : flags.find((flag) => flag.short === word.slice(1));
  if (found !== undefined) return found;
  const nearest = nearestName(
    word.replace(/^-+/, ""),
    flags.map((flag) => flag.name),
  );
  throw usageError(
    `unknown flag ${word}`,
    `"${commandLine(command)}" has no flag of this name`,
    nearest === undefined ? `${helpLine(command)} lists its flags` : `did you mean --${nearest}?`,
  );
}

function checkValue(command: Command, flag: Flag, value: string | undefined): string {
  if (value === undefined) {
    throw usageError(
      `--${flag.name} needs a value`,
      "the command line ends where its value should be",
      `${commandLine(command)} --${flag.name} ${flag.value}`,
    );
  }
  if (flag.choices !== undefined && !flag.choices.includes(value)) {
    const nearest = nearestName(value, flag.choices);
    throw usageError(
      `--${flag.name} cannot be "${value}"`,
      `it is one of ${flag.choices.join(", ")}`,
      `--${flag.name} ${nearest ?? flag.choices[0]}`,
    );
  }
  return value;
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const wanted = command.operands ?? [];
  const missing = wanted.filter((name) => !name.startsWith("["))[operands.length];
  if (missing !== undefined) {
    throw usageError(
      `${missing} is missing`,
      `"${commandLine(command)}" takes ${wanted.join(" ")}`,
      `${commandLine(command)} ${wanted.join(" ")}`,
    );
  }
  if (operands.length > wanted.length) {
    throw usageError(
      `unexpected argument "${operands[wanted.length]}"`,
      wanted.length === 0
        ? `"${commandLine(command)}" takes only flags`
        : `it takes only ${wanted.join(" ")}`,
      helpLine(command),
    );
  }
}

/** The flag and the value of `words[at]`, and how many words they take. */
function readFlag(
  command: Command,
  words: readonly string[],
  at: number,
): { readonly flag: Flag; readonly value: string | true; readonly words: number } {
  const word = words[at] as string;
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  const flag = findFlag(command, equals < 0 ? word : word.slice(0, equals));
  if (flag.value === undefined) {
    if (equals >= 0) {
      throw usageError(`--${flag.name} takes no value`, "it is a switch", `--${flag.name}`);
    }
    return { flag, value: true, words: 1 };
  }
  const given = equals < 0 ? words[at + 1] : word.slice(equals + 1);
  return { flag, value: checkValue(command, flag, given), words: equals < 0 ? 2 : 1 };
}

/** Reads the words after a command's name. Flags may be `--name value`, `--name=value` or `-n value`. */
export function parseArgs(command: Command, words: readonly string[]): Args {
  const flags = new Map<string, string | true>();
  const operands: string[] = [];
  let at = 0;
  let onlyOperands = false;
  while (at < words.length) {
    const word = words[at] as string;
    if (!onlyOperands && word === "--") {
      onlyOperands = true;
      at++;
    } else if (onlyOperands || !word.startsWith("-") || word === "-") {
      operands.push(word);
      at++;
    } else {
      const read = readFlag(command, words, at);
      if (flags.has(read.flag.name)) {
        throw usageError(
          `--${read.flag.name} is given twice`,
          "only one value can hold",
          "leave one of them out",
        );
      }
      flags.set(read.flag.name, read.value);
      at += read.words;
    }
  }
  if (!flags.has("help")) checkOperands(command, operands);
  return { flags, operands };
}

/** Whether a switch was given. */
export function hasFlag(args: Args, name: string): boolean {
  return args.flags.has(name);
}

/** The text of a flag, if given. */
export function textFlag(args: Args, name: string): string | undefined {
  const value = args.flags.get(name);
  return value === true ? undefined : value;
}

/** What a number may be, its bounds included. */
interface Range {
  readonly min: number;
  readonly max: number;
}

function rangedFlag(args: Args, name: string, { min, max }: Range, what: string, form: RegExp) {
  const text = textFlag(args, name);
  if (text === undefined) return undefined;
  const value = form.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const why = `it is ${what} from ${min} to ${max}`;
  throw usageError(`--${name} cannot be "${text}"`, why, `--${name} ${min}`);
}

/** A flag's value as an integer within `range`; underscores and scientific notation are not taken. */
export function integerFlag(args: Args, name: string, range: Range): number | undefined {
  return rangedFlag(args, name, range, "an integer", /^\d{1,16}$/);
}

/** A flag's value as a decimal number within `range`. */
export function numberFlag(args: Args, name: string, range: Range): number | undefined {
  return rangedFlag(args, name, range, "a number", /^\d{1,12}(?:\.\d{1,9})?$/);
}
