// Opcodes of our own in the EVM library's table, for those of its own that take much more time than their gas is worth
// or that know of a code format which no fork has: jumps, pushes, stores and copies to memory, creations. Calls are in a
// file of their own.
import type { Common } from "@ethereumjs/common";
import { type EVM, EVMError } from "@ethereumjs/evm";
import { bigintToBytes, padLeft } from "#lib/bytes.ts";
import { PUSH1, PUSH32 } from "./analysis.ts";
import {
  type AnalysedFrame,
  type LibraryMemory,
  type OpcodeHandler,
  type PriceHandler,
  type RunState,
  replaceOpcode,
} from "./library.ts";
import { copyToMemory, memoryPrice, viewMemory } from "./operands.ts";

const { INVALID_JUMP, INITCODE_SIZE_VIOLATION } = EVMError.errorMessages;

const WORD_BYTES = 32;
/** Longer numbers take long to make, and are remembered. */
const SHORT_PUSH_BYTES = 4;

const frameOf = (runState: RunState): AnalysedFrame => runState.interpreter as AnalysedFrame;

function jump(runState: RunState, target: bigint): void {
  const at = Number(target);
  if (frameOf(runState).analysis.jumps[at] !== 1) throw new EVMError(INVALID_JUMP);
  runState.programCounter = at;
}

function jumpIf(runState: RunState): void {
  const [target, condition] = runState.stack.popN(2) as [bigint, bigint];
  if (condition !== 0n) jump(runState, target);
}

/** The number of `length` bytes at `at`; code goes on with zeros for ever. */
function numberAt(code: Uint8Array, at: number, length: number): bigint {
  if (length > SHORT_PUSH_BYTES) {
    const digits = code.subarray(at, at + length).toHex();
    return BigInt(`0x${digits.padEnd(2 * length, "0")}`);
  }
  let number = 0;
  for (let i = at; i < at + length; i++) number = number * 256 + (code[i] ?? 0);
  return BigInt(number);
}

function push(runState: RunState): void {
  const length = runState.opCode - PUSH1 + 1;
  const at = runState.programCounter;
  runState.programCounter = at + length;
  if (length <= SHORT_PUSH_BYTES) {
    runState.stack.push(numberAt(runState.code, at, length));
    return;
  }
  const { analysis } = frameOf(runState);
  let number = analysis.pushed(at);
  if (number === undefined) {
    number = numberAt(runState.code, at, length);
    analysis.keep(at, number);
  }
  runState.stack.push(number);
}

/** A word of memory, made room for. */
function wordAt(memory: LibraryMemory, at: bigint): DataView {
  const start = Number(at);
  memory.extend(start, WORD_BYTES);
  return new DataView(memory._store.buffer, start, WORD_BYTES);
}

function loadWord({ stack, memory }: RunState): void {
  const view = wordAt(memory, stack.pop());
  const high = (view.getBigUint64(0) << 192n) | (view.getBigUint64(8) << 128n);
  stack.push(high | (view.getBigUint64(16) << 64n) | view.getBigUint64(24));
}

function storeWord({ stack, memory }: RunState): void {
  const [at, word] = stack.popN(2) as [bigint, bigint];
  const view = wordAt(memory, at);
  // Each takes the lowest 64 bits of what it is given.
  view.setBigUint64(0, word >> 192n);
  view.setBigUint64(8, word >> 128n);
  view.setBigUint64(16, word >> 64n);
  view.setBigUint64(24, word);
}

function storeByte({ stack, memory }: RunState): void {
  const [at, word] = stack.popN(2) as [bigint, bigint];
  memory.extend(Number(at), 1);
  memory._store[Number(at)] = Number(word & 0xffn);
}

/** Ends the frame; the library throws for that. */
function stop(runState: RunState): void {
  runState.programCounter = runState.code.length;
}

function returnMemory(runState: RunState): void {
  const [at, length] = runState.stack.popN(2) as [bigint, bigint];
  runState.interpreter._result.returnValue = viewMemory(runState.memory, at, length).slice();
  stop(runState);
}

function rangePrice(runState: RunState, gas: bigint): bigint {
  const [at, length] = runState.stack.peek(2) as [bigint, bigint];
  return gas + memoryPrice(runState, at, length);
}

/** Price of an opcode whose first operand is the place of `length` bytes of memory. */
function placePrice(length: bigint): PriceHandler {
  return (runState, gas) => gas + memoryPrice(runState, runState.stack.peek(1)[0] as bigint, length);
}

function copyFrom(sourceOf: (runState: RunState) => Uint8Array): OpcodeHandler {
  return (runState) => {
    const [to, from, length] = runState.stack.popN(3) as [bigint, bigint, bigint];
    copyToMemory(runState.memory, to, length, sourceOf(runState), from);
  };
}

/** CREATE, and CREATE2 with its salt. Whatever the code begins with, it runs, and halts where it must. */
function creation(evm: EVM, isSalted: boolean): OpcodeHandler {
  return async (runState: RunState, common: Common) => {
    const { stack, memory, interpreter } = runState;
    const [value, at, length] = stack.popN(3) as [bigint, bigint, bigint];
    const salt = isSalted ? padLeft(bigintToBytes(stack.pop()), WORD_BYTES) : undefined;
    const isBounded = common.isActivatedEIP(3860) && !evm.allowUnlimitedInitCodeSize;
    if (isBounded && length > common.param("maxInitCodeSize")) throw new EVMError(INITCODE_SIZE_VIOLATION);
    const gas = runState.messageGasLimit ?? 0n;
    runState.messageGasLimit = undefined;
    stack.push(await interpreter.create(gas, value, viewMemory(memory, at, length), salt));
  };
}

/** Puts our own opcodes in place of the library's. */
export function replaceOpcodes(evm: EVM): void {
  const replace = (opcode: number, opHandler: OpcodeHandler): void =>
    replaceOpcode(evm, opcode, { opHandler });
  const ofWord = placePrice(BigInt(WORD_BYTES));
  replace(0x00, stop);
  replaceOpcode(evm, 0xf3, { gasHandler: rangePrice, opHandler: returnMemory });
  replace(
    0x37,
    copyFrom(({ interpreter }) => interpreter._env.callData),
  );
  replace(
    0x39,
    copyFrom(({ interpreter }) => interpreter._env.code),
  );
  replaceOpcode(evm, 0x51, { gasHandler: ofWord, opHandler: loadWord });
  replaceOpcode(evm, 0x52, { gasHandler: ofWord, opHandler: storeWord });
  replaceOpcode(evm, 0x53, { gasHandler: placePrice(1n), opHandler: storeByte });
  replace(0x56, (runState) => jump(runState, runState.stack.pop()));
  replace(0x57, jumpIf);
  for (let opcode = PUSH1; opcode <= PUSH32; opcode++) replace(opcode, push);
  replace(0xf0, creation(evm, false));
  replace(0xf5, creation(evm, true));
}
