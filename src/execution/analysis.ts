// What can be said of code before it runs: where it may be jumped to, and the numbers its pushes hold. Found when first
// asked for, and remembered for code that has a hash. Knows nothing of what the code does.
import { createLru, type LruMap } from "#lib/bounded.ts";
import type { Hash } from "#types/ids.ts";

/** Bytes of code whose analysis is kept. */
const MAX_ANALYSED_BYTES = 16 * 1024 * 1024;
/** Pieces of code, however small. */
const MAX_ANALYSES = 8192;
/** Numbers of pushes that are kept, about a hundred bytes each; with more, everything is found anew. */
const MAX_PUSHES = 131_072;
const JUMPDEST = 0x5b;
/** The pushes of 1 to 32 bytes. */
export const PUSH1 = 0x60;
export const PUSH32 = 0x7f;

export interface Analysis {
  /** 1 for each byte that is a JUMPDEST and not part of a push. */
  readonly jumps: Uint8Array;
  /** The number of a push that ran, by the place of its first byte. */
  pushed(at: number): bigint | undefined;
  /** Remembers it. */
  keep(at: number, number: bigint): void;
}

/** Finds and remembers analyses. */
export interface Analyses {
  /** Of code with this hash; of code without one, such as a creation's, nothing is remembered. */
  of(code: Uint8Array, codeHash: Hash | undefined): Analysis;
}

function jumpsOf(code: Uint8Array): Uint8Array {
  const jumps = new Uint8Array(code.length);
  for (let i = 0; i < code.length; i++) {
    const opcode = code[i] as number;
    if (opcode === JUMPDEST) jumps[i] = 1;
    else if (opcode >= PUSH1 && opcode <= PUSH32) i += opcode - PUSH1 + 1;
  }
  return jumps;
}

/** A memory of its own. */
export function createAnalyses(): Analyses {
  let pushes = 0;
  const known: LruMap<Hash, Analysis> = createLru(MAX_ANALYSES, {
    of: ({ jumps }) => jumps.length,
    most: MAX_ANALYSED_BYTES,
    spared: 1,
  });
  const analyse = (code: Uint8Array): Analysis => {
    const numbers = new Map<number, bigint>();
    return {
      jumps: jumpsOf(code),
      pushed: (at) => numbers.get(at),
      keep(at, number) {
        numbers.set(at, number);
        pushes++;
      },
    };
  };
  return {
    of(code, codeHash) {
      if (codeHash === undefined) return analyse(code);
      if (pushes > MAX_PUSHES) {
        known.clear();
        pushes = 0;
      }
      const held = known.get(codeHash);
      if (held !== undefined) return held;
      const found = analyse(code);
      known.set(codeHash, found);
      return found;
    },
  };
}
