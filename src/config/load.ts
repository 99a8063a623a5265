// Reads a configuration: file, then environment, then flags; the later wins. Knows the schema and nothing of its use.
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { parse as parseToml, TomlError } from "smol-toml";
import { KoraError, messageOf } from "#lib/error.ts";
import { nearestName } from "#lib/nearest.ts";
import { allKeys, type Key, type NamedKey, type Section, type Settings, schema, tomlName } from "./schema.ts";
import { validateSettings } from "./validate.ts";

/** Where a value came from, for errors and `kora config print`. */
export type Origin = "default" | "file" | "environment" | "flag";

export interface LoadedConfig {
  readonly settings: Settings;
  /** By `section.key`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Absolute path of the file; undefined when there was none. */
  readonly file: string | undefined;
}

export interface LoadOptions {
  /** Path of the TOML file; without it only environment, flags and defaults count. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Texts by flag name (`rpc-http-addr`). */
  readonly flags?: ReadonlyMap<string, string>;
}

interface Found {
  readonly value: unknown;
  readonly origin: Origin;
  /** As the operator wrote it: file and key, variable or flag. */
  readonly place: string;
}

function configError(message: string, why: string, hint: string, cause?: unknown): KoraError {
  return new KoraError(message, { code: "BAD_CONFIG", kind: "usage", why, hint, cause });
}

function readToml(file: string): Record<string, unknown> {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (thrown) {
    throw configError(
      `cannot read ${file}`,
      messageOf(thrown),
      "give the path of node.toml with --config",
      thrown,
    );
  }
  try {
    return parseToml(source, { integersAsBigInt: "asNeeded" });
  } catch (thrown) {
    const why = thrown instanceof TomlError ? `line ${thrown.line}: ${thrown.message}` : messageOf(thrown);
    throw configError(`${file} is not valid TOML`, why.split("\n")[0] as string, "correct that line", thrown);
  }
}

