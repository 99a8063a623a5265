// What Kora uses of the EVM library beyond its exported types: the state of a frame, the class of frames, the table of
// opcodes. The compiler cannot check it against the library; the official vectors do.
import type { Common } from "@ethereumjs/common";
import type { EVM } from "@ethereumjs/evm";
import type { Account, Address } from "@ethereumjs/util";
import type { Analysis } from "./analysis.ts";

export type LibraryAddress = Address;

/** What opcodes work on. */
export interface RunState {
  programCounter: number;
  opCode: number;
  code: Uint8Array;
  gasLeft: bigint;
  gasRefund: bigint;
  /** Words of memory that were paid for, and what they cost. */
  memoryWordCount: bigint;
  highestMemCost: bigint;
  /** Gas for the frame that is about to be entered, found by the price of its opcode. */
  messageGasLimit?: bigint | undefined;
  returnBytes: Uint8Array;
  readonly memory: LibraryMemory;
  readonly stack: LibraryStack;
  readonly interpreter: Interpreter;
}

export interface LibraryStack {
  push(value: bigint): void;
  pop(): bigint;
  /** The topmost first; throws the EVM's error where there are fewer. */
  popN(count: number): bigint[];
  peek(count: number): bigint[];
}

export interface LibraryMemory {
  readonly _store: Uint8Array;
  /** Makes room; gas was paid before. */
  extend(at: number, length: number): void;
}

/** What a frame knows of its message and its block. */
export interface FrameEnv {
  readonly address: LibraryAddress;
  readonly caller: LibraryAddress;
  readonly callData: Uint8Array;
  readonly callValue: bigint;
  readonly code: Uint8Array;
  readonly isStatic: boolean;
  readonly isCreate: boolean;
  readonly depth: number;
  readonly gasPrice: bigint;
  readonly origin: LibraryAddress;
  readonly block: unknown;
  /** The executing account, as of the last time somebody else may have changed it. */
  contract: Account;
  readonly codeAddress: LibraryAddress;
  readonly gasRefund: bigint;
  readonly blobVersionedHashes: readonly string[];
  readonly createdAddresses: unknown;
}

/** A frame. */
export interface Interpreter {
  readonly _runState: RunState;
  readonly _env: FrameEnv;
  readonly _result: { returnValue: Uint8Array | undefined; selfdestruct: unknown; createdAddresses: unknown };
  create(gas: bigint, value: bigint, code: Uint8Array, salt?: Uint8Array): Promise<bigint>;
}

/** A frame of ours, which knows what can be said of its code. */
export interface AnalysedFrame extends Interpreter {
  readonly analysis: Analysis;
}

/** The library's class of frames, which it does not export. */
export type InterpreterClass = new (
  evm: EVM,
  stateManager: EVM["stateManager"],
  blockchain: EVM["blockchain"],
  env: FrameEnv,
  gas: bigint,
  journal: EVM["journal"],
) => Interpreter;

/** What the library hands to the frame that runs a creation's code. */
export interface CreationMessage {
  readonly to: LibraryAddress;
  readonly caller: LibraryAddress;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly code: Uint8Array;
  readonly gasLimit: bigint;
  readonly gasRefund: bigint;
  readonly depth: number;
  readonly isStatic: boolean;
  readonly blobVersionedHashes: readonly string[] | undefined;
}

export interface OpcodeInfo {
  readonly feeBigInt: bigint;
  readonly isInvalid: boolean;
  readonly dynamicGas: boolean;
}

export type OpcodeHandler = (runState: RunState, common: Common) => void | Promise<void>;
/** Answers the whole price, `gas` being what never changes of it. */
export type PriceHandler = (runState: RunState, gas: bigint, common: Common) => bigint | Promise<bigint>;

export interface OpcodeEntry {
  readonly opcodeInfo: OpcodeInfo;
  readonly opHandler: OpcodeHandler;
  readonly gasHandler: PriceHandler;
}

/** The opcodes of an EVM by number. Entries of those that a fork lacks are shared: replace them, never change them. */
export function opcodesOf(evm: EVM): OpcodeEntry[] {
  return (evm as unknown as { readonly _opcodeMap: OpcodeEntry[] })._opcodeMap;
}

/** Puts functions of our own in place of an opcode's, unless the fork lacks it. */
export function replaceOpcode(
  evm: EVM,
  opcode: number,
  handlers: Partial<Pick<OpcodeEntry, "opHandler" | "gasHandler">>,
): void {
  const table = opcodesOf(evm);
  const entry = table[opcode];
  if (entry !== undefined && !entry.opcodeInfo.isInvalid) table[opcode] = { ...entry, ...handlers };
}
