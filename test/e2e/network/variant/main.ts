// A validator for tests, compiled like the product from the same source: `kora --config` with what the environment
// says in the place of the product's parts. VALIDATOR_CONDUCT makes it misbehave, VALIDATOR_CLOCK (JSON) sets its clock
// wrong, VALIDATOR_ACTS names the file that gets how, VALIDATOR_TAP the one that gets what it hears. With none of them it
// is an honest node.
import { dirname } from "node:path";
import { parseArgs } from "#cli/args.ts";
import { configOf } from "#cli/config.ts";
import { describeError, exitCodeOf } from "#cli/report.ts";
import { commands } from "#cli/table.ts";
import { formatSocketAddress } from "#config/kind.ts";
import type { Settings } from "#config/schema.ts";
import { NodeBuilder } from "#node/builder.ts";
import { tellsOfEndedConnection } from "#node/rejections.ts";
import { loadThresholdScheme } from "#node/threshold-files.ts";
import type { OpenTransport } from "#node/validators/network.ts";
import { actsTo } from "./acts.ts";
import { wrongClock } from "./clock.ts";
import { CONDUCTS } from "./conducts.ts";
import { misbehaving } from "./rogue.ts";
import { tapped } from "./tap.ts";

const { VALIDATOR_CONDUCT, VALIDATOR_CLOCK, VALIDATOR_ACTS, VALIDATOR_TAP, VALIDATOR_SEED } = process.env;
const act = actsTo(VALIDATOR_ACTS);

function fail(thrown: unknown): never {
  process.stderr.write(`${describeError(thrown)}\n`);
  process.exit(exitCodeOf(thrown));
}

function settingsOf(argv: readonly string[]): Settings {
  const command = commands.find(({ name }) => name === "");
  if (command === undefined) throw new Error("kora itself is a command");
  const terminal = { interactive: false, columns: 80, write: () => {} };
  const context = { env: process.env, signal: new AbortController().signal, out: () => {}, err: () => {} };
  return configOf({ ...context, terminal, args: parseArgs(command, argv) }).settings;
}

async function transportOf({ consensus }: Settings): Promise<OpenTransport> {
  const scheme = await loadThresholdScheme(dirname(consensus.validatorKey ?? "."));
  return ({ identity, genesis, standard }) => {
    const heard =
      VALIDATOR_TAP === undefined ? standard() : tapped(standard(), VALIDATOR_TAP, { scheme, genesis });
    if (VALIDATOR_CONDUCT === undefined) return heard;
    const conduct = CONDUCTS[VALIDATOR_CONDUCT];
    if (conduct === undefined) throw new Error(`no such conduct: ${VALIDATOR_CONDUCT}`);
    const seed = Number(VALIDATOR_SEED ?? 1);
    return misbehaving(heard, conduct(), { scheme, identity, genesis, seed, act });
  };
}

for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (thrown: unknown) => {
    if (!tellsOfEndedConnection(thrown)) fail(thrown);
  });
}
try {
  const settings = settingsOf(process.argv.slice(2));
  let builder = NodeBuilder.fromSettings(settings)
    .withTransport(await transportOf(settings))
    .withHooks({
      onReady({ rpc }) {
        for (const address of rpc?.addresses ?? [])
          console.log(`Listening on ${formatSocketAddress(address)}`);
      },
    });
  if (VALIDATOR_CLOCK !== undefined)
    builder = builder.withClock(wrongClock(JSON.parse(VALIDATOR_CLOCK), act));
  const node = builder.build();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => node.shutdown());
  await node.run();
  process.exit(0);
} catch (thrown) {
  fail(thrown);
}
