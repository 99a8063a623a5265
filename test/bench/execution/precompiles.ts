// What a block full of one precompile costs: millions of gas per second of a contract that calls it until its gas is
// spent, for every published input of that precompile and some hostile ones. Both the precompile and the call count: of
// identity, hashes and sums of points the call is most of it, of the rest the cryptography in WebAssembly (the point
// evaluation takes milliseconds, and is the slowest). Prints the slowest and the median:
//   bun test/bench/execution/precompiles.ts [--only TEXT] [--fork osaka] [--gas 2000000] [--each 1] [--all]
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sha256 } from "#crypto/hash.ts";
import { createCalls } from "#execution/call.ts";
import { chainRules } from "#execution/rules.ts";
import { concatBytes, fromHex } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import { blockEnv, CHAIN_ID, SENDER } from "../../execution/support.ts";
import { memoryState, type PlainAccount } from "../../support/memory-state.ts";
import { vectorsDir } from "../../support/vectors.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    fork: { type: "string", default: "osaka" },
    gas: { type: "string", default: "2000000" },
    /** Takes only each so-many-th published input. */
    each: { type: "string", default: "1" },
    all: { type: "boolean", default: false },
  },
});
const CONTRACT = address(`0x${"c0".repeat(20)}`);
const GAS = BigInt(values.gas);
/** EIP-7623, for a byte that is not zero. */
const FLOOR_GAS_PER_BYTE = 40n;

const calls = createCalls(chainRules({ chainId: CHAIN_ID, forks: [{ fork: values.fork, block: 0 }] }));

interface Input {
  readonly name: string;
  readonly data: Uint8Array;
}

/** Number of each precompile and the file that holds inputs of it. */
const FILES: readonly (readonly [number, string, string])[] = [
  [0x01, "ecrecover", "ecRecover"],
  [0x05, "modexp", values.fork === "osaka" ? "modexp_eip7883" : "modexp_eip2565"],
  [0x06, "bn254 add", "bn256Add"],
  [0x07, "bn254 mul", "bn256ScalarMul"],
  [0x08, "bn254 pairing", "bn256Pairing"],
  [0x09, "blake2f", "blake2F"],
  [0x0b, "bls g1 add", "blsG1Add"],
  [0x0c, "bls g1 msm", "blsG1MultiExp"],
  [0x0d, "bls g2 add", "blsG2Add"],
  [0x0e, "bls g2 msm", "blsG2MultiExp"],
  [0x0f, "bls pairing", "blsPairing"],
  [0x10, "bls map g1", "blsMapG1"],
  [0x11, "bls map g2", "blsMapG2"],
  [0x100, "p256 verify", "p256Verify"],
];

function published(dir: string, file: string): Input[] {
  const path = join(dir, "evm/precompiles", `${file}.json`);
  const cases = JSON.parse(readFileSync(path, "utf8")) as { Name: string; Input: string }[];
  return cases.map(({ Name, Input }) => ({ name: Name, data: fromHex(`0x${Input}`) }));
}

/** Published proofs that hold and are no infinity, as inputs of the point evaluation. */
function proofs(dir: string): Input[] {
  const folder = join(dir, "evm/kzg-verify-proof");
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).flatMap((name): Input[] => {
    if (!/_correct_proof_\d.*\.yaml$/.test(name)) return [];
    const yaml = readFileSync(join(folder, name), "utf8");
    const field = (key: string): Uint8Array =>
      fromHex(new RegExp(`${key}: '(0x[0-9a-f]+)'`).exec(yaml)?.[1] ?? "0x");
    const [commitment, proof] = [field("commitment"), field("proof")];
    if (proof[0] === 0xc0) return [];
    const hash = sha256(commitment).with(0, 1);
    return [{ name, data: concatBytes(hash, field("z"), field("y"), commitment, proof) }];
  });
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** base ‖ exponent ‖ modulus of the given lengths, all bits set, the modulus odd. */
function modexp(lengths: readonly [base: number, exponent: number, modulus: number]): Uint8Array {
  const [base, exponent, modulus] = lengths;
  const data = new Uint8Array(96 + base + exponent + modulus).fill(0xff, 96);
  const view = new DataView(data.buffer);
  for (const [i, length] of lengths.entries()) view.setUint32(32 * i + 28, length);
  return data;
}

