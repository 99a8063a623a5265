// kora config check and kora config print, and how the commands that take a configuration read it.
import { type LoadedConfig, loadConfig } from "#config/load.ts";
import { printConfig } from "#config/print.ts";
import { allKeys } from "#config/schema.ts";
import { textFlag, usageError } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";

const SHORT_FLAGS = [
  ["chain-id", "node-chain-id"],
  ["data-dir", "node-data-dir"],
] as const;

/** Texts of the flags that override keys, by the keys' full flag names. */
function overrides(args: Args): Map<string, string> {
  const flags = new Map<string, string>();
  for (const { flag } of allKeys) {
    const value = textFlag(args, flag);
    if (value !== undefined) flags.set(flag, value);
  }
  for (const [short, full] of SHORT_FLAGS) {
    const value = textFlag(args, short);
    if (value === undefined) continue;
    if (flags.has(full)) {
      throw usageError(`--${short} and --${full} are both given`, "they set the same key", "leave one out");
    }
    flags.set(full, value);
  }
  return flags;
}

/** The configuration that --config, the environment and the flags make. Throws without --config. */
export function configOf({ args, env }: CommandContext): LoadedConfig {
  const file = textFlag(args, "config");
  if (file === undefined) {
    throw usageError(
      "no configuration is given",
      "this command needs one",
      "add --config node.toml; kora testnet writes one for each node",
    );
  }
  return loadConfig({ file, env, flags: overrides(args) });
}

/** `kora config check`. */
export const configCheck: CommandRun = async (context) => {
  const { file, origins } = configOf(context);
  const set = [...origins.values()].filter((origin) => origin !== "default").length;
  context.out(`${file} is valid: ${set} keys set, ${origins.size - set} by default`);
  return 0;
};

/** `kora config print`. */
export const configPrint: CommandRun = async (context) => {
  context.out(printConfig(configOf(context)));
  return 0;
};
