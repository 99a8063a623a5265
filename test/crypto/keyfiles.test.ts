// Key files: what is written is read back, anything else is refused without showing a secret; age as others speak it.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Decrypter } from "age-encryption";
import fc from "fast-check";
import { openBls } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import {
  decodeOutput,
  decodeSeed,
  decodeShareFile,
  encodeOutput,
  encodeSeed,
  encodeShareFile,
  type KeyOutput,
} from "#crypto/keyfiles.ts";
import { decryptText, encryptText, isEncrypted } from "#crypto/passphrase.ts";
import { utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const bls = await openBls();
const members = [1, 2, 3, 4].map((i) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey);
const { key, shares } = deal(bls, members);
const output: KeyOutput = { key, origin: "trusted-dealer", round: 0, exposed: [] };
const secret = shares[1]!.secret.toHex();

/** Runs what has to fail, and gives the error's whole text. */
function failure(act: () => unknown): KoraError {
  try {
    act();
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
function textOf(error: KoraError): string {
  return [error.message, error.why, error.hint, error.stack, Bun.inspect(error)].join("\n");
}

test("what is written is read back", () => {
  expect(decodeOutput("output.json", encodeOutput(output))).toEqual(output);
  const exposed: KeyOutput = { ...output, origin: "ceremony", round: 7, exposed: [1, 3] };
  expect(decodeOutput("output.json", encodeOutput(exposed))).toEqual(exposed);
  const file = { share: shares[1]!, groupPublicKey: key.groupPublicKey };
  expect(decodeShareFile("share.key", encodeShareFile(file))).toEqual(file);
  const seed = new Uint8Array(32).fill(9);
  expect(decodeSeed("validator.key", encodeSeed(seed))).toEqual(seed);
  expect(decodeSeed("validator.key", ` 0x${seed.toHex().toUpperCase()}`)).toEqual(seed);
});

test("every truncation is refused", () => {
  const texts = [
    [encodeOutput(output), decodeOutput],
    [encodeShareFile({ share: shares[1]!, groupPublicKey: key.groupPublicKey }), decodeShareFile],
  ] as const;
  for (const [text, decode] of texts) {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: text.length - 3 }), (length) => {
        const error = failure(() => decode("file", text.slice(0, length)));
        expect(error.code).toBe("BAD_KEY_FILE");
        expect(error.exitCode).toBe(3);
      }),
      { numRuns: 60 },
    );
  }
  for (const text of ["", "12", "zz".repeat(32), "00".repeat(33)]) {
    expect(failure(() => decodeSeed("validator.key", text)).exitCode).toBe(3);
  }
});

test("values out of shape are refused", () => {
  const good = JSON.parse(encodeOutput(output)) as Record<string, unknown>;
  const changes: Record<string, unknown>[] = [
    { threshold: "3" },
    { threshold: -1 },
    { threshold: 1.5 },
    { threshold: 1e9 },
    { participants: "all" },
    { participants: Array(300).fill(members[0]) },
    { participants: ["00"] },
    { public_polynomial: [1] },
    { public_polynomial: ["00"] },
    { origin: "found" },
    { exposed: [999] },
    { exposed: [members.length] },
    { exposed: [1, 1] },
    { extra: 1 },
    { group_public_key: null },
  ];
  for (const change of changes) {
    const text = JSON.stringify({ ...good, ...change });
    expect(failure(() => decodeOutput("output.json", text)).code).toBe("BAD_KEY_FILE");
  }
  for (const text of ["null", "[]", "3", '"x"', "{}"]) {
    expect(failure(() => decodeOutput("output.json", text)).code).toBe("BAD_KEY_FILE");
  }
});

test("an error about a secret file never holds the secret", () => {
  const text = encodeShareFile({ share: shares[1]!, groupPublicKey: key.groupPublicKey });
  const broken = [
    text.replace('"index": 1', '"index": "one"'),
    text.replace('"index": 1', '"index": 1, "more": 2'),
    text.replace(secret, `${secret}00`),
    text.replace(secret, `${secret.slice(0, -1)}g`),
    text.slice(0, -4),
    text.replace(/group_public_key": "../, 'group_public_key": "zz'),
  ];
  for (const bad of broken) {
    const shown = textOf(failure(() => decodeShareFile("share.key", bad)));
    expect(shown).not.toContain(secret.slice(0, 16));
    expect(shown).not.toContain(secret.slice(-16, -2));
  }
});

describe("passphrases", () => {
  const WORK = 12;
  test("what is encrypted is decrypted, by the library too", async () => {
    const content = await encryptText("kora\n", "a long passphrase", WORK);
    expect(isEncrypted(content)).toBe(true);
    expect(isEncrypted(utf8("kora\n"))).toBe(false);
    expect(await decryptText("share.key", content, "a long passphrase")).toBe("kora\n");
    const decrypter = new Decrypter();
    decrypter.addPassphrase("a long passphrase");
    const body = new TextDecoder().decode(content).split("\n").slice(1, -2).join("");
    expect(await decrypter.decrypt(Uint8Array.fromBase64(body), "text")).toBe("kora\n");
    expect(await decryptText("share.key", Uint8Array.fromBase64(body), "a long passphrase")).toBe("kora\n");
  });
  test("a wrong passphrase, damage and weakness are told apart", async () => {
    const content = await encryptText(secret, "a long passphrase", WORK);
    const wrong = await decryptText("share.key", content, "another one").catch((error: KoraError) => error);
    expect(wrong).toMatchObject({ code: "WRONG_PASSPHRASE", exitCode: 2 });
    for (const damaged of [
      content.subarray(0, content.length - 60),
      content.with(120, content[120]! ^ 1),
      utf8("-----BEGIN AGE ENCRYPTED FILE-----\n"),
      utf8("age-encryption.org/v1\n"),
    ]) {
      const error = await decryptText("share.key", damaged, "a long passphrase").catch((e: KoraError) => e);
      expect(error).toBeInstanceOf(KoraError);
      expect((error as KoraError).exitCode).toBeGreaterThanOrEqual(2);
      expect(textOf(error as KoraError)).not.toContain("a long passphrase");
    }
    const weak = await encryptText(secret, "short").catch((error: KoraError) => error);
    expect(weak).toMatchObject({ code: "WEAK_PASSPHRASE", exitCode: 2 });
    expect(textOf(weak as KoraError)).not.toContain(secret);
  });
});
