// Structured logs on stderr, by level and module: lines for people on a terminal, JSON otherwise.
import { writeSync } from "node:fs";
import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import type { LogFormat, LogLevel } from "#config/schema.ts";

export type LogFields = Readonly<Record<string, unknown>>;
type Write = (message: string, fields?: LogFields) => void;

/** Writes what happened. Fields are values, never secrets. */
export interface Logger {
  readonly trace: Write;
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  /** A logger whose lines carry the module's name. */
  module(name: string): Logger;
}

export interface LogOptions {
  readonly level: LogLevel | "silent";
  /** By default people's lines when stderr is a terminal. */
  readonly format: LogFormat | undefined;
  /** Where lines go; stderr by default. */
  readonly write?: (line: string) => void;
}

const STDERR = 2;

function toStderr(line: string): void {
  try {
    writeSync(STDERR, line);
  } catch {
    // A log that nobody reads any more must not stop the node.
  }
}

function plain(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** One JSON line as a line for people: time, level, module, message, fields. */
function humanLine(line: string): string {
  const { level, time, msg, module, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  const head = `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(module ?? "kora").padEnd(9)}`;
  return `${[head, String(msg), ...parts].join(" ")}\n`;
}

/** An Error as a field: its message and code; the stack is for our own faults, one line of it. */
function errorField(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const code = "code" in thrown ? thrown.code : undefined;
  return { message: thrown.message, code, stack: thrown.stack };
}

function wrap(logger: PinoLogger): Logger {
  const at =
    (level: LogLevel): Write =>
    (message, fields) =>
      logger[level](fields ?? {}, message);
  return {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    module: (name) => wrap(logger.child({ module: name })),
  };
}

/** A logger. */
export function createLogger(options: LogOptions): Logger {
  const write = options.write ?? toStderr;
  const human = (options.format ?? (process.stderr.isTTY ? "human" : "json")) === "human";
  const destination: DestinationStream = { write: (line) => write(human ? humanLine(line) : line) };
  return wrap(
    pino(
      {
        level: options.level,
        base: null,
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: errorField },
      },
      destination,
    ),
  );
}
