// kora help: the overview, or the help of one command.
import { unknownCommand } from "./args.ts";
import type { Command, CommandRun } from "./command.ts";
import { commandHelp, overview } from "./help.ts";

/** `kora help [COMMAND]` over the given table. */
export function help(commands: readonly Command[]): CommandRun {
  return async ({ args, out }) => {
    if (args.operands.length === 0) {
      out(overview(commands));
      return 0;
    }
    const name = args.operands.join(" ");
    const found = commands.filter((command) => command.name === name || command.name.startsWith(`${name} `));
    if (found.length === 0) throw unknownCommand(commands, args.operands);
    out(found.map(commandHelp).join("\n\n"));
    return 0;
  };
}
