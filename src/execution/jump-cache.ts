// Remembers what the EVM library finds out about a contract's code (jump destinations, push values), which it would
// otherwise find out anew in every frame: half the time of a small call. Knows nothing of what the code does.
import type { EVM } from "@ethereumjs/evm";

/** Bytes of code whose analysis one EVM keeps: an analysis takes about thirty times its code. */
const MAX_ANALYSED_BYTES = 1024 * 1024;
/** Bytes that count for each piece of code beside its own, so that tiny ones are bounded too. */
const ENTRY_BYTES = 512;

/** What the library's interpreter keeps to itself. */
interface Interpreter {
  readonly _evm: EVM;
  _getValidJumpDestinations(code: Uint8Array): unknown;
}
interface OpcodeEntry {
  readonly opHandler: (runState: { readonly interpreter: Interpreter }, common: unknown) => unknown;
}
interface OpcodeTable {
  readonly _opcodeMap: OpcodeEntry[];
}

/** Analyses by the identity of the code's bytes, least recently used first. */
interface Analyses {
  readonly byCode: Map<Uint8Array, unknown>;
  bytes: number;
}

const JUMP_OPCODES = [0x56, 0x57];

/** The EVMs that remember, with what they remember; one that is dropped takes it along. */
const remembered = new WeakMap<EVM, Analyses>();
const patched = new WeakSet<object>();

function remember(analyses: Analyses, code: Uint8Array, analysis: unknown): void {
  // A view (init code in EVM memory or in a transaction) runs once, and would keep all that it is a part of.
  if (code.length !== code.buffer.byteLength) return;
  analyses.byCode.set(code, analysis);
  analyses.bytes += code.length + ENTRY_BYTES;
  for (const [oldest] of analyses.byCode) {
    if (analyses.bytes <= MAX_ANALYSED_BYTES) return;
    analyses.byCode.delete(oldest);
    analyses.bytes -= oldest.length + ENTRY_BYTES;
  }
}

/** Gives the library's interpreter, which it does not export, a memory. */
function patch(prototype: Interpreter): void {
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const analyse = prototype._getValidJumpDestinations;
  prototype._getValidJumpDestinations = function (this: Interpreter, code: Uint8Array): unknown {
    const analyses = remembered.get(this._evm);
    if (analyses === undefined) return analyse.call(this, code);
    const known = analyses.byCode.get(code);
    if (known !== undefined) {
      analyses.byCode.delete(code);
      analyses.byCode.set(code, known);
      return known;
    }
    const analysis = analyse.call(this, code);
    remember(analyses, code, analysis);
    return analysis;
  };
}

/**
 * Makes `evm` analyse the same bytes once, as long as they are the same object: code must not be changed in place.
 * The first jump that it executes shows the interpreter to be taught.
 */
export function rememberJumps(evm: EVM): void {
  remembered.set(evm, { byCode: new Map(), bytes: 0 });
  const table = (evm as unknown as OpcodeTable)._opcodeMap;
  for (const opcode of JUMP_OPCODES) {
    const entry = table[opcode];
    if (entry === undefined) continue;
    table[opcode] = {
      ...entry,
      opHandler: (runState, common) => {
        patch(Object.getPrototypeOf(runState.interpreter) as Interpreter);
        table[opcode] = entry;
        return entry.opHandler(runState, common);
      },
    };
  }
}
