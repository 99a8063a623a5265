// What a command is: its name, its flags and how it is loaded. Data only; parsing is in args.ts, the list in table.ts.
import type { Terminal } from "./terminal.ts";

/** One flag. Without `value` it is a switch. */
export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter without dash. */
  readonly short?: string;
  /** Placeholder of the value in help, such as PORT. */
  readonly value?: string;
  readonly summary: string;
  /** Default as help shows it. */
  readonly default?: string;
  readonly choices?: readonly string[];
}

/** The flags and operands given to a command. */
export interface Args {
  readonly flags: ReadonlyMap<string, string | true>;
  readonly operands: readonly string[];
}

/** What a running command may use of the outside. */
export interface CommandContext {
  readonly args: Args;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM, or with --end-with-stdin by the end of standard input. */
  readonly signal: AbortSignal;
  /** Writes one or more lines to stdout; the line end is added. */
  readonly out: (text: string) => void;
  /** The same to stderr. */
  readonly err: (text: string) => void;
  /** Where progress is shown: stderr. */
  readonly terminal: Terminal;
}

/** Runs a command; answers its exit code. Throws KoraError for what the operator has to know. */
export type CommandRun = (context: CommandContext) => Promise<number>;

export interface Command {
  /** One or more words, such as "config check"; the empty name is `kora` itself. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Placeholders of the operands; all are required unless in brackets. */
  readonly operands?: readonly string[];
  /** Further lines of its help. */
  readonly details?: string;
  /** Imports the code, so that one command does not pay for the others at start. */
  readonly load: () => Promise<CommandRun>;
}
