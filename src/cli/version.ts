// kora version: what this executable is and stands on.
import { buildInfo } from "#node/version.ts";
import { hasFlag } from "./args.ts";
import type { CommandRun } from "./command.ts";

/** `kora version [--json]`. */
export const version: CommandRun = async ({ args, out }) => {
  if (hasFlag(args, "json")) out(JSON.stringify(buildInfo));
  else out(`kora ${buildInfo.version} (${buildInfo.commit}, bun ${buildInfo.bun}, ${buildInfo.platform})`);
  return 0;
};
