// What a block does beside its transactions: the calls that begin and end it (EIP-4788, 2935, 7002, 7251, 6110) and
// withdrawals (EIP-4895).
import { concatBytes, trimLeft } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, address, bytesOf, EMPTY_CODE_HASH, type Hash, hash } from "#types/ids.ts";
import type { Receipt } from "#types/receipt.ts";
import type { Site } from "./transition.ts";
import type { StateInput, Withdrawal } from "./types.ts";
import type { World } from "./world.ts";

const SYSTEM_ADDRESS: Address = address("0xfffffffffffffffffffffffffffffffffffffffe");
/** EIP-4788. */
export const BEACON_ROOTS_ADDRESS: Address = address("0x000f3df6d732807ef1319fb7b8bb8522d0beac02");
/** EIP-2935. */
export const HISTORY_ADDRESS: Address = address("0x0000f90827f1c53a10cb7a02335b175320002935");
/** EIP-7002. */
export const WITHDRAWAL_REQUESTS_ADDRESS: Address = address("0x00000961ef480eb55e80d19ad83579a64c007002");
/** EIP-7251. */
export const CONSOLIDATION_REQUESTS_ADDRESS: Address = address("0x0000bbddc7ce488642fb579f8b00f3a590007251");
/** EIP-6110: the deposit contract of the main network. */
const DEPOSIT_ADDRESS: Address = address("0x00000000219ab540356cbb839cbe05303d7705fa");
const DEPOSIT_TOPIC: Hash = hash("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

const SYSTEM_CALL_GAS = 30_000_000n;
const WEI_PER_GWEI = 1_000_000_000n;

/** A call from outside transactions that pays nothing and counts for no gas; its output, or undefined if it failed. */
async function systemCall(site: Site, to: Address, data: Uint8Array): Promise<Uint8Array | undefined> {
  const { world, machine, fork } = site;
  world.begin();
  world.warm(SYSTEM_ADDRESS);
  world.warm(to);
  const { error, output } = await machine.run({
    caller: SYSTEM_ADDRESS,
    to,
    value: 0n,
    data,
    gasLimit: SYSTEM_CALL_GAS,
    gasPrice: 0n,
    origin: SYSTEM_ADDRESS,
    blobVersionedHashes: [],
  });
  if (fork.stateClearing) world.removeEmptyTouched();
  return error === undefined ? output : undefined;
}

async function callIfDeployed(site: Site, to: Address, data: Uint8Array): Promise<void> {
  if (site.world.entry(to).codeHash !== EMPTY_CODE_HASH) await systemCall(site, to, data);
}

/** The calls before a block's first transaction. */
export async function beginBlock(site: Site): Promise<void> {
  const { fork, env } = site;
  if (env.number === 0) return;
  if (fork.cancun) await callIfDeployed(site, BEACON_ROOTS_ADDRESS, bytesOf(env.parentBeaconBlockRoot));
  if (fork.prague) await callIfDeployed(site, HISTORY_ADDRESS, bytesOf(env.parentHash));
}

/** Writes from outside transactions (local chain only). */
export function applyInputs(world: World, inputs: readonly StateInput[]): void {
  world.begin();
  for (const input of inputs) {
    const entry = world.entry(input.address);
    if (input.code !== undefined) world.setCode(entry, input.code);
    world.write(entry, input.nonce ?? entry.nonce, input.balance ?? entry.balance, entry.codeHash);
    for (const [key, value] of input.storage ?? []) world.setStorage(entry, key, trimLeft(value));
  }
}

/** EIP-4895: pays each withdrawal, and removes accounts that stay empty. */
export function applyWithdrawals(site: Site, withdrawals: readonly Withdrawal[]): void {
  const { world, fork } = site;
  world.begin();
  for (const withdrawal of withdrawals) {
    const entry = world.entry(withdrawal.address);
    world.setBalance(entry, entry.balance + withdrawal.amount * WEI_PER_GWEI);
  }
  if (fork.stateClearing) world.removeEmptyTouched();
}

function blockInvalid(why: string): KoraError {
  return new KoraError(`the block cannot be completed: ${why}`, { code: "BLOCK_INVALID" });
}

/** The call that takes a queue of requests out of its contract; a failure makes the block invalid. */
async function dequeue(site: Site, from: Address): Promise<Uint8Array> {
  if (site.world.entry(from).codeHash === EMPTY_CODE_HASH) throw blockInvalid(`no code at ${from}`);
  const output = await systemCall(site, from, new Uint8Array(0));
  if (output === undefined) throw blockInvalid(`the system call to ${from} failed`);
  return output;
}

/** Layout of a deposit event: [offset of length word, bytes] of each field, all at fixed places (EIP-6110). */
const DEPOSIT_FIELDS: readonly (readonly [offset: number, size: number])[] = [
  [160, 48],
  [256, 32],
  [320, 8],
  [384, 96],
  [512, 8],
];
const DEPOSIT_EVENT_BYTES = 576;

function depositOf(data: Uint8Array): Uint8Array {
  if (data.length !== DEPOSIT_EVENT_BYTES) throw blockInvalid("a deposit event has the wrong length");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const word = (at: number): number => {
    for (let i = at; i < at + 28; i++) if (data[i] !== 0) return -1;
    return view.getUint32(at + 28);
  };
  const parts = DEPOSIT_FIELDS.map(([offset, size], index) => {
    if (word(index * 32) !== offset || word(offset) !== size) {
      throw blockInvalid("a deposit event has the wrong layout");
    }
    return data.subarray(offset + 32, offset + 32 + size);
  });
  return concatBytes(...parts);
}

function depositsIn(receipts: readonly Receipt[]): Uint8Array {
  const deposits: Uint8Array[] = [];
  for (const receipt of receipts) {
    for (const log of receipt.logs) {
      if (log.address === DEPOSIT_ADDRESS && log.topics[0] === DEPOSIT_TOPIC)
        deposits.push(depositOf(log.data));
    }
  }
  return concatBytes(...deposits);
}

/** EIP-7685: the requests of a block, each type ‖ data, empty ones left out. Throws BLOCK_INVALID. */
export async function collectRequests(site: Site, receipts: readonly Receipt[]): Promise<Uint8Array[]> {
  const lists = [
    depositsIn(receipts),
    await dequeue(site, WITHDRAWAL_REQUESTS_ADDRESS),
    await dequeue(site, CONSOLIDATION_REQUESTS_ADDRESS),
  ];
  return lists.flatMap((data, type) => (data.length === 0 ? [] : [concatBytes(Uint8Array.of(type), data)]));
}
