// kora --config node.toml: runs a node until it is told to stop.
import { formatSocketAddress } from "#config/kind.ts";
import { NodeBuilder } from "#node/builder.ts";
import type { CreatedNode } from "#node/create.ts";
import type { CommandRun } from "./command.ts";
import { configOf } from "./config.ts";
import { passphraseSource } from "./passphrase.ts";

/** Where it listens: for clients, else for its peers, else for its operator. */
function listening({ rpc, network, metricsAddress }: CreatedNode): readonly string[] {
  if (rpc !== undefined) return rpc.addresses.map(formatSocketAddress);
  if (network !== undefined) return network.transport.listening();
  return metricsAddress === undefined ? [] : [formatSocketAddress(metricsAddress)];
}

/** `kora --config node.toml`. Prints where it listens once it is ready. */
export const node: CommandRun = async (context) => {
  const { settings } = configOf(context);
  const built = NodeBuilder.fromSettings(settings)
    .withPassphrase(passphraseSource(context))
    .withHooks({
      onReady: (started) => {
        for (const address of listening(started)) context.out(`Listening on ${address}`);
      },
    })
    .build();
  context.signal.addEventListener("abort", () => built.shutdown(), { once: true });
  if (context.signal.aborted) built.shutdown();
  await built.run();
  return 0;
};
