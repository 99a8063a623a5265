// Secret keys from a mnemonic (BIP-39) along a derivation path (BIP-32, BIP-44), for accounts whose keys are public
// anyway: those of local chains and load generators. No validator's key comes from here. The derivation is our own:
// a local chain starts with it, and the library's pure JavaScript would take half of that start.
import { createHmac, pbkdf2Sync } from "node:crypto";
import { validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { bigintToBytes, bytesToBigint, concatBytes, padLeft, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { SECP256K1_ORDER, secp256k1Backend } from "./secp256k1.ts";

/** The mnemonic of every local development chain. Its keys are known to the whole world. */
export const TEST_MNEMONIC = "test test test test test test test test test test test junk";
/** Path of Ethereum accounts; the account's index follows. */
export const ETHEREUM_PATH = "m/44'/60'/0'/0/";

const HARDENED = 0x8000_0000;

/** A private node of the derivation tree. */
interface Node {
  readonly secret: Uint8Array;
  readonly chainCode: Uint8Array;
}

function hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha512", key).update(data).digest());
}

function bad(message: string, why: string): KoraError {
  return new KoraError(message, {
    code: "BAD_MNEMONIC",
    kind: "usage",
    why,
    hint: `for a local chain use: ${TEST_MNEMONIC}`,
  });
}

function nodeOf(bytes: Uint8Array, tweak: bigint): Node {
  const left = bytesToBigint(bytes.subarray(0, 32));
  const secret = (left + tweak) % SECP256K1_ORDER;
  // Less likely than 2^-127 (BIP-32): there is nothing to recover from.
  if (left >= SECP256K1_ORDER || secret === 0n)
    throw bad("the derivation gives no key", "BIP-32 excludes it");
  return { secret: padLeft(bigintToBytes(secret), 32), chainCode: bytes.slice(32) };
}

function compressed(secret: Uint8Array): Uint8Array {
  const point = secp256k1Backend().publicKey(secret);
  return concatBytes(Uint8Array.of(2 + ((point[64] as number) & 1)), point.subarray(1, 33));
}

function child(node: Node, index: number): Node {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, index);
  const head = index >= HARDENED ? concatBytes(Uint8Array.of(0), node.secret) : compressed(node.secret);
  return nodeOf(hmacSha512(node.chainCode, concatBytes(head, number)), bytesToBigint(node.secret));
}

function pathIndexes(path: string): readonly number[] {
  if (!/^m(\/[0-9]+'?)*\/?$/.test(path)) throw bad("the derivation path is not valid", `it reads ${path}`);
  const steps = path.split("/").slice(1);
  return steps
    .filter((step) => step !== "")
    .map((step) => Number.parseInt(step, 10) + (step.endsWith("'") ? HARDENED : 0));
}

/** `count` secret keys of 32 bytes; throws BAD_MNEMONIC for words, a checksum or a path that are wrong. */
export function secretsOfMnemonic(phrase: string, count: number, path: string = ETHEREUM_PATH): Uint8Array[] {
  const words = phrase.trim().split(/\s+/).join(" ");
  if (!validateMnemonic(words, wordlist)) {
    throw bad(
      "the mnemonic is not valid",
      "it takes 12 to 24 words of the English BIP-39 list, the last of which holds a checksum",
    );
  }
  const seed = new Uint8Array(pbkdf2Sync(words, "mnemonic", 2048, 64, "sha512"));
  const root = nodeOf(hmacSha512(utf8("Bitcoin seed"), seed), 0n);
  const parent = pathIndexes(path).reduce(child, root);
  return Array.from({ length: count }, (_, index) => child(parent, index).secret);
}
