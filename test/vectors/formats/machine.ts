// One message on a bare EVM of a fork, without a transaction around it: for precompile and opcode vectors.

import { featuresOf } from "#execution/forks.ts";
import { createMachine, type Machine } from "#execution/machine.ts";
import { chainRules } from "#execution/rules.ts";
import type { BlockEnv } from "#execution/types.ts";
import { World } from "#execution/world.ts";
import { type Address, address, height, ZERO_ADDRESS, ZERO_HASH } from "#types/ids.ts";
import { memoryState } from "../../support/memory-state.ts";

const ENV: BlockEnv = {
  number: height(1),
  timestamp: 1,
  coinbase: ZERO_ADDRESS,
  gasLimit: 1n << 62n,
  baseFeePerGas: 0n,
  prevRandao: ZERO_HASH,
  parentHash: ZERO_HASH,
  parentBeaconBlockRoot: ZERO_HASH,
  excessBlobGas: 0n,
};
const CALLER = address(`0x${"ca".repeat(20)}`);
const machines = new Map<string, Machine>();

export interface BareResult {
  readonly failed: boolean;
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
}

/** Calls `to` (which has `code`, unless it is a precompile) with `data`. */
export async function callBare(
  fork: string,
  to: Address,
  data: Uint8Array,
  gas: bigint,
  code: Uint8Array = new Uint8Array(0),
): Promise<BareResult> {
  const rules = chainRules({ chainId: 1n, forks: [{ fork, block: 0 }] });
  const machine = machines.get(fork) ?? createMachine(featuresOf(fork), rules);
  machines.set(fork, machine);
  const world = new World(memoryState([[to, { nonce: 1n, balance: 0n, code, storage: new Map() }]]));
  machine.attach(world, ENV, () => undefined);
  world.begin();
  const { error, output, gasUsed } = await machine.run({
    caller: CALLER,
    to,
    value: 0n,
    data,
    gasLimit: gas,
    gasPrice: 0n,
    origin: CALLER,
    blobVersionedHashes: [],
  });
  return { failed: error !== undefined, output, gasUsed };
}
