// kora keys generate, show and encrypt: identity keys and other key files. Never prints a secret, and never takes a
// passphrase on the command line.
import { KoraError } from "#lib/error.ts";
import { createIdentity, describeKeyFile, encryptKeyFile, type KeyFileContent } from "#node/key-files.ts";
import { hasFlag, textFlag, usageError } from "./args.ts";
import type { CommandContext, CommandRun } from "./command.ts";
import { configOf } from "./config.ts";
import { givesPassphrase, passphraseSource, readPassphrase } from "./passphrase.ts";

const DEFAULT_FILE = "validator.key";

/** The key file that is meant: the operand, else the configuration's. */
function fileOf(context: CommandContext): string {
  const [file] = context.args.operands;
  const configured = textFlag(context.args, "config") !== undefined;
  if (file !== undefined && configured) {
    throw usageError("a file and a configuration are both given", "they name two keys", "leave one out");
  }
  if (file !== undefined || !configured) return file ?? DEFAULT_FILE;
  const { validatorKey } = configOf(context).settings.consensus;
  if (validatorKey !== undefined) return validatorKey;
  throw usageError(
    "the configuration names no key file",
    "consensus.validator_key is not set",
    "name the file: kora keys show validator.key",
  );
}

/** A new passphrase: given beforehand, or typed twice. */
async function newPassphrase(context: CommandContext): Promise<string> {
  const first = await readPassphrase(context, "new passphrase: ");
  if (givesPassphrase(context)) return first;
  if ((await readPassphrase(context, "once more: ")) === first) return first;
  throw new KoraError("the two passphrases differ", {
    code: "NO_PASSPHRASE",
    kind: "usage",
    why: "what was typed the second time is not what was typed the first time",
    hint: "try again; nothing was changed",
  });
}

function print(context: CommandContext, fields: Readonly<Record<string, unknown>>): void {
  if (hasFlag(context.args, "json")) {
    context.out(JSON.stringify(fields));
    return;
  }
  const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const width = Math.max(...Object.keys(fields).map((name) => words(name).length));
  const show = (value: unknown): string =>
    Array.isArray(value) ? value.join(`\n${" ".repeat(width + 2)}`) : String(value);
  for (const [name, value] of Object.entries(fields)) {
    context.out(`${words(name).padEnd(width)}  ${show(value)}`);
  }
}

function describe(content: KeyFileContent): Readonly<Record<string, unknown>> {
  if (content.kind === "identity") {
    return { publicKey: content.publicKey.slice(2), encrypted: content.encrypted };
  }
  if (content.kind === "share") {
    return {
      shareIndex: content.index,
      publicShare: content.publicShare.toHex(),
      groupPublicKey: content.groupPublicKey.toHex(),
      encrypted: content.encrypted,
    };
  }
  const { key, origin, round, exposed } = content.output;
  return {
    groupPublicKey: key.groupPublicKey.toHex(),
    threshold: `${key.threshold} of ${key.participants.length}`,
    participants: key.participants.map((participant) => participant.slice(2)),
    origin: origin === "ceremony" ? `ceremony, round ${round}` : "trusted dealer: for local networks only",
    exposed: exposed.length === 0 ? "none" : exposed,
  };
}

/** `kora keys generate [FILE]`. */
export const keysGenerate: CommandRun = async (context) => {
  const file = fileOf(context);
  const encrypt = hasFlag(context.args, "encrypt") || givesPassphrase(context);
  const publicKey = await createIdentity(file, encrypt ? await newPassphrase(context) : undefined);
  print(context, { file, publicKey: publicKey.slice(2), encrypted: encrypt });
  return 0;
};

/** `kora keys show [FILE]`. */
export const keysShow: CommandRun = async (context) => {
  const file = fileOf(context);
  print(context, { file, ...describe(await describeKeyFile(file, passphraseSource(context))) });
  return 0;
};

/** `kora keys encrypt [FILE]`. */
export const keysEncrypt: CommandRun = async (context) => {
  const file = fileOf(context);
  await encryptKeyFile(file, () => newPassphrase(context));
  print(context, { file, encrypted: true });
  return 0;
};
