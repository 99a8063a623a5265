// Ends a call that takes too long. Loops of the EVM need jumps or calls, so counting those (and weighing the operations
// that take long by themselves: what reads the state, hashes or copies) bounds the time between two looks at the clock.
import type { EVM, PrecompileFunc } from "@ethereumjs/evm";
import { KoraError } from "#lib/error.ts";
import type { CallBudget } from "./types.ts";

/** Units between two questions whether time is up: about 50 µs apart. */
const UNITS_PER_QUESTION = 48;
/** Bytes that hashing or copying moves in one unit. */
const BYTES_PER_UNIT = 512;

const JUMPS = [0x56, 0x57];
const CALLS_AND_CREATES = [0xf0, 0xf1, 0xf2, 0xf4, 0xf5, 0xfa];
/** Units of what may have to read the store: SLOAD, SSTORE, BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH and BLOCKHASH. */
const STATE_READS: readonly (readonly [opcode: number, units: number])[] = [
  [0x54, 4],
  [0x55, 4],
  [0x31, 8],
  [0x3b, 12],
  [0x3c, 12],
  [0x3f, 8],
  [0x40, 48],
];
/**
 * Where the length stands on the stack of what hashes or copies: KECCAK256, CALLDATACOPY, CODECOPY, EXTCODECOPY,
 * RETURNDATACOPY, MCOPY and LOG0 to LOG4.
 */
const MOVES: readonly (readonly [opcode: number, length: number])[] = [
  [0x20, 1],
  [0x37, 2],
  [0x39, 2],
  [0x3c, 3],
  [0x3e, 2],
  [0x5e, 2],
  [0xa0, 1],
  [0xa1, 1],
  [0xa2, 1],
  [0xa3, 1],
  [0xa4, 1],
];

/** Work units of precompiles by address, about a microsecond each: for a call, and for each of its terms. */
const PRECOMPILE_UNITS: Readonly<Record<number, readonly [call: number, term?: number, termBytes?: number]>> =
  {
    1: [100],
    6: [20],
    7: [300],
    8: [3000, 1500, 192],
    10: [6000],
    11: [20],
    12: [100, 350, 160],
    13: [40],
    14: [200, 700, 288],
    15: [4000, 1500, 384],
    16: [300],
    17: [1200],
    256: [500],
  };
/** Rounds of BLAKE2b's compression in a unit. */
const BLAKE2F_ROUNDS_PER_UNIT = 50;
/** Units for each bit of an exponent, and for each bit and squared word of 64 bits of the numbers raised and reduced. */
const MODEXP_UNITS_PER_BIT = 0.1;
const MODEXP_UNITS_PER_WORD = 0.004;

function unitsOfModexp(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  // Lengths that these bytes do not hold cost more gas than there is.
  const length = (index: number): number =>
    data.length >= 32 * index + 32 ? view.getUint32(32 * index + 28) : 0;
  const words = Math.ceil(Math.max(length(0), length(2)) / 8);
  return 5 + 8 * length(1) * (MODEXP_UNITS_PER_BIT + MODEXP_UNITS_PER_WORD * words ** 2);
}

/** Work units of a call of a precompile; undefined for what its price bounds well enough. */
function precompileUnits(at: number): ((data: Uint8Array) => number) | undefined {
  if (at === 5) return unitsOfModexp;
  if (at === 9) {
    return (data) =>
      data.length < 4
        ? 1
        : 1 + new DataView(data.buffer, data.byteOffset).getUint32(0) / BLAKE2F_ROUNDS_PER_UNIT;
  }
  const units = PRECOMPILE_UNITS[at];
  if (units === undefined) return undefined;
  const [call, term = 0, termBytes = 1] = units;
  return (data) => call + term * Math.floor(data.length / termBytes);
}

/** Counts the work of the call at hand. */
export interface Meter {
  /** Starts counting anew under `budget`; without one nothing is bounded. */
  start(budget: CallBudget | undefined): void;
  /** Takes `units`; throws CALL_ABANDONED when the budget is used up. */
  spend(units: number): void;
}

const ABANDONED = "CALL_ABANDONED";

/** Whether `thrown` is what a meter throws. */
export function isAbandoned(thrown: unknown): boolean {
  return thrown instanceof KoraError && thrown.code === ABANDONED;
}

export function createMeter(): Meter {
  let budget: CallBudget = {};
  let left = Number.POSITIVE_INFINITY;
  let untilQuestion = UNITS_PER_QUESTION;
  return {
    start(next) {
      budget = next ?? {};
      left = budget.units ?? Number.POSITIVE_INFINITY;
      untilQuestion = UNITS_PER_QUESTION;
    },
    spend(units) {
      left -= units;
      untilQuestion -= units;
      if (left >= 0 && untilQuestion > 0) return;
      untilQuestion = UNITS_PER_QUESTION;
      if (left < 0 || budget.expired?.() === true) {
        throw new KoraError("the call used up its budget", { code: ABANDONED });
      }
    },
  };
}

/** The library's table of opcodes, which it keeps to itself. */
interface OpcodeTable {
  _opcodeMap: { opHandler: (runState: RunState, common: unknown) => unknown }[];
}
interface RunState {
  readonly stack: { peek(count: number): bigint[] };
}

function wrap(evm: EVM, opcode: number, unitsOf: (runState: RunState) => number, meter: Meter): void {
  const table = (evm as unknown as OpcodeTable)._opcodeMap;
  const entry = table[opcode];
  if (entry === undefined) return;
  const original = entry.opHandler;
  // Entries of opcodes that a fork lacks are shared, so the entry is replaced rather than changed.
  table[opcode] = {
    ...entry,
    opHandler: (runState, common) => {
      meter.spend(unitsOf(runState));
      return original(runState, common);
    },
  };
}

/** Makes `evm` ask `meter` at every step that could go on for long. */
export function meterEvm(evm: EVM, meter: Meter): void {
  const one = (): number => 1;
  for (const opcode of JUMPS) wrap(evm, opcode, one, meter);
  for (const opcode of CALLS_AND_CREATES) wrap(evm, opcode, () => 20, meter);
  for (const [opcode, units] of STATE_READS) wrap(evm, opcode, () => units, meter);
  for (const [opcode, length] of MOVES) {
    wrap(
      evm,
      opcode,
      ({ stack }) => 1 + Number(stack.peek(length + 1)[length] ?? 0n) / BYTES_PER_UNIT,
      meter,
    );
  }
  for (const [at, run] of evm.precompiles) {
    const unitsOf = precompileUnits(Number(`0x${at}`));
    if (unitsOf === undefined) continue;
    const metered: PrecompileFunc = (input) => {
      meter.spend(unitsOf(input.data));
      return run(input);
    };
    evm.precompiles.set(at, metered);
  }
}
