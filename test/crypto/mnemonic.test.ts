// Mnemonics and derivation: the accounts everybody knows, and ethers' vectors.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { secretsOfMnemonic, TEST_MNEMONIC } from "#crypto/mnemonic.ts";
import { secretToAddress } from "#crypto/secp256k1.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import { address } from "#types/ids.ts";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";

test("the test mnemonic gives the accounts of every local chain", () => {
  const secrets = secretsOfMnemonic(TEST_MNEMONIC, 10);
  expect(toHex(secrets[0]!)).toBe("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
  expect(secretToAddress(secrets[0]!)).toBe(address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
  expect(secretToAddress(secrets[9]!)).toBe(address("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"));
});

test("ethers' vectors: every node below an English mnemonic without a password", async () => {
  const directory = vectorsDir();
  if (directory === undefined) return reportSkipped("mnemonics", 244);
  const cases = await Bun.file(join(directory, "encoding/ethers-testcases/mnemonics.json")).json();
  let checked = 0;
  for (const { locale, phrase, password, nodes } of cases) {
    if (locale !== "en" || password !== "0x") continue;
    const words = new TextDecoder().decode(fromHex(phrase));
    for (const { path, privateKey } of nodes) {
      const match = /^(.*\/)(\d+)$/.exec(path);
      if (match === null || Number(match[2]) > 20) continue;
      const secrets = secretsOfMnemonic(words, Number(match[2]) + 1, match[1]!);
      expect(toHex(secrets.at(-1)!)).toBe(privateKey);
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(5);
});

test.each([
  ["one word wrong", TEST_MNEMONIC.replace("junk", "june"), undefined],
  ["no words", "", undefined],
  ["a path that is none", TEST_MNEMONIC, "44/60"],
])("refuses %s", (_, words, path) => {
  expect(() => secretsOfMnemonic(words, 1, path)).toThrow("not valid");
});
