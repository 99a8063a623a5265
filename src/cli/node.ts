// kora --config node.toml: runs a node until it is told to stop.
import { formatSocketAddress } from "#config/kind.ts";
import { NodeBuilder } from "#node/builder.ts";
import type { CommandRun } from "./command.ts";
import { configOf } from "./config.ts";
import { passphraseSource } from "./passphrase.ts";

/** `kora --config node.toml`. Prints where it listens once it is ready. */
export const node: CommandRun = async (context) => {
  const { settings } = configOf(context);
  const built = NodeBuilder.fromSettings(settings)
    .withPassphrase(passphraseSource(context))
    .withHooks({
      onReady: ({ rpcAddresses }) => {
        for (const address of rpcAddresses) context.out(`Listening on ${formatSocketAddress(address)}`);
      },
    })
    .build();
  context.signal.addEventListener("abort", () => built.shutdown(), { once: true });
  if (context.signal.aborted) built.shutdown();
  await built.run();
  return 0;
};
