// kora help: the overview, or the help of one command.
import { unknownCommand } from "./args.ts";
import type { Command, CommandRun } from "./command.ts";
import { commandHelp, overview } from "./help.ts";

/** The help of the command, or of all commands of the group, that `words` name. Throws USAGE for others. */
export function helpOf(commands: readonly Command[], words: readonly string[]): string {
  const name = words.join(" ");
  const found = commands.filter((command) => command.name === name || command.name.startsWith(`${name} `));
  if (found.length === 0) throw unknownCommand(commands, words);
  return found.map(commandHelp).join("\n\n");
}

/** `kora help [COMMAND]` over the given table. */
export function help(commands: readonly Command[]): CommandRun {
  return async ({ args, out }) => {
    out(args.operands.length === 0 ? overview(commands) : helpOf(commands, args.operands));
    return 0;
  };
}
