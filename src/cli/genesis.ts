// kora genesis hash: what block a genesis file makes, without keeping anything.
import { buildGenesis, readGenesis } from "#node/genesis-source.ts";
import { hasFlag } from "./args.ts";
import type { CommandRun } from "./command.ts";

/** `kora genesis hash FILE [--json]`. */
export const genesisHash: CommandRun = async ({ args, out }) => {
  const { chainId, hash, stateRoot } = buildGenesis(readGenesis(args.operands[0] ?? ""));
  if (hasFlag(args, "json")) out(JSON.stringify({ chainId: Number(chainId), hash, stateRoot }));
  else out(`chain id    ${chainId}\nhash        ${hash}\nstate root  ${stateRoot}`);
  return 0;
};
