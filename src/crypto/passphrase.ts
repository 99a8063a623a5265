// Secrets under a passphrase, in the age format (age-encryption.org/v1: scrypt and ChaCha20-Poly1305), as armoured
// text: the age tool opens what this writes, and the other way round.
import { armor, Decrypter, Encrypter } from "age-encryption";
import { utf8 } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";

const ARMOR_START = "-----BEGIN AGE ENCRYPTED FILE-----";
const BINARY_START = "age-encryption.org/v1";
/** log2 of scrypt's work: a second or so and 256 MiB, the tool's own default. */
export const DEFAULT_WORK_FACTOR = 18;
/** Shorter passphrases are refused when something is encrypted. */
export const MIN_PASSPHRASE_LENGTH = 8;

/** Whether a file's content is encrypted. */
export function isEncrypted(content: Uint8Array): boolean {
  const start = new TextDecoder().decode(content.subarray(0, ARMOR_START.length));
  return start === ARMOR_START || start.startsWith(BINARY_START);
}

/** Throws WEAK_PASSPHRASE for one that nothing is encrypted with. */
export function checkPassphrase(passphrase: string): void {
  if (passphrase.length >= MIN_PASSPHRASE_LENGTH) return;
  throw new KoraError("the passphrase is too short", {
    code: "WEAK_PASSPHRASE",
    kind: "usage",
    why: `it has fewer than ${MIN_PASSPHRASE_LENGTH} characters`,
    hint: "give a longer one; nothing was changed",
  });
}

/** `text` under `passphrase`; throws WEAK_PASSPHRASE for one that is too short. */
export async function encryptText(
  text: string,
  passphrase: string,
  workFactor: number = DEFAULT_WORK_FACTOR,
): Promise<Uint8Array> {
  checkPassphrase(passphrase);
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return utf8(armor.encode(await encrypter.encrypt(text)));
}

/** The text that `content` holds under `passphrase`; throws WRONG_PASSPHRASE, and BAD_KEY_FILE for damaged content. */
export async function decryptText(file: string, content: Uint8Array, passphrase: string): Promise<string> {
  let binary = content;
  try {
    const text = new TextDecoder().decode(content);
    if (text.startsWith(ARMOR_START)) binary = armor.decode(text);
    const decrypter = new Decrypter();
    decrypter.addPassphrase(passphrase);
    return await decrypter.decrypt(binary, "text");
  } catch (error) {
    const reason = messageOf(error);
    if (reason.includes("no identity matched")) {
      throw new KoraError(`${file} cannot be opened`, {
        code: "WRONG_PASSPHRASE",
        kind: "usage",
        why: "the passphrase is wrong",
        hint: "try again; nothing was changed",
      });
    }
    throw new KoraError(`${file} cannot be used`, {
      code: "BAD_KEY_FILE",
      kind: "safety",
      why: `its encryption is damaged: ${reason}`,
      hint: "restore the file from a backup; nothing was changed",
    });
  }
}
