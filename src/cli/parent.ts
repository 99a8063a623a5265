// Ends a process with the one that started it, however that ended: the parent holds the other end of a pipe, and the
// system closes it. Only where a flag says so: under a service manager standard input is closed from the start.
import { hasFlag } from "./args.ts";
import type { Args, Flag } from "./command.ts";

/** Given by a parent that keeps the process's standard input open for as long as it lives. */
export const END_WITH_STDIN: Flag = {
  name: "end-with-stdin",
  summary: "end when standard input does, as when the program that started this one is gone",
};

async function untilStdinEnds(): Promise<void> {
  try {
    for await (const _ of Bun.stdin.stream()) {
      // Whatever is said there means nothing.
    }
  } catch {
    // What cannot be read has no other end.
  }
}

/** `signal`, aborted too at the end of standard input where `args` ask for it. */
export function lifetimeOf(args: Args, signal: AbortSignal): AbortSignal {
  if (!hasFlag(args, END_WITH_STDIN.name)) return signal;
  const ended = new AbortController();
  void untilStdinEnds().then(() => ended.abort());
  return AbortSignal.any([signal, ended.signal]);
}