/** `listed` are shown where none of `known` comes near, and none of another section has the name. */
function unknownName(
  path: string,
  known: readonly string[],
  file: string,
  listed: readonly string[] = known,
): KoraError {
  const dot = path.indexOf(".");
  const namesake = dot < 0 ? undefined : known.find((each) => each.endsWith(path.slice(dot)));
  const nearest = nearestName(path, known) ?? namesake;
  const hint = nearest === undefined ? `known are ${listed.join(", ")}` : `did you mean ${nearest}?`;
  return configError(`${path} is not a known key`, `it stands in ${file}`, hint);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** All values of the file by `section.key`; sections that stand there even if empty are in `sections`. */
function valuesOfFile(file: string): { values: Map<string, Found>; sections: Set<string> } {
  const values = new Map<string, Found>();
  const sections = new Set<string>();
  for (const [section, table] of Object.entries(readToml(file))) {
    const known = allKeys.filter((key) => key.section === section);
    if (known.length === 0) {
      const names = isTable(table) ? Object.keys(schema) : allKeys.map((key) => key.path);
      throw unknownName(section, names, file);
    }
    if (!isTable(table)) {
      throw configError(`${section} must be a section`, `in ${file} it is a value`, `write [${section}]`);
    }
    sections.add(section);
    for (const [name, value] of Object.entries(table)) {
      const path = `${section}.${name}`;
      if (!known.some((key) => key.path === path)) {
        const own = known.map((key) => key.path);
        throw unknownName(path, [...own, ...allKeys.map((key) => key.path)], file, own);
      }
      values.set(path, { value, origin: "file", place: `${path} in ${file}` });
    }
  }
  return { values, sections };
}

/** Adds what the environment sets. A variable of a known section that names no key is a mistake. */
function addEnvironment(values: Map<string, Found>, env: NonNullable<LoadOptions["env"]>): void {
  for (const [variable, given] of Object.entries(env)) {
    if (given === undefined || !variable.startsWith("KORA_")) continue;
    const named = allKeys.find((key) => key.variable === variable);
    if (named !== undefined) {
      values.set(named.path, {
        value: named.key.kind.fromText(given),
        origin: "environment",
        place: variable,
      });
    } else if (Object.keys(schema).some((name) => variable.startsWith(`KORA_${name.toUpperCase()}_`))) {
      throw unknownName(
        variable,
        allKeys.map((key) => key.variable),
        "the environment",
      );
    }
  }
}

function addFlags(values: Map<string, Found>, flags: ReadonlyMap<string, string>): void {
  for (const named of allKeys) {
    const given = flags.get(named.flag);
    if (given === undefined) continue;
    values.set(named.path, {
      value: named.key.kind.fromText(given),
      origin: "flag",
      place: `--${named.flag}`,
    });
  }
}

const LOOKS_LIKE_A_KEY = /^(?:0x)?[0-9a-fA-F]{64,}$/;

function parseKey(named: NamedKey, found: Found | undefined, base: string): unknown {
  const { key } = named;
  if (found === undefined) return key.default;
  const parsed = key.kind.parse(found.value);
  if (parsed === undefined) {
    const said = key.secret === true ? "its value" : shown(found.value);
    throw configError(
      `${named.path} cannot be ${said}`,
      `${found.place} must be ${key.kind.expected}`,
      `for example ${tomlName(named.name)} = ${exampleOf(key)}`,
    );
  }
  if (key.secret === true && LOOKS_LIKE_A_KEY.test(String(parsed))) {
    throw configError(
      `${named.path} holds a key`,
      "it must be the path of the file that holds it",
      "move the key into a file of mode 0600",
    );
  }
  const path = key.kind.path === true && typeof parsed === "string";
  return path && !isAbsolute(parsed) ? resolve(base, parsed) : parsed;
}

/** A wrong value as the operator wrote it, cut short. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function exampleOf(key: Key<unknown>): string {
  const { example } = key.kind;
  return /^(?:\d|\[|true$)/.test(example) && !/[.:]/.test(example) ? example : JSON.stringify(example);
}

/** Default paths stay relative to the configuration too. */
function withDefaultPath(named: NamedKey, value: unknown, base: string): unknown {
  return named.key.kind.path === true && typeof value === "string" && !isAbsolute(value)
    ? resolve(base, value)
    : value;
}

/**
 * The configuration of a node: flags over environment over file over defaults, relative paths resolved against
 * the file's folder. Throws BAD_CONFIG with the key, what is wrong and an example.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const file = options.file === undefined ? undefined : resolve(options.file);
  const base = file === undefined ? resolve(".") : dirname(file);
  const { values, sections } =
    file === undefined
      ? { values: new Map<string, Found>(), sections: new Set<string>() }
      : valuesOfFile(file);
  addEnvironment(values, options.env ?? {});
  addFlags(values, options.flags ?? new Map());
  const settings: Record<string, Record<string, unknown> | undefined> = {};
  const origins = new Map<string, Origin>();
  for (const [section, { optional }] of Object.entries(schema) as [string, Section<unknown>][]) {
    const keys = allKeys.filter((key) => key.section === section);
    const present = optional !== true || sections.has(section) || keys.some((key) => values.has(key.path));
    const parsed: Record<string, unknown> = {};
    for (const named of keys) {
      const found = values.get(named.path);
      // Flags and variables are given where the command runs, so their paths are relative to that.
      const from = found === undefined || found.origin === "file" ? base : resolve(".");
      parsed[named.name] = withDefaultPath(named, parseKey(named, found, from), base);
      origins.set(named.path, found?.origin ?? "default");
    }
    settings[section] = present ? parsed : undefined;
  }
  const loaded = settings as unknown as Settings;
  validateSettings(loaded);
  return { settings: loaded, origins, file };
}

/** The specification's name of the settings. */
export type NodeConfig = Settings;

/** The specification's entry: the settings of a TOML file, the environment aside. */
export const NodeConfig: { load(file: string): Settings } = {
  load: (file) => loadConfig({ file }).settings,
};
