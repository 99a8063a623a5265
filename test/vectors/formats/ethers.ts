// The ethers test cases that concern encodings of ours: signed transactions, RLP and hashes.
import { basename } from "node:path";
import { keccakHash, sha256 } from "#crypto/hash.ts";
import { secretToAddress } from "#crypto/secp256k1.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import { decodeRlp, encodeRlp, type RlpItem } from "#lib/rlp.ts";
import { address } from "#types/ids.ts";
import { encodeTransaction, signingPayload } from "#types/transaction.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { openAny } from "./fixture.ts";

type Vector = Readonly<Record<string, unknown>>;

const SIGNED: readonly (readonly [signed: string, unsigned: string])[] = [
  ["signedLegacy", "unsignedLegacy"],
  ["signedEip155", "unsignedEip155"],
  ["signedBerlin", "unsignedBerlin"],
  ["signedLondon", "unsignedLondon"],
  ["signedCancun", "unsignedCancun"],
];

function runTransaction(vector: Vector): void {
  const sender = secretToAddress(fromHex(vector["privateKey"] as string));
  const chainless = !/[1-9a-f]/.test(String((vector["transaction"] as Vector)["chainId"] ?? "0x").slice(2));
  let found = 0;
  for (const [signed, unsigned] of SIGNED) {
    const raw = vector[signed];
    if (typeof raw !== "string" || raw === "") continue;
    // Without a chain id the vectors sign a zero byte in its place, which no canonical encoding holds.
    if (chainless && signed === "signedEip155") continue;
    found++;
    const opened = openAny(fromHex(raw));
    if (opened === undefined) throw new Mismatch(`${signed}: no sender`);
    expectEqual(`${signed} sender`, opened.sender, sender);
    expectEqual(`${signed} encoding`, toHex(encodeTransaction(opened.tx)), raw);
    expectEqual(`${signed} payload`, toHex(signingPayload(opened.tx)), vector[unsigned]);
  }
  if (found === 0) throw new Mismatch("nothing signed in this case");
}

type Nested = string | readonly Nested[];
const itemOf = (nested: Nested): RlpItem =>
  typeof nested === "string" ? fromHex(nested) : nested.map(itemOf);

function runRlp(vector: Vector): void {
  const encoded = toHex(encodeRlp(itemOf(vector["decoded"] as Nested)));
  expectEqual("encoding", encoded, vector["encoded"]);
  expectEqual("round trip", toHex(encodeRlp(decodeRlp(fromHex(encoded)))), encoded);
}

function runHash(vector: Vector): void {
  const data = fromHex(vector["data"] as string);
  expectEqual("keccak256", keccakHash(data), vector["keccak256"]);
  expectEqual("sha256", toHex(sha256(data)), vector["sha256"]);
}

function runAccount(vector: Vector): void {
  const secret = fromHex(vector["privateKey"] as string);
  expectEqual("address", secretToAddress(secret), address(vector["address"] as string));
}

const RUNNERS: Readonly<Record<string, (vector: Vector) => void>> = {
  "transaction.json": runTransaction,
  "transactions.json": runTransaction,
  "rlp.json": runRlp,
  "hashes.json": runHash,
  "accounts.json": runAccount,
};

export function isEthersTransactions(path: string): boolean {
  return RUNNERS[basename(path)] !== undefined;
}

export const runEthersTests: Format = async function* (content, path, wanted): AsyncGenerator<CaseResult> {
  const file = basename(path);
  const runner = RUNNERS[file];
  for (const vector of content as readonly Vector[]) {
    const name = `${file} ${String(vector["name"])}`;
    if (runner !== undefined && wanted(name)) yield settle(name, () => runner(vector));
  }
};
