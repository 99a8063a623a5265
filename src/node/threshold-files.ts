// Reads a committee's key from the files that a key ceremony or a dealer left: output.json, and this member's share.
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Bls, openBls } from "#crypto/bls.ts";
import { decodeOutput, decodeShareFile } from "#crypto/keyfiles.ts";
import { decryptText, isEncrypted } from "#crypto/passphrase.ts";
import { createThresholdScheme, type ThresholdScheme } from "#crypto/threshold.ts";
import { KoraError } from "#lib/error.ts";
import { readPublicFile, readSecretFile } from "./secret-files.ts";

/** Names of the files beside each other. */
const OUTPUT_FILE = "output.json";
const SHARE_FILE = "share.key";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function shareText(path: string, passphrase: string | undefined): Promise<string> {
  const content = readSecretFile(path);
  if (!isEncrypted(content)) return text(content);
  if (passphrase !== undefined) return await decryptText(path, content, passphrase);
  throw new KoraError(`${path} is encrypted`, {
    code: "PASSPHRASE_NEEDED",
    kind: "usage",
    why: "no passphrase was given for it",
    hint: "give the passphrase that it was encrypted with",
  });
}

/**
 * The scheme that `path` holds: an output.json, or the folder it is in. The share beside it is taken where there is
 * one; without it the scheme verifies and does not sign. `opened` is the implementation to use, the fastest when left
 * out. Throws KEY_FILE_MISSING, BAD_KEY_FILE, SECRET_EXPOSED,
 * SHARE_MISMATCH and PASSPHRASE_NEEDED.
 */
export async function loadThresholdScheme(
  path: string,
  passphrase?: string,
  opened?: Bls,
): Promise<ThresholdScheme> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const output = isFolder ? join(path, OUTPUT_FILE) : path;
  const share = join(isFolder ? path : dirname(path), SHARE_FILE);
  const { key } = decodeOutput(output, text(readPublicFile(output)));
  const bls = opened ?? (await openBls());
  if (!existsSync(share)) return createThresholdScheme(bls, key);
  const held = decodeShareFile(share, await shareText(share, passphrase));
  return createThresholdScheme(bls, key, held.share);
}
