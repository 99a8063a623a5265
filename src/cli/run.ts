// Runs one argument vector: finds the command, parses, runs, and turns anything thrown into three lines and a code.
import { findCommand, hasFlag, parseArgs } from "./args.ts";
import type { CommandContext } from "./command.ts";
import { commandHelp, overview } from "./help.ts";
import { helpOf } from "./help-command.ts";
import { lifetimeOf } from "./parent.ts";
import { describeError, exitCodeOf } from "./report.ts";
import { commands } from "./table.ts";

/** What the process gives a command. */
export type CommandLineIo = Omit<CommandContext, "args">;

const HELP: ReadonlySet<string> = new Set(["--help", "-h"]);

async function dispatch(argv: readonly string[], io: CommandLineIo): Promise<number> {
  if (argv.length === 0) {
    io.err(overview(commands));
    return 2;
  }
  const [first, second] = argv as readonly [string, string?];
  if (HELP.has(first)) {
    io.out(overview(commands));
    return 0;
  }
  const isGroup = !first.startsWith("-") && !commands.some(({ name }) => name === first);
  if (isGroup && second !== undefined && HELP.has(second)) {
    io.out(helpOf(commands, [first]));
    return 0;
  }
  const aliased = argv[0] === "--version" || argv[0] === "-V" ? ["version", ...argv.slice(1)] : argv;
  const { command, rest } = findCommand(commands, aliased);
  const args = parseArgs(command, rest);
  if (hasFlag(args, "help")) {
    io.out(commandHelp(command));
    return 0;
  }
  const run = await command.load();
  return await run({ ...io, args, signal: lifetimeOf(args, io.signal) });
}

/** Runs the command that `argv` (without program names) names; answers the exit code, never throws. */
export async function runCli(argv: readonly string[], io: CommandLineIo): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (thrown) {
    io.err(describeError(thrown));
    return exitCodeOf(thrown);
  }
}
