// Reads a committee's key from the files that a key ceremony or a dealer left: output.json, and this member's share.
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Bls, openBls } from "#crypto/bls.ts";
import { decodeOutput, decodeShareFile, type KeyOutput } from "#crypto/keyfiles.ts";
import { decryptText, isEncrypted } from "#crypto/passphrase.ts";
import { createThresholdScheme, type ThresholdScheme } from "#crypto/threshold.ts";
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
  if (share === undefined) return { scheme: createThresholdScheme(bls, key), output: made };
  const content = readSecretFile(share);
  const plain = isEncrypted(content) ? await decryptText(share, content, await passphrase()) : text(content);
  content.fill(0);
  const held = decodeShareFile(share, plain).share;
  const scheme = createThresholdScheme(bls, key, held);
  held.secret.fill(0);
  return { scheme, output: made };
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
