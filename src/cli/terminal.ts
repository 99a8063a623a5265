// Progress of long work: one line that is redrawn on a terminal, one line per step elsewhere.

/** Where progress goes. */
export interface Terminal {
  /** Whether lines can be redrawn. */
  readonly interactive: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
  /** Writes raw text, without a line end. */
  readonly write: (text: string) => void;
}

export interface Progress {
  /** Redraws the live line; elsewhere nothing. */
  update(text: string): void;
  /** Leaves a line that stays, above the live one. */
  step(text: string): void;
  /** Removes the live line. */
  done(): void;
}

const CLEAR_LINE = "\r\u001b[2K";

/** Progress on `terminal`; `quiet` (as with --json) shows nothing. */
export function createProgress(terminal: Terminal, quiet = false): Progress {
  let live = "";
  const draw = (): void => terminal.write(`${CLEAR_LINE}${live.slice(0, terminal.columns - 1)}`);
  if (quiet) return { update: () => {}, step: () => {}, done: () => {} };
  return {
    update(text) {
      if (!terminal.interactive || text === live) return;
      live = text;
      draw();
    },
    step(text) {
      terminal.write(terminal.interactive ? `${CLEAR_LINE}${text}\n` : `${text}\n`);
      if (terminal.interactive && live !== "") draw();
    },
    done() {
      if (live !== "") terminal.write(CLEAR_LINE);
      live = "";
    },
  };
}

const BAR_WIDTH = 24;

/** A bar for `done` of `total`, such as `[#####-----] 50 %`. */
export function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)} %`;
}
