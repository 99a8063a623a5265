// The EVM library's analysis of code is done once for the same bytes, and changes no outcome.
import { expect, test } from "bun:test";
import { Common, Mainnet } from "@ethereumjs/common";
import { EVM } from "@ethereumjs/evm";
import { createStateAdapter } from "#execution/adapter.ts";
import { rememberJumps } from "#execution/jump-cache.ts";
import { World } from "#execution/world.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import { memoryState } from "../support/memory-state.ts";

/** Counts 3 down to 0 with a jump, then returns 42; the second jumps into push data and must halt. */
const COUNT = "0x60035b6001900380600257602a5f5260205ff3";
const BAD_JUMP = "0x6003565b605b00";

async function run(evm: EVM, code: Uint8Array): Promise<string> {
  const { returnValue, exceptionError, executionGasUsed } = await evm.runCode({ code, gasLimit: 100_000n });
  return `${toHex(returnValue)} ${exceptionError?.error} ${executionGasUsed}`;
}

function evmOf(): EVM {
  const adapter = createStateAdapter();
  adapter.attach(new World(memoryState()));
  const common = new Common({ chain: Mainnet, hardfork: "prague" });
  const evm = new EVM({ common, stateManager: adapter.stateManager });
  evm.journal = adapter.journal;
  return evm;
}

test("the same code gives the same outcome, whichever time it runs", async () => {
  const plain = evmOf();
  const remembering = evmOf();
  rememberJumps(remembering);
  for (const hex of [COUNT, BAD_JUMP]) {
    const expected = await run(plain, fromHex(hex));
    const code = fromHex(hex);
    for (let i = 0; i < 3; i++) expect(await run(remembering, code)).toBe(expected);
    // A view of a larger buffer, as init code is.
    const view = fromHex(`0xffff${hex.slice(2)}ff`).subarray(2, -1);
    for (let i = 0; i < 2; i++) expect(await run(remembering, view)).toBe(expected);
    expect(await run(plain, code)).toBe(expected);
  }
});

test("the bytes are read once: what is remembered is the analysis of the object", async () => {
  const evm = evmOf();
  rememberJumps(evm);
  const code = fromHex(COUNT);
  await run(evm, code);
  const first = await run(evm, code);
  // Changed in place, which nobody may do: the remembered push value shows that the analysis was not repeated.
  code[12] = 0x2b;
  expect(await run(evm, code)).toBe(first);
});
