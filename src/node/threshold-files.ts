// Reads a committee's key from the files that a key ceremony or a dealer left: output.json, and this member's share.
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Bls, openBls } from "#crypto/bls.ts";
import { decodeOutput, decodeShareFile, type KeyOutput } from "#crypto/keyfiles.ts";
import { decryptText, isEncrypted } from "#crypto/passphrase.ts";
import { checkThresholdKey, createThresholdScheme, type ThresholdScheme } from "#crypto/threshold.ts";
import { equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { readPublicFile, readSecretFile } from "./secret-files.ts";

/** Names of the files beside each other. */
export const OUTPUT_FILE = "output.json";
export const SHARE_FILE = "share.key";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Where a committee's key and this member's share of it are. */
export interface ThresholdFiles {
  readonly output: string;
  /** Undefined for one who only verifies. */
  readonly share: string | undefined;
}

/** Throws BAD_KEY_FILE unless all that an output.json says fits together. */
function checkOutput(bls: Bls, file: string, { key }: KeyOutput): void {
  try {
    checkThresholdKey(bls, key);
  } catch (thrown) {
    if (!(thrown instanceof KoraError)) throw thrown;
    throw new KoraError(`${file} cannot be used`, {
      code: "BAD_KEY_FILE",
      kind: "safety",
      why: `${thrown.message}: ${thrown.why}`,
      hint: "restore the file from a backup, or copy output.json of another validator of this network",
      cause: thrown,
    });
  }
}

function otherKey(share: string, output: string): KoraError {
  return new KoraError("share.key names another group key than output.json", {
    code: "SHARE_MISMATCH",
    kind: "safety",
    why: `${share} and ${output} are of two ceremonies, or one of them was edited`,
    hint: "put share.key and output.json of the same ceremony beside each other",
  });
}

/** What the files hold. */
export interface HeldKey {
  readonly scheme: ThresholdScheme;
  readonly output: KeyOutput;
}

/**
 * The scheme that `files` hold; without a share it verifies and does not sign. `passphrase` is asked for where the
 * share is encrypted. Throws KEY_FILE_MISSING, BAD_KEY_FILE, SECRET_EXPOSED, SHARE_MISMATCH, WRONG_PASSPHRASE and
 * what asking throws.
 */
export async function readThresholdScheme(
  { output, share }: ThresholdFiles,
  passphrase: () => Promise<string>,
  bls: Bls,
): Promise<HeldKey> {
  const made = decodeOutput(output, text(readPublicFile(output)));
  const { key } = made;
  checkOutput(bls, output, made);
  if (share === undefined) return { scheme: createThresholdScheme(bls, key), output: made };
  const content = readSecretFile(share);
  const plain = isEncrypted(content) ? await decryptText(share, content, await passphrase()) : text(content);
  content.fill(0);
  const { share: held, groupPublicKey } = decodeShareFile(share, plain);
  try {
    if (!equalBytes(groupPublicKey, key.groupPublicKey)) throw otherKey(share, output);
    return { scheme: createThresholdScheme(bls, key, held), output: made };
  } finally {
    held.secret.fill(0);
  }
}

/**
 * The scheme that `path` holds: an output.json, or the folder it is in. The share beside it is taken where there is
 * one. Throws as above, and PASSPHRASE_NEEDED for an encrypted share without `passphrase`.
 */
export async function loadThresholdScheme(path: string, passphrase?: string): Promise<ThresholdScheme> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const output = isFolder ? join(path, OUTPUT_FILE) : path;
  const share = join(isFolder ? path : dirname(path), SHARE_FILE);
  const given = async (): Promise<string> => {
    if (passphrase !== undefined) return passphrase;
    throw new KoraError(`${share} is encrypted`, {
      code: "PASSPHRASE_NEEDED",
      kind: "usage",
      why: "no passphrase was given for it",
      hint: "give the passphrase that it was encrypted with",
    });
  };
  const files = { output, share: existsSync(share) ? share : undefined };
  const { scheme } = await readThresholdScheme(files, given, await openBls());
  return scheme;
}
