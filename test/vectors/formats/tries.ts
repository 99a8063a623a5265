// ethereum/tests TrieTests: roots of Merkle-Patricia tries over given entries.
import { keccak256 } from "#crypto/hash.ts";
import { trieRoot } from "#execution/tries.ts";
import { fromHex, utf8 } from "#lib/bytes.ts";
import { hash } from "#types/ids.ts";
import { type CaseResult, expectEqual, type Format, settle } from "./case.ts";

type Entry = readonly [string, string | null];
interface TrieTest {
  readonly in: readonly Entry[] | Readonly<Record<string, string | null>>;
  readonly root: string;
}

export function isTrieTest(content: unknown): boolean {
  const first = Object.values(content as object)[0] as Partial<TrieTest> | undefined;
  return first?.in !== undefined && typeof first.root === "string";
}

const bytesOf = (text: string): Uint8Array => (text.startsWith("0x") ? fromHex(text) : utf8(text));

function runCase(test: TrieTest, secure: boolean): void {
  const entries = Array.isArray(test.in) ? (test.in as readonly Entry[]) : Object.entries(test.in);
  const values = new Map<string, Uint8Array>();
  for (const [key, value] of entries) {
    if (value === null) values.delete(key);
    else values.set(key, bytesOf(value));
  }
  const keyed = Array.from(values, ([key, value]) => {
    const bytes = bytesOf(key);
    return [secure ? keccak256(bytes) : bytes, value] as const;
  });
  expectEqual("root", trieRoot(keyed), hash(test.root));
}

export const runTrieTests: Format = async function* (content, path, wanted): AsyncGenerator<CaseResult> {
  const secure = /secure/i.test(path);
  for (const [name, test] of Object.entries(content as Record<string, TrieTest>)) {
    const full = `${name}${secure ? " (secure)" : ""}`;
    if (wanted(full)) yield settle(full, () => runCase(test, secure));
  }
};