/** Inputs nobody publishes. */
function hostile(number: number): Input[] {
  switch (number) {
    case 0x02:
    case 0x03:
    case 0x04:
      return [0, 64, 4096].map((length) => ({ name: `${length} bytes`, data: filled(length, 7) }));
    case 0x05: {
      const shapes = [8, 32, 64, 256, 1024].map((size) => [size, 32, size] as const);
      const long = values.fork === "osaka" ? 1024 : 8192;
      return [...shapes, [1, long, 1] as const, [8, long, 8] as const].map((lengths) => ({
        name: `lengths ${lengths.join("/")}`,
        data: modexp(lengths),
      }));
    }
    case 0x09: {
      const data = new Uint8Array(213).fill(9);
      new DataView(data.buffer).setUint32(0, 200_000);
      data[212] = 1;
      return [{ name: "200,000 rounds", data }];
    }
    default:
      return [];
  }
}

/** CALLDATACOPY(0, 0, size), then STATICCALL(gas, precompile, 0, size, size, size) for ever. */
function loop(precompile: number): Uint8Array {
  const at = precompile.toString(16).padStart(4, "0");
  return fromHex(`0x365f5f375b3636365f61${at}5afa50600456`);
}

/** The interpreter's loop is compiled before anything is measured. */
async function warmUp(): Promise<void> {
  for (let round = 0; round < 20; round++) await speed(0x04, { name: "", data: filled(32, 1) });
}

/** Mgas/s of CPU time, which other processes do not disturb as they do the clock's. */
async function speed(number: number, { data }: Input): Promise<number> {
  const entry = 21_000n + FLOOR_GAS_PER_BYTE * BigInt(data.length);
  const contract: PlainAccount = { nonce: 1n, balance: 0n, code: loop(number), storage: new Map() };
  const run = async (gas: bigint): Promise<number> => {
    const context = { state: memoryState([[CONTRACT, contract]]), env: blockEnv(), hashes: () => undefined };
    const request = {
      from: SENDER as Address,
      to: CONTRACT,
      gas: entry + gas,
      gasPrice: 0n,
      value: 0n,
      data,
    };
    const start = process.cpuUsage();
    const result = await calls.call(context, request, {});
    const { user, system } = process.cpuUsage(start);
    if (result.status !== "halt") throw new Error(`the loop ended with ${result.status}`);
    return Number(gas) / (user + system);
  };
  await run(GAS);
  return run(GAS);
}

async function measure(number: number, name: string, inputs: readonly Input[]): Promise<void> {
  const speeds: { name: string; speed: number }[] = [];
  for (const input of inputs) speeds.push({ name: input.name, speed: await speed(number, input) });
  speeds.sort((a, b) => a.speed - b.speed);
  const slowest = speeds[0];
  const median = speeds[Math.floor(speeds.length / 2)];
  if (slowest === undefined || median === undefined) return;
  console.log(
    `${name.padEnd(16)} slowest ${slowest.speed.toFixed(1).padStart(7)} Mgas/s (${slowest.name}), ` +
      `median of ${speeds.length} ${median.speed.toFixed(1)}`,
  );
  if (values.all) for (const { name, speed } of speeds) console.log(`    ${speed.toFixed(1)} ${name}`);
}

await warmUp();
const dir = vectorsDir();
const others = [
  [0x02, "sha256"],
  [0x03, "ripemd160"],
  [0x04, "identity"],
  [0x0a, "point evaluation"],
] as const;
const all = [
  ...FILES.map(([number, name, file]) => ({
    number,
    name,
    inputs: dir === undefined ? [] : published(dir, file),
  })),
  ...others.map(([number, name]) => ({
    number,
    name,
    inputs: number === 0x0a && dir !== undefined ? proofs(dir) : [],
  })),
].sort((a, b) => a.number - b.number);
for (const { number, name, inputs } of all) {
  const some = inputs.filter((_, i) => i % Number(values.each) === 0);
  if (name.includes(values.only)) await measure(number, name, [...some, ...hostile(number)]);
}
