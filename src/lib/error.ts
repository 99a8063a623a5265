// Kora's one error class. A peer's fault is a verdict value and never thrown; this class carries an
// operator's fault (shown as three lines: what, why, what to do) or our own (which stops the process).

/** Which exit code an error that reaches the command line maps to. */
export type ErrorKind = "runtime" | "usage" | "safety";

const EXIT_CODES: Record<ErrorKind, number> = { runtime: 1, usage: 2, safety: 3 };

export interface KoraErrorOptions {
  /** Stable machine-readable name in UPPER_SNAKE_CASE. */
  readonly code: string;
  readonly kind?: ErrorKind;
  /** Why it happened, one line. */
  readonly why?: string;
  /** What the reader can do about it, one line. */
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The kind of error with which a process of this program ended with `exitCode`. */
export function kindOfExit(exitCode: number): ErrorKind {
  if (exitCode === EXIT_CODES.usage) return "usage";
  return exitCode === EXIT_CODES.safety ? "safety" : "runtime";
}

/** An error with a code, a cause, a hint and details. */
export class KoraError extends Error {
  override readonly name: string = "KoraError";
  readonly code: string;
  readonly kind: ErrorKind;
  readonly why: string | undefined;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, options: KoraErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.kind = options.kind ?? "runtime";
    this.why = options.why;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  /** Exit code of a process that ends with this error: 1 run time, 2 usage or configuration, 3 refused for safety. */
  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/** Whether a decoder threw this: a code that begins with BAD_ is the fault of whoever made the bytes. */
export function refusesBytes(thrown: unknown): thrown is KoraError {
  return thrown instanceof KoraError && thrown.code.startsWith("BAD_");
}

/** The message of anything thrown, without its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
