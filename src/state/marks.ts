// What one op does to the key index and to activity bits, and how that is undone: recovery goes over the log forwards,
// rollback backwards. Reads no op itself, and knows neither tree nor tables.
import type { Base } from "./base.ts";
import { NONE, OP_KEY, opIsLive, opPrev, TWIG_BITS_BYTES, TWIG_LEAVES, twigCount } from "./format.ts";

/** The key index of `base`, and activity bits from the twig of `floorSN` on, that follow op by op. */
export class Marks {
  /** From the twig of `floorSN` to that of the last op below `endSN`; clear at first. */
  readonly bits: Uint8Array;
  readonly #base: Pick<Base, "index" | "fingerprint" | "fingerprintOut">;
  readonly #floorSN: number;
  readonly #firstTwig: number;

  constructor(base: Pick<Base, "index" | "fingerprint" | "fingerprintOut">, floorSN: number, endSN: number) {
    this.#base = base;
    this.#floorSN = floorSN;
    this.#firstTwig = Math.floor(floorSN / TWIG_LEAVES);
    this.bits = new Uint8Array((twigCount(endSN) - this.#firstTwig) * TWIG_BITS_BYTES);
  }

  #flip(sn: number): void {
    const leaf = sn - this.#firstTwig * TWIG_LEAVES;
    this.bits[leaf >> 3] = (this.bits[leaf >> 3] as number) ^ (1 << (leaf & 7));
  }

  #fingerprint(op: Uint8Array): { readonly high: number; readonly low: number } {
    const { fingerprint, fingerprintOut } = this.#base;
    fingerprint(op, OP_KEY);
    return { high: fingerprintOut[0] as number, low: fingerprintOut[1] as number };
  }

  /** Does the op at `sn`, the next of the log; what it replaced may lie left of the floor, where nothing is held. */
  redo(sn: number, op: Uint8Array): void {
    const { index } = this.#base;
    const { high, low } = this.#fingerprint(op);
    const prev = opPrev(op);
    const held = prev !== NONE && prev >= this.#floorSN;
    if (held) this.#flip(prev);
    if (opIsLive(op)) {
      this.#flip(sn);
      if (held) index.replace(high, low, prev, sn);
      else index.insert(high, low, sn);
    } else if (held) {
      index.remove(high, low, prev);
    }
  }

  /** Undoes the op at `sn`, the last of the log. */
  undo(sn: number, op: Uint8Array): void {
    const { index } = this.#base;
    const { high, low } = this.#fingerprint(op);
    const prev = opPrev(op);
    if (prev !== NONE) this.#flip(prev);
    if (!opIsLive(op)) {
      index.insert(high, low, prev);
      return;
    }
    this.#flip(sn);
    if (prev === NONE) index.remove(high, low, sn);
    else index.replace(high, low, sn, prev);
  }

  /** A copy of the bits of the twigs from that of `floorSN` on, of a log that ends before `endSN`. */
  between(floorSN: number, endSN: number): Uint8Array {
    const from = Math.floor(floorSN / TWIG_LEAVES) - this.#firstTwig;
    return this.bits.slice(from * TWIG_BITS_BYTES, (twigCount(endSN) - this.#firstTwig) * TWIG_BITS_BYTES);
  }
}
