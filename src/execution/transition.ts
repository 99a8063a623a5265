// One message's way through the state (yellow paper 6): pay for gas, warm what is warm, run, refund, pay the fee
// recipient, remove what destroyed itself. Whether the message may run at all was decided before.
import { type Address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import type { Log } from "#types/receipt.ts";
import type { AccessList, Authorization } from "#types/transaction.ts";
import { applyAuthorizations } from "./authorization.ts";
import type { ForkFeatures } from "./forks.ts";
import { type Ending, endingOf } from "./halts.ts";
import type { IntrinsicGas } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import type { BlockEnv } from "./types.ts";
import type { World } from "./world.ts";

/** Refunds are at most the used gas over this: 2, and 5 from London on (EIP-3529). */
const REFUND_QUOTIENT_FRONTIER = 2n;
const REFUND_QUOTIENT = 5n;

/** A message with all its prices fixed. */
export interface Envelope {
  readonly sender: Address;
  readonly to: Address | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
  /** Wei per gas, paid. */
  readonly gasPrice: bigint;
  /** Wei paid for blobs, burnt. */
  readonly blobFee: bigint;
  readonly accessList: AccessList;
  readonly blobVersionedHashes: readonly Hash[];
  readonly authorizationList: readonly Authorization[];
  readonly intrinsic: IntrinsicGas;
}

/** Where the message runs. */
export interface Site {
  readonly machine: Machine;
  readonly world: World;
  readonly fork: ForkFeatures;
  readonly env: BlockEnv;
  readonly chainId: bigint;
  /** Notes what the message finds cold. */
  readonly recordAccesses?: boolean;
}

export interface MessageOutcome {
  readonly ending: Ending;
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  /** Gas given back at the end, already left out of `gasUsed`. */
  readonly gasRefunded: bigint;
  readonly logs: readonly Log[];
  /** Address of the contract that a creation made or would have made. */
  readonly contractAddress: Address | undefined;
}

interface Run {
  readonly ending: Ending;
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  readonly refund: bigint;
  readonly logs: readonly Log[];
  readonly contractAddress: Address | undefined;
  readonly destroyed: readonly Address[];
}

const NO_OUTPUT = new Uint8Array(0);
const NO_LOGS: readonly Log[] = [];
const NO_ADDRESSES: readonly Address[] = [];

function warmUp({ world, fork, env }: Site, message: Envelope): void {
  if (!fork.accessLists) return;
  world.warm(message.sender);
  if (message.to !== undefined) world.warm(message.to);
  if (fork.shanghai) world.warm(env.coinbase);
  for (const entry of message.accessList) {
    world.warm(entry.address);
    for (const key of entry.storageKeys) world.warmSlot(entry.address, key);
  }
}

/** A transfer to an account without code: the same as the EVM would do, without building anything for it. */
function transfer(world: World, message: Envelope, to: Address): Run {
  if (message.value > 0n) {
    const from = world.entry(message.sender);
    world.setBalance(from, from.balance - message.value);
  }
  const target = world.entry(to);
  world.setBalance(target, target.balance + message.value);
  return {
    ending: { status: "success" },
    output: NO_OUTPUT,
    gasUsed: 0n,
    refund: 0n,
    logs: NO_LOGS,
    contractAddress: undefined,
    destroyed: NO_ADDRESSES,
  };
}

/** Which contracts go at the end: all that asked, or from Cancun on only those born in this transaction (EIP-6780). */
function destroyedIn(world: World, fork: ForkFeatures): readonly Address[] {
  const asked = world.destroyed();
  if (asked.size === 0) return NO_ADDRESSES;
  return fork.cancun ? [...asked].filter((at) => world.isBorn(at)) : [...asked];
}

async function interpret(site: Site, message: Envelope, gas: bigint): Promise<Run> {
  const { error, output, gasUsed, refund, opcode, contractAddress } = await site.machine.run({
    caller: message.sender,
    to: message.to,
    value: message.value,
    data: message.data,
    gasLimit: gas,
    gasPrice: message.gasPrice,
    origin: message.sender,
    blobVersionedHashes: message.blobVersionedHashes,
  });
  return {
    ending: endingOf(error, opcode),
    output,
    gasUsed,
    refund,
    logs: site.world.logs(),
    contractAddress,
    destroyed: destroyedIn(site.world, site.fork),
  };
}

function run(site: Site, message: Envelope): Run | Promise<Run> {
  const { world, machine } = site;
  const { to } = message;
  if (to !== undefined && world.entry(to).codeHash === EMPTY_CODE_HASH && !machine.precompiles.has(to)) {
    return transfer(world, message, to);
  }
  return interpret(site, message, message.gasLimit - message.intrinsic.gas);
}

function refundOf(fork: ForkFeatures, gasUsed: bigint, counter: bigint): bigint {
  const most = gasUsed / (fork.london ? REFUND_QUOTIENT : REFUND_QUOTIENT_FRONTIER);
  return counter < most ? counter : most;
}

function atLeast(floor: bigint, value: bigint): bigint {
  if (value > floor) return value;
  return floor;
}

function payFees(site: Site, message: Envelope, gasUsed: bigint): void {
  const { world, env } = site;
  const sender = world.entry(message.sender);
  world.setBalance(sender, sender.balance + (message.gasLimit - gasUsed) * message.gasPrice);
  const tip = message.gasPrice - env.baseFeePerGas;
  const recipient = world.entry(env.coinbase);
  // A message that is no transaction may pay nothing at all, hence less than the base fee.
  world.setBalance(recipient, recipient.balance + (tip > 0n ? tip * gasUsed : 0n));
}

/** Runs a message whose sender can pay for it. The state is changed, and nothing of it is left to undo. */
export async function applyMessage(site: Site, message: Envelope): Promise<MessageOutcome> {
  const { world, fork } = site;
  world.begin();
  const sender = world.entry(message.sender);
  const prepaid = message.gasLimit * message.gasPrice + message.blobFee;
  world.write(sender, sender.nonce + 1n, sender.balance - prepaid, sender.codeHash);
  warmUp(site, message);
  const authorizationRefund = applyAuthorizations(world, site.chainId, message.authorizationList);
  // From here on: the parties and the authorities (EIP-7702) are warm without being listed.
  if (site.recordAccesses === true) world.recordAccesses();
  const pending = run(site, message);
  const result = pending instanceof Promise ? await pending : pending;
  const spent = message.intrinsic.gas + result.gasUsed;
  const gasRefunded = refundOf(fork, spent, result.refund + authorizationRefund);
  const gasUsed = atLeast(message.intrinsic.floor, spent - gasRefunded);
  payFees(site, message, gasUsed);
  for (const at of result.destroyed) world.remove(world.entry(at));
  if (fork.stateClearing) world.removeEmptyTouched();
  const { ending, output, logs, contractAddress } = result;
  return { ending, output, gasUsed, gasRefunded, logs, contractAddress };
}
