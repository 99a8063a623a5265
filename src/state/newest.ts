// The ops that were appended last, in memory, bounded in bytes: what a block wrote is what the next ones most often
// replace. Gives copies, so that nobody keeps a whole block's ops alive by holding one of them.
import { type OpRun, opOfRun } from "./appender.ts";

/** Bytes kept at most, and blocks: a search halves them. */
const NEWEST_BYTES: number = 8 * 2 ** 20;
const NEWEST_RUNS = 4_096;

/** Ops of the last blocks, one run after the other. */
export class NewestOps {
  readonly #runs: OpRun[] = [];
  #bytes = 0;

  /** Adds what became part of the committed state: the ops that follow those added before. */
  add(run: OpRun): void {
    this.#runs.push(run);
    this.#bytes += run.data.buffer.byteLength;
    while (this.#bytes > NEWEST_BYTES || this.#runs.length > NEWEST_RUNS) {
      this.#bytes -= (this.#runs.shift() as OpRun).data.buffer.byteLength;
    }
  }

  /** A copy of the op at `sn`, if it is one of these. */
  find(sn: number): Uint8Array | undefined {
    const runs = this.#runs;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((runs[middle] as OpRun).start <= sn) low = middle + 1;
      else high = middle;
    }
    const run = runs[low - 1];
    return run !== undefined && sn < run.start + run.count ? opOfRun(run, sn - run.start).slice() : undefined;
  }

  clear(): void {
    this.#runs.length = 0;
    this.#bytes = 0;
  }
}
