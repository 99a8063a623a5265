// The kinds of values a configuration key can have: what is accepted, from TOML and from text, and how it is said.

/** One kind of value. */
export interface Kind<T> {
  /** What a right value looks like, for error messages. */
  readonly expected: string;
  /** An example that is accepted. */
  readonly example: string;
  /** Paths are resolved against the configuration file's folder. */
  readonly path?: true;
  /** The value of something TOML can hold; undefined when it is not of this kind. */
  parse(value: unknown): T | undefined;
  /** What TOML would hold, from the text of a flag or an environment variable. */
  fromText(text: string): unknown;
}

/** A host and a port. Port 0 asks the system for a free one. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, with brackets around IPv6; undefined for anything else. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** `host:port` of an address, IPv6 in brackets. */
export function formatSocketAddress(address: SocketAddress): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

const asText = (text: string): unknown => text;

const numberFromText = (text: string): unknown => (/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);

/** An integer within [min, max], both below 2^53. */
export function integer(min: number, max: number): Kind<number> {
  return {
    expected: `an integer from ${min} to ${max}`,
    example: String(min),
    parse(value) {
      const number = typeof value === "bigint" ? Number(value) : value;
      return typeof number === "number" && Number.isSafeInteger(number) && number >= min && number <= max
        ? number
        : undefined;
    },
    fromText: numberFromText,
  };
}

/** A number, fractions allowed, within [min, max]. */
export function decimal(min: number, max: number): Kind<number> {
  return {
    expected: `a number from ${min} to ${max}`,
    example: String(min),
    parse: (value) => (typeof value === "number" && value >= min && value <= max ? value : undefined),
    fromText: numberFromText,
  };
}

/** Non-empty text matching `pattern`. */
export function text(expected: string, example: string, pattern: RegExp): Kind<string> {
  return {
    expected,
    example,
    parse: (value) => (typeof value === "string" && pattern.test(value) ? value : undefined),
    fromText: asText,
  };
}

/** A path of a file or a folder. */
export function path(example: string): Kind<string> {
  return { ...text("a path", example, /^[^\0]+$/), path: true };
}

/** One of some words. */
export function oneOf<T extends string>(...words: readonly T[]): Kind<T> {
  return {
    expected: `one of ${words.join(", ")}`,
    example: words[0] ?? "",
    parse: (value) => words.find((word) => word === value),
    fromText: asText,
  };
}

/** `host:port`. */
export const socketAddress: Kind<SocketAddress> = {
  expected: "host:port",
  example: "127.0.0.1:8545",
  parse: (value) => (typeof value === "string" ? parseSocketAddress(value) : undefined),
  fromText: asText,
};

/** Most items a list in a configuration may have. */
const MAX_ITEMS = 1024;

/** A list of one kind; as text, separated by commas. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  return {
    expected: `a list, each ${item.expected}`,
    example: `["${item.example}"]`,
    parse(value) {
      if (!Array.isArray(value) || value.length > MAX_ITEMS) return undefined;
      const parsed = value.map((one) => item.parse(one));
      return parsed.every((one): one is T & {} => one !== undefined) ? parsed : undefined;
    },
    fromText: (given) => (given === "" ? [] : given.split(",").map((one) => item.fromText(one.trim()))),
  };
}

/** Either of two kinds. */
export function either<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  return {
    expected: `${a.expected}, or ${b.expected}`,
    example: a.example,
    parse: (value) => a.parse(value) ?? b.parse(value),
    fromText: (given) => (a.parse(a.fromText(given)) === undefined ? b.fromText(given) : a.fromText(given)),
  };
}
