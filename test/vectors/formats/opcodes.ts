// Geth's operand vectors: one opcode on two words.
import { basename } from "node:path";
import { concatBytes, fromHex, toHex } from "#lib/bytes.ts";
import { address } from "#types/ids.ts";
import { type CaseResult, expectEqual, type Format, settle } from "./case.ts";
import { callBare } from "./machine.ts";

interface Vector {
  readonly X: string;
  readonly Y: string;
  readonly Expected: string;
}

const OPCODES: Readonly<Record<string, number>> = {
  add: 0x01,
  mul: 0x02,
  sub: 0x03,
  div: 0x04,
  sdiv: 0x05,
  mod: 0x06,
  smod: 0x07,
  exp: 0x0a,
  signext: 0x0b,
  lt: 0x10,
  gt: 0x11,
  slt: 0x12,
  sgt: 0x13,
  eq: 0x14,
  and: 0x16,
  or: 0x17,
  xor: 0x18,
  byte: 0x1a,
  shl: 0x1b,
  shr: 0x1c,
  sar: 0x1d,
};
const PUSH32 = Uint8Array.of(0x7f);
/** PUSH0 MSTORE, then RETURN of that word. */
const RETURN_TOP = fromHex("0x5f5260205ff3");
const CONTRACT = address(`0x${"c0".repeat(20)}`);

async function runVector(vector: Vector, opcode: number): Promise<void> {
  const code = concatBytes(
    PUSH32,
    fromHex(`0x${vector.X}`),
    PUSH32,
    fromHex(`0x${vector.Y}`),
    Uint8Array.of(opcode),
    RETURN_TOP,
  );
  const result = await callBare("osaka", CONTRACT, new Uint8Array(0), 1_000_000n, code);
  expectEqual("result", toHex(result.output), `0x${vector.Expected}`);
}

/** Vectors of one file; the opcode follows from the file's name. */
export const runOpcodeTests: Format = async function* (content, path, wanted): AsyncGenerator<CaseResult> {
  const file = basename(path, ".json");
  const opcode = OPCODES[file.replace("testcases_", "")];
  for (const [index, vector] of (content as readonly Vector[]).entries()) {
    const name = `${file} ${index}`;
    if (!wanted(name)) continue;
    if (opcode === undefined)
      yield { name, status: "skipped", reason: "no opcode is known by this file name" };
    else yield settle(name, () => runVector(vector, opcode));
  }
};
