// ethereum/tests RLPTests: encoding, decoding, and refusing what is not canonical.
import { equalBytes, fromHex, toHex, utf8 } from "#lib/bytes.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpUint } from "#lib/rlp.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { isDecodingError } from "./exceptions.ts";

type Plain = string | number | readonly Plain[];
interface RlpTest {
  readonly in: Plain;
  readonly out: string;
}

export function isRlpTest(content: unknown): boolean {
  const first = Object.values(content as object)[0] as Partial<RlpTest> | undefined;
  return first?.in !== undefined && typeof first.out === "string";
}

function itemOf(plain: Plain): RlpItem {
  if (typeof plain === "number") return rlpUint(plain);
  if (typeof plain === "string") return plain.startsWith("#") ? rlpUint(BigInt(plain.slice(1))) : utf8(plain);
  return plain.map(itemOf);
}

function runCase(test: RlpTest): void {
  const bytes = fromHex(test.out.startsWith("0x") ? test.out : `0x${test.out}`);
  if (test.in === "INVALID") {
    try {
      decodeRlp(bytes);
    } catch (error) {
      if (isDecodingError(error)) return;
      throw error;
    }
    throw new Mismatch("decoded, expected a refusal");
  }
  const decoded = decodeRlp(bytes);
  if (!equalBytes(encodeRlp(decoded), bytes)) throw new Mismatch("decoding and encoding gives other bytes");
  if (test.in !== "VALID") expectEqual("encoding", toHex(encodeRlp(itemOf(test.in))), toHex(bytes));
}

export const runRlpTests: Format = async function* (content, _path, wanted): AsyncGenerator<CaseResult> {
  for (const [name, test] of Object.entries(content as Record<string, RlpTest>)) {
    if (wanted(name)) yield settle(name, () => runCase(test));
  }
};
