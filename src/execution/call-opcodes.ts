// CALL, CALLCODE, DELEGATECALL and STATICCALL: what they cost (EIP-150, 161, 2929, 7702) and how they enter a frame. In
// place of the library's, which wait a dozen times in a call, even one of a precompile for a hundred gas.
import { type EVM, EVMError } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { Address } from "#types/ids.ts";
import { keyOf, viewOf } from "./adapter.ts";
import { delegationOf } from "./authorization.ts";
import type { ForkFeatures } from "./forks.ts";
import { type FrameOutcome, type Frames, isRevert } from "./frames.ts";
import { type OpcodeHandler, type PriceHandler, replaceOpcode } from "./library.ts";
import { addressIn, memoryPrice, viewMemory, writeMemory } from "./operands.ts";
import { accessPrice } from "./state-opcodes.ts";
import { isEmpty, type World } from "./world.ts";

const { OUT_OF_GAS, STATIC_STATE_CHANGE } = EVMError.errorMessages;
const MAX_DEPTH = 1024;

/** One of the four opcodes. */
interface Kind {
  readonly opcode: number;
  /** It takes a value from the stack. */
  readonly hasValue: boolean;
  /** The code runs as the account it belongs to, not as the caller. */
  readonly isForeign: boolean;
  /** The code sees its caller's caller and value. */
  readonly isDelegate: boolean;
  readonly isStatic: boolean;
}

const KINDS: readonly Kind[] = [
  { opcode: 0xf1, hasValue: true, isForeign: true, isDelegate: false, isStatic: false },
  { opcode: 0xf2, hasValue: true, isForeign: false, isDelegate: false, isStatic: false },
  { opcode: 0xf4, hasValue: false, isForeign: false, isDelegate: true, isStatic: false },
  { opcode: 0xfa, hasValue: false, isForeign: true, isDelegate: false, isStatic: true },
];

/** What a call's opcode finds on the stack. */
interface Operands {
  readonly gas: bigint;
  readonly target: Address;
  readonly value: bigint;
  readonly inAt: bigint;
  readonly inLength: bigint;
  readonly outAt: bigint;
  readonly outLength: bigint;
}

function operandsOf(kind: Kind, words: bigint[]): Operands {
  const [gas, target] = words as [bigint, bigint];
  const [inAt, inLength, outAt, outLength] = words.slice(kind.hasValue ? 3 : 2) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const value = kind.hasValue ? (words[2] as bigint) : 0n;
  return { gas, target: addressIn(target), value, inAt, inLength, outAt, outLength };
}

/** The prices of one fork. */
function pricesOf({ common }: EVM) {
  const param = (name: string): bigint => common.param(name);
  return {
    transfer: param("callValueTransferGas"),
    newAccount: param("callNewAccountGas"),
    stipend: param("callStipendGas"),
    /** EIP-150: a frame keeps a 64th of its gas. */
    keepsSome: common.gteHardfork("tangerineWhistle"),
  };
}
type Prices = ReturnType<typeof pricesOf>;

function priceOf(
  kind: Kind,
  prices: Prices,
  access: ReturnType<typeof accessPrice>,
  fork: ForkFeatures,
  world: () => World,
): PriceHandler {
  /** EIP-161 asks whether the account is empty, before it whether it is there. */
  const isNew = (now: World, target: Address): boolean => {
    const entry = now.entry(target);
    return !entry.exists || (fork.stateClearing && isEmpty(entry));
  };
  return (runState, constant) => {
    const { gas, target, value, inAt, inLength, outAt, outLength } = operandsOf(
      kind,
      runState.stack.peek(kind.hasValue ? 7 : 6),
    );
    const now = world();
    const isTransfer = kind.isForeign && kind.hasValue;
    if (isTransfer && value !== 0n && runState.interpreter._env.isStatic)
      throw new EVMError(STATIC_STATE_CHANGE);
    let price = constant + memoryPrice(runState, inAt, inLength) + memoryPrice(runState, outAt, outLength);
    price += access(now, target);
    if (value !== 0n) price += prices.transfer;
    if (isTransfer && (value !== 0n || !fork.stateClearing) && isNew(now, target)) price += prices.newAccount;
    const delegate = fork.prague ? delegationOf(now.code(now.entry(target))) : undefined;
    if (delegate !== undefined) price += access(now, delegate);
    const left = runState.gasLeft - price;
    if (left < 0n) throw new EVMError(OUT_OF_GAS);
    const most = prices.keepsSome ? left - left / 64n : left;
    if (gas > most && !prices.keepsSome) throw new EVMError(OUT_OF_GAS);
    runState.messageGasLimit = gas > most ? most : gas;
    return price;
  };
}

function enter(kind: Kind, prices: Prices, frames: Frames, world: () => World): OpcodeHandler {
  return (runState) => {
    const { target, value, inAt, inLength, outAt, outLength } = operandsOf(
      kind,
      runState.stack.popN(kind.hasValue ? 7 : 6),
    );
    const env = runState.interpreter._env;
    const now = world();
    const self = keyOf(env.address);
    const data = viewMemory(runState.memory, inAt, inLength);
    let gas = runState.messageGasLimit ?? 0n;
    runState.messageGasLimit = undefined;
    runState.returnBytes = EMPTY_BYTES;
    if (value !== 0n) {
      runState.gasLeft += prices.stipend;
      gas += prices.stipend;
    }
    if (env.depth >= MAX_DEPTH || now.entry(self).balance < value) {
      runState.stack.push(0n);
      return undefined;
    }
    const leave = ({ error, output, gasUsed, refund, opcode }: FrameOutcome): void => {
      runState.gasLeft -= gasUsed;
      if (error === undefined || isRevert(error)) runState.returnBytes = output;
      if (error === undefined) {
        runState.gasRefund = refund;
        if (opcode !== undefined || value !== 0n) env.contract = viewOf(now, now.entry(self));
      }
      writeMemory(runState.memory, outAt, outLength, runState.returnBytes);
      runState.stack.push(error === undefined ? 1n : 0n);
    };
    const outcome = frames.call({
      caller: kind.isDelegate ? keyOf(env.caller) : self,
      to: kind.isForeign ? target : self,
      codeAddress: target,
      value: kind.isDelegate ? env.callValue : value,
      keepsValue: kind.isDelegate,
      data,
      gas,
      depth: env.depth + 1,
      isStatic: env.isStatic || kind.isStatic,
      refund: runState.gasRefund,
      blobVersionedHashes: env.blobVersionedHashes,
    });
    return outcome instanceof Promise ? outcome.then(leave) : leave(outcome);
  };
}

/** Puts our own calls in place of the library's. */
export function replaceCalls(evm: EVM, fork: ForkFeatures, frames: Frames, world: () => World): void {
  const prices = pricesOf(evm);
  const access = accessPrice(evm, fork);
  for (const kind of KINDS) {
    replaceOpcode(evm, kind.opcode, {
      gasHandler: priceOf(kind, prices, access, fork, world),
      opHandler: enter(kind, prices, frames, world),
    });
  }
}
