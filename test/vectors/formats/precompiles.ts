// Precompile vectors of geth and the EIPs: input, output and gas of one address.
import { basename } from "node:path";
import { fromHex, toHex } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { callBare } from "./machine.ts";

interface Vector {
  readonly Name: string;
  readonly Input: string;
  readonly Expected?: string;
  readonly ExpectedError?: string;
  readonly Gas?: number | string;
}

const at = (number: number): Address => address(`0x${number.toString(16).padStart(40, "0")}`);

/** Which precompile and fork a file is about, by what its name begins with, longest first. */
const SUBJECTS: readonly (readonly [name: RegExp, address: Address, fork: string])[] = [
  [/ecrecover/i, at(1), "osaka"],
  [/modexp_eip7883/i, at(5), "osaka"],
  [/modexp_eip2565/i, at(5), "berlin"],
  [/modexp/i, at(5), "byzantium"],
  [/bn256Add/i, at(6), "istanbul"],
  [/bn256ScalarMul/i, at(7), "istanbul"],
  [/bn256Pairing/i, at(8), "istanbul"],
  [/blake2f/i, at(9), "istanbul"],
  [/pointEvaluation/i, at(10), "cancun"],
  [/blsG1Add|add_G1_bls/i, at(0x0b), "prague"],
  [/blsG1(Mul|MultiExp)|(mul|msm)_G1_bls/i, at(0x0c), "prague"],
  [/blsG2Add|add_G2_bls/i, at(0x0d), "prague"],
  [/blsG2(Mul|MultiExp)|(mul|msm)_G2_bls/i, at(0x0e), "prague"],
  [/blsPairing|pairing_check_bls/i, at(0x0f), "prague"],
  [/blsMapG1|map_fp_to_G1_bls/i, at(0x10), "prague"],
  [/blsMapG2|map_fp2_to_G2_bls/i, at(0x11), "prague"],
  [/p256Verify/i, at(0x100), "osaka"],
];

const ENOUGH_GAS = 1_000_000_000n;

async function runVector(vector: Vector, to: Address, fork: string): Promise<void> {
  const result = await callBare(fork, to, fromHex(`0x${vector.Input}`), ENOUGH_GAS);
  if (vector.ExpectedError !== undefined) {
    if (!result.failed) throw new Mismatch(`succeeded, expected ${vector.ExpectedError}`);
    expectEqual("gas after an error", result.gasUsed, ENOUGH_GAS);
    return;
  }
  expectEqual("failure", result.failed, false);
  expectEqual("output", toHex(result.output), `0x${vector.Expected ?? ""}`);
  if (vector.Gas === undefined) return;
  expectEqual("gas", result.gasUsed, BigInt(vector.Gas));
  if (result.gasUsed === 0n) return;
  const starved = await callBare(fork, to, fromHex(`0x${vector.Input}`), result.gasUsed - 1n);
  expectEqual("failure with one gas less", starved.failed, true);
}

/** Vectors of one file; the precompile follows from the file's name. */
export const runPrecompileTests: Format = async function* (
  content,
  path,
  wanted,
): AsyncGenerator<CaseResult> {
  const file = basename(path);
  const subject = SUBJECTS.find(([name]) => name.test(file));
  for (const [index, vector] of (content as readonly Vector[]).entries()) {
    const name = `${file} ${index} ${vector.Name}`;
    if (!wanted(name)) continue;
    if (subject === undefined)
      yield { name, status: "skipped", reason: "no precompile is known by this file name" };
    else yield settle(name, () => runVector(vector, subject[1], subject[2]));
  }
};
