// Ends a call that takes too long. Loops of the EVM need jumps or calls, so counting those (and weighing the few
// operations that take long by themselves) bounds the time between two looks at the caller's clock.
import type { EVM, PrecompileFunc } from "@ethereumjs/evm";
import { KoraError } from "#lib/error.ts";
import type { CallBudget } from "./types.ts";

/** Units between two questions whether time is up: about 50 µs apart. */
const UNITS_PER_QUESTION = 48;
/** Bytes that hashing or copying moves in one unit. */
const BYTES_PER_UNIT = 512;

const JUMPS = [0x56, 0x57];
const KECCAK = 0x20;
const CALLS_AND_CREATES = [0xf0, 0xf1, 0xf2, 0xf4, 0xf5, 0xfa];

/** Work units of precompiles by address, measured on the slowest that one call may ask for at small inputs. */
const PRECOMPILE_UNITS: Readonly<Record<number, number>> = {
  1: 100,
  5: 5000,
  6: 100,
  7: 1000,
  8: 20_000,
  9: 500,
  10: 2000,
  11: 200,
  12: 5000,
  13: 300,
  14: 10_000,
  15: 30_000,
  16: 5000,
  17: 10_000,
  256: 1500,
};

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
  wrap(evm, KECCAK, ({ stack }) => 1 + Number(stack.peek(2)[1] ?? 0n) / BYTES_PER_UNIT, meter);
  for (const [at, run] of evm.precompiles) {
    const units = PRECOMPILE_UNITS[Number(`0x${at}`)];
    if (units === undefined) continue;
    const metered: PrecompileFunc = (input) => {
      meter.spend(units);
      return run(input);
    };
    evm.precompiles.set(at, metered);
  }
}
