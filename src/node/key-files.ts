// What is done with single key files: reading an identity, making one, putting a passphrase over a secret, and telling
// what a file holds without showing its secret.
import { openBls } from "#crypto/bls.ts";
import { generateSeed, type Identity, identityFromSeed } from "#crypto/identity.ts";
import { decodeOutput, decodeSeed, decodeShareFile, encodeSeed, type KeyOutput } from "#crypto/keyfiles.ts";
import { decryptText, encryptText, isEncrypted } from "#crypto/passphrase.ts";
import { equalBytes, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { readPublicFile, readSecretFile, SECRET_MODE, writeNew, writeWhole } from "#node/secret-files.ts";
import type { IdentityKey } from "#types/identity.ts";

/** How the passphrase of key files is had: given beforehand, or asked for when one turns out to be needed. */
export interface PassphraseSource {
  readonly given: boolean;
  readonly read: () => Promise<string>;
}

/** What a key file holds, without its secret. */
export type KeyFileContent =
  | { readonly kind: "identity"; readonly publicKey: IdentityKey; readonly encrypted: boolean }
  | {
      readonly kind: "share";
      readonly index: number;
      readonly groupPublicKey: Uint8Array;
      readonly publicShare: Uint8Array;
      readonly encrypted: boolean;
    }
  | { readonly kind: "output"; readonly output: KeyOutput };

const textOf = (content: Uint8Array): string => new TextDecoder().decode(content);
const isObject = (text: string): boolean => text.trimStart().startsWith("{");

interface Opened {
  readonly text: string;
  /** The passphrase that opened it, or that was given beforehand. */
  readonly passphrase: string | undefined;
  readonly encrypted: boolean;
}

/** Reads a secret file, asking for its passphrase where it has one. */
async function openSecret(path: string, source: PassphraseSource): Promise<Opened> {
  const content = readSecretFile(path);
  const encrypted = isEncrypted(content);
  const passphrase = encrypted || source.given ? await source.read() : undefined;
  const text =
    encrypted && passphrase !== undefined ? await decryptText(path, content, passphrase) : textOf(content);
  content.fill(0);
  return { text, passphrase, encrypted };
}

/** The identity in a validator.key, and the passphrase if there is one. Throws what reading and decoding throw. */
export async function readIdentity(
  path: string,
  source: PassphraseSource,
): Promise<{ readonly identity: Identity; readonly passphrase: string | undefined }> {
  const { text, passphrase } = await openSecret(path, source);
  const seed = decodeSeed(path, text);
  const identity = identityFromSeed(seed);
  seed.fill(0);
  return { identity, passphrase };
}

/** Makes an identity and writes it where nothing is yet. Throws KEY_KEPT, a refusal, WEAK_PASSPHRASE, FILE_NOT_WRITTEN. */
export async function createIdentity(path: string, passphrase: string | undefined): Promise<IdentityKey> {
  const seed = generateSeed();
  const text = encodeSeed(seed);
  const content = passphrase === undefined ? utf8(text) : await encryptText(text, passphrase);
  writeNew(path, content, SECRET_MODE);
  const { publicKey } = identityFromSeed(seed);
  seed.fill(0);
  content.fill(0);
  return publicKey;
}

/**
 * Puts a passphrase over a validator.key or share.key, in its place. The file is only replaced by what was read back
 * with the passphrase. Throws ALREADY_ENCRYPTED, BAD_KEY_FILE for what is no secret key file, and as above.
 */
export async function encryptKeyFile(path: string, passphrase: () => Promise<string>): Promise<void> {
  const content = readSecretFile(path);
  if (isEncrypted(content)) {
    throw new KoraError(`${path} is encrypted already`, {
      code: "ALREADY_ENCRYPTED",
      kind: "usage",
      why: "a second passphrase over the first would only lock it twice",
      hint: `for another passphrase: age -d ${path} | age -p -a > new.key && chmod 600 new.key`,
    });
  }
  const text = textOf(content);
  if (isObject(text)) decodeShareFile(path, text);
  else decodeSeed(path, text).fill(0);
  const word = await passphrase();
  const encrypted = await encryptText(text, word);
  const back = utf8(await decryptText(path, encrypted, word));
  if (!equalBytes(back, content)) {
    throw new KoraError(`${path} could not be encrypted`, {
      code: "ENCRYPTION_FAILED",
      why: "what was encrypted did not decrypt to the same",
      hint: "nothing was changed; please report it",
    });
  }
  writeWhole(path, encrypted, SECRET_MODE);
  content.fill(0);
  back.fill(0);
}

/** What a key file holds; asks for its passphrase where it has one. Throws what reading and decoding throw. */
export async function describeKeyFile(path: string, source: PassphraseSource): Promise<KeyFileContent> {
  const outside = readPublicFile(path);
  const start = textOf(outside);
  if (isObject(start) && start.includes('"public_polynomial"')) {
    return { kind: "output", output: decodeOutput(path, start) };
  }
  outside.fill(0);
  const { text, encrypted } = await openSecret(path, source);
  if (!isObject(text)) {
    const seed = decodeSeed(path, text);
    const { publicKey } = identityFromSeed(seed);
    seed.fill(0);
    return { kind: "identity", publicKey, encrypted };
  }
  const { share, groupPublicKey } = decodeShareFile(path, text);
  const publicShare = (await openBls()).publicKey(share.secret);
  share.secret.fill(0);
  return { kind: "share", index: share.index, groupPublicKey, publicShare, encrypted };
}
