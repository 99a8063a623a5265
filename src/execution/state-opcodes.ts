// Opcodes that read and write accounts and slots, on the World itself: what they cost (EIP-2929) and what they do. In
// place of the library's, which wait, and turn each address and slot into bytes and hex several times over.
import type { EVM } from "@ethereumjs/evm";
import { bigintToBytes, bytesToBigint, EMPTY_BYTES } from "#lib/bytes.ts";
import { type Address, EMPTY_CODE_HASH } from "#types/ids.ts";
import { keyOf } from "./adapter.ts";
import type { ForkFeatures } from "./forks.ts";
import { type OpcodeHandler, type PriceHandler, type RunState, replaceOpcode } from "./library.ts";
import { addressIn, copyToMemory, memoryPrice, slotIn, wordCount } from "./operands.ts";
import { type Entry, isEmpty, type World } from "./world.ts";

const COPY_WORD_GAS = 3n;

const selfOf = ({ interpreter }: RunState): Address => keyOf(interpreter._env.address);

/** Prices of touching an account, which is warm afterwards (EIP-2929); nothing before that. */
export function accessPrice({ common }: EVM, fork: ForkFeatures): (world: World, target: Address) => bigint {
  if (!fork.accessLists) return () => 0n;
  const [warm, cold] = [common.param("warmstoragereadGas"), common.param("coldaccountaccessGas")];
  return (world, target) => {
    if (world.isWarm(target)) return warm;
    world.warm(target);
    return cold;
  };
}

function slotPrice({ common }: EVM, world: () => World): PriceHandler {
  const [warm, cold] = [common.param("warmstoragereadGas"), common.param("coldsloadGas")];
  return (runState, gas) => {
    const now = world();
    const [self, slot] = [selfOf(runState), slotIn(runState.stack.peek(1)[0] as bigint)];
    if (now.isWarmSlot(self, slot)) return gas + warm;
    now.warmSlot(self, slot);
    return gas + cold;
  };
}

/** Puts a number about the account on top of the stack in place of the account. */
function ask(world: () => World, answer: (now: World, entry: Entry) => bigint): OpcodeHandler {
  return ({ stack }) => {
    const now = world();
    stack.push(answer(now, now.entry(addressIn(stack.pop()))));
  };
}

function codeHashOf(entry: Entry): bigint {
  return !entry.exists || isEmpty(entry) ? 0n : BigInt(entry.codeHash);
}

function codeSizeOf(world: World, entry: Entry): bigint {
  return entry.codeHash === EMPTY_CODE_HASH ? 0n : BigInt(world.code(entry).length);
}

function copyCode(world: () => World): OpcodeHandler {
  return ({ stack, memory }) => {
    const [account, to, from, length] = stack.popN(4) as [bigint, bigint, bigint, bigint];
    const now = world();
    const code = length === 0n ? EMPTY_BYTES : now.code(now.entry(addressIn(account)));
    copyToMemory(memory, to, length, code, from);
  };
}

function load(world: () => World): OpcodeHandler {
  return (runState) => {
    const now = world();
    const { stack } = runState;
    stack.push(bytesToBigint(now.storage(now.entry(selfOf(runState)), slotIn(stack.pop()))));
  };
}

function store(world: () => World): OpcodeHandler {
  return (runState) => {
    const [slot, value] = runState.stack.popN(2) as [bigint, bigint];
    const now = world();
    now.setStorage(now.entry(selfOf(runState)), slotIn(slot), bigintToBytes(value));
  };
}

/** Puts our own opcodes in place of the library's. */
export function replaceStateOpcodes(evm: EVM, fork: ForkFeatures, world: () => World): void {
  const access = accessPrice(evm, fork);
  const ofAccount: PriceHandler = ({ stack }, gas) =>
    gas + access(world(), addressIn(stack.peek(1)[0] as bigint));
  const ofCopy: PriceHandler = (runState, gas) => {
    const [account, to, , length] = runState.stack.peek(4) as [bigint, bigint, bigint, bigint];
    const moved = memoryPrice(runState, to, length) + wordCount(length) * COPY_WORD_GAS;
    return gas + moved + access(world(), addressIn(account));
  };
  replaceOpcode(evm, 0x31, { gasHandler: ofAccount, opHandler: ask(world, (_, { balance }) => balance) });
  replaceOpcode(evm, 0x3b, { gasHandler: ofAccount, opHandler: ask(world, codeSizeOf) });
  replaceOpcode(evm, 0x3c, { gasHandler: ofCopy, opHandler: copyCode(world) });
  replaceOpcode(evm, 0x3f, { gasHandler: ofAccount, opHandler: ask(world, (_, entry) => codeHashOf(entry)) });
  const ofSlot = fork.accessLists ? { gasHandler: slotPrice(evm, world) } : {};
  replaceOpcode(evm, 0x54, { ...ofSlot, opHandler: load(world) });
  replaceOpcode(evm, 0x55, { opHandler: store(world) });
}
