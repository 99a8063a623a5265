// How far a long script is: one line that is written anew on a terminal, and one now and then where stderr is a file.

/** Milliseconds between two lines. */
const TERMINAL_PAUSE_MS = 100;
const FILE_PAUSE_MS = 30_000;

export interface Progress {
  /** So many of all are done; `more` is said beside it. */
  at(done: number, more?: string): void;
  /** Takes the line away, before something else is written. */
  end(): void;
}

/** The progress of `total` things, named in the plural. */
export function createProgress(total: number, things: string): Progress {
  const terminal = process.stderr.isTTY === true;
  const pause = terminal ? TERMINAL_PAUSE_MS : FILE_PAUSE_MS;
  const [before, after] = terminal ? ["\r\u001b[2K", ""] : ["", "\n"];
  const started = performance.now();
  let writtenAt = started;
  return {
    at(done, more) {
      const now = performance.now();
      if (now - writtenAt < pause) return;
      writtenAt = now;
      const seconds = Math.round((now - started) / 1_000);
      const beside = more === undefined ? "" : `, ${more}`;
      process.stderr.write(`${before}${done} of ${total} ${things}, ${seconds} s${beside}${after}`);
    },
    end() {
      if (terminal && writtenAt > started) process.stderr.write(before);
    },
  };
}
