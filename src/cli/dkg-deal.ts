// kora dkg deal: a key from one process that knows all of it. For local networks, and it says so on every run.
import { openBls } from "#crypto/bls.ts";
import { type Dealt, dealInto } from "#node/ceremony/deal.ts";
import { identityKey } from "#types/identity.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { hasFlag, integerFlag, textFlag, usageError } from "./args.ts";
import type { CommandContext, CommandRun } from "./command.ts";
import { configOf } from "./config.ts";

/** Said on every run that deals. */
export const DEALER_WARNING =
  "trusted dealer: this process knew the whole key. For local networks only; a real network runs kora dkg.";

function dealtOf(context: CommandContext): Dealt {
  const { args } = context;
  const count = integerFlag(args, "validators", { min: 1, max: MAX_PARTICIPANTS });
  const configured = textFlag(args, "config") !== undefined;
  if ((count === undefined) === !configured) {
    throw usageError(
      "who gets a share is not clear",
      "give either the participants of a configuration or a number of new validators",
      "kora dkg deal --out DIR --validators 4",
    );
  }
  if (count !== undefined) return { kind: "made", count };
  const { participants } = configOf(context).settings.consensus;
  return { kind: "given", participants: participants.map((text) => identityKey(text)) };
}

/** `kora dkg deal --out DIR`. */
export const dkgDeal: CommandRun = async (context) => {
  const out = textFlag(context.args, "out");
  if (out === undefined) {
    throw usageError(
      "--out is missing",
      "keys have to go somewhere",
      "kora dkg deal --out DIR --validators 4",
    );
  }
  const dealt = dealtOf(context);
  const { key, folders } = dealInto(out, await openBls(), dealt);
  context.err(DEALER_WARNING);
  const groupPublicKey = `0x${key.groupPublicKey.toHex()}`;
  if (hasFlag(context.args, "json")) {
    context.out(JSON.stringify({ groupPublicKey, threshold: key.threshold, folders }));
    return 0;
  }
  const lines = folders.map(({ path, participant }) => `${path}  ${participant.slice(2)}`);
  context.out(
    [
      `group public key  ${groupPublicKey.slice(2)}`,
      `threshold         ${key.threshold} of ${folders.length}`,
      ...lines,
    ].join("\n"),
  );
  return 0;
};
