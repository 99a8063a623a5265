// What a block full of one thing costs that is not a precompile: millions of gas per second of contracts made to take
// much time for their gas. The slowest line bounds how long a block can hold a node up: its gas limit over that speed.
//   bun test/bench/execution/hostile.ts [--only TEXT] [--fork osaka] [--gas 5000000] [--rounds 3]
import { parseArgs } from "node:util";
import { createCalls } from "#execution/call.ts";
import { chainRules } from "#execution/rules.ts";
import { EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import { blockEnv, CHAIN_ID, SENDER } from "../../execution/support.ts";
import { memoryState, type PlainAccount } from "../../support/memory-state.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    fork: { type: "string", default: "osaka" },
    gas: { type: "string", default: "5000000" },
    rounds: { type: "string", default: "3" },
  },
});
const GAS = BigInt(values.gas);
const ROUNDS = Number(values.rounds);
const MAX_CODE_BYTES = 24_576;
const calls = createCalls(chainRules({ chainId: CHAIN_ID, forks: [{ fork: values.fork, block: 0 }] }));

const hex = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");
const at = (index: number): Address => address(`0x${hex(0xc0_0000 + index, 20)}`);
const contract = (code: string): PlainAccount => ({
  nonce: 1n,
  balance: 1n,
  code: fromHex(`0x${code}`),
  storage: new Map(),
});

/** `body`, as often as code may hold it, for ever; it leaves the stack as it was. */
function forever(body: string, setUp = ""): string {
  const start = setUp.length / 2;
  const times = Math.floor((MAX_CODE_BYTES - start - 5) / (body.length / 2));
  return `${setUp}5b${body.repeat(times)}61${hex(start, 2)}56`;
}
/** Code as long as code may be. */
const padded = (code: string): string => code.padEnd(2 * MAX_CODE_BYTES, "00");
/** CALL with `gas`, without value or data. */
const callOf = (index: number, gas = "5a"): string => `5f5f5f5f5f62${hex(0xc0_0000 + index, 3)}${gas}f150`;
const push2 = (value: number): string => `61${hex(value, 2)}`;

interface Attack {
  readonly name: string;
  readonly code: string;
  readonly others?: readonly PlainAccount[];
}

/** A loop of `count` times `body` before what follows; the counter is the top of the stack. */
const counted = (count: number, body: string): string => {
  const setUp = push2(count);
  return `${setUp}5b${body}6001900380${push2(setUp.length / 2)}5750`;
};

/** After `setUp`, calls of an account without code for ever. */
const thenCalls = (setUp: string): string => forever(callOf(999), setUp);

const destroyers = Array.from({ length: 1000 }, () => contract("5fff"));
/** Each jumps to a place near its end, so that where it may jump has to be known. */
const jumpers = Array.from({ length: 200 }, (_, i) => {
  const jump = `${push2(24_000)}56${hex(i, 2)}`;
  return contract(padded(`${jump.padEnd(48_000, "00")}5b`));
});

const ATTACKS: readonly Attack[] = [
  { name: "jump destinations", code: forever("5b") },
  { name: "additions", code: forever("600160020150") },
  { name: "long pushes", code: forever(`7f${"ab".repeat(32)}50`) },
  { name: "multiplications of long numbers", code: forever("5f195f190250") },
  { name: "signed divisions", code: forever("60035f190550") },
  { name: "exponents of 32 bytes", code: forever("5f195f190a50") },
  { name: "words to memory", code: forever("5f195f52") },
  { name: "words from memory", code: forever("5f5150") },
  { name: "memory, word by word", code: "5f5b808052602001600156" },
  { name: "copies of code that has ended", code: forever("61100061ffff5f39") },
  { name: "hashes of a word", code: forever("60205f2050") },
  { name: "logs", code: forever("5f5fa0") },
  { name: "warm slots read", code: forever("5f5450") },
  { name: "warm slots written", code: forever("60015f555f5f55") },
  { name: "transient slots written", code: forever("60015f5d") },
  { name: "warm balances", code: forever("303150") },
  { name: "warm code hashes", code: forever("303f50") },
  { name: "hashes of blocks", code: forever("5f4050") },
  { name: "calls of nobody", code: thenCalls("") },
  { name: "calls of a contract that stops", code: forever(callOf(1)), others: [contract("00")] },
  {
    name: "calls that jump to nowhere",
    code: forever(callOf(1, "6014")),
    others: [contract(padded("600156"))],
  },
  {
    name: "calls of many large contracts",
    code: forever(jumpers.map((_, i) => callOf(i + 1)).join("")),
    others: jumpers,
  },
  { name: "creations", code: forever("5f5f5ff050") },
  { name: "calls after 4,000 logs", code: thenCalls(counted(4000, "5f5fa0")) },
  { name: "calls after 60 creations", code: thenCalls(counted(60, "5f5f5ff050")) },
  {
    name: "calls after 300 destructions",
    code: thenCalls(Array.from({ length: 300 }, (_, i) => callOf(i + 1)).join("")),
    others: destroyers,
  },
];

async function speed({ code, others = [] }: Attack): Promise<number> {
  const state = memoryState([
    [at(0), contract(code)],
    ...others.map((account, i) => [at(i + 1), account] as const),
  ]);
  const context = { state, env: blockEnv({ gasLimit: 1n << 50n }), hashes: () => undefined };
  const request = { from: SENDER, to: at(0), gas: GAS, gasPrice: 0n, value: 0n, data: EMPTY_BYTES };
  const start = process.cpuUsage();
  const result = await calls.call(context, request, {});
  const { user, system } = process.cpuUsage(start);
  if (result.status === "rejected" || result.status === "abandoned") throw new Error(result.status);
  return Number(result.gasUsed) / (user + system);
}

for (const attack of ATTACKS) {
  if (!attack.name.includes(values.only)) continue;
  await speed(attack);
  const speeds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) speeds.push(await speed(attack));
  const median = speeds.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] as number;
  console.log(`${attack.name.padEnd(36)} ${median.toFixed(1).padStart(7)} Mgas/s`);
}
