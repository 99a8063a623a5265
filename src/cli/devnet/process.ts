// One node of a local network as a process of this same program: started, listened to line by line, stopped. It ends
// with this process too when that is killed.
import { basename } from "node:path";
import { END_WITH_STDIN } from "#cli/parent.ts";

/** Time a process gets to stop by itself. */
const STOP_MS = 10_000;
/** A line of a child that does not end is cut here. */
const MAX_LINE = 64 * 1024;

export interface ChildHooks {
  readonly line: (text: string) => void;
  readonly exited: (code: number) => void;
}

export interface Child {
  readonly pid: number;
  /** Exit code; 128 + the signal's number when it was killed. */
  readonly exited: Promise<number>;
  /** Asks it to stop, and makes it after ten seconds. */
  stop(): Promise<void>;
}

/** The command that runs this program again: the compiled binary itself, or the runtime with its entry file. */
function selfCommand(): string[] {
  const compiled = !/^bun(?:\.exe)?$/.test(basename(process.execPath));
  return compiled ? [process.execPath] : [process.execPath, Bun.main];
}

async function readLines(stream: ReadableStream<Uint8Array>, line: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = (parts.pop() ?? "").slice(0, MAX_LINE);
    for (const part of parts) line(part);
  }
  if (rest !== "") line(rest);
}

/** Starts `kora ARGS`. Both its outputs go to `hooks.line`. */
export function startChild(args: readonly string[], hooks: ChildHooks): Child {
  const command = [...selfCommand(), ...args, `--${END_WITH_STDIN.name}`];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const read = Promise.all([readLines(child.stdout, hooks.line), readLines(child.stderr, hooks.line)]);
  const exited = child.exited.then(async (code) => {
    await read;
    hooks.exited(code);
    return code;
  });
  return {
    pid: child.pid,
    exited,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
