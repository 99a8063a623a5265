// Requests too long to be parsed between two blocks: their long parameters are left out of what is parsed, and stay
// text for whoever answers. What is left out may turn out to be no JSON; the rest is judged as if it were.
import { invalidParams, PARSE_ERROR, RpcError } from "./errors.ts";

/** Characters of a list or an object among the parameters of a request that is left out. */
export const LONG_CHARACTERS: number = 64 * 1024;

export interface Shortened {
  /** The message with `{}` in place of each long parameter. */
  readonly rest: string;
  /** All parameters of the requests that have long ones, as they came, by the request's place in its batch. */
  readonly parameters: ReadonlyMap<number, string>;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Where the string that begins at `from` ends: its closing quote, or the end of the text. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}

/** Follows the brackets of a message down to its parameters, and leaves out the long ones. */
class Shortener {
  readonly parameters = new Map<number, string>();
  readonly #text: string;
  readonly #pieces: string[] = [];
  #copied = 0;
  /** Brackets that are open, without those of a batch. */
  #depth = 0;
  #request = 0;
  /** The last string directly in a request: the name of what follows. */
  #name = "";
  #listFrom = 0;
  #inParameters = false;
  #leftOut = false;
  #from = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get rest(): string {
    return this.#pieces.join("") + this.#text.slice(this.#copied);
  }

  run(): void {
    const text = this.#text;
    const start = text.search(/\S/);
    const isBatch = text.charCodeAt(start) === OPEN_LIST;
    for (let at = isBatch ? start + 1 : start; at < text.length; at++) {
      switch (text.charCodeAt(at)) {
        case QUOTE: {
          const end = endOfString(text, at);
          if (this.#depth === 1) this.#name = text.slice(at + 1, end);
          at = end;
          break;
        }
        case OPEN_LIST:
        case OPEN_OBJECT:
          this.#open(at);
          break;
        case CLOSE_LIST:
        case CLOSE_OBJECT:
          this.#close(at);
          break;
        case COMMA:
          if (this.#depth === 0) this.#request++;
          break;
      }
    }
  }

  #open(at: number): void {
    this.#depth++;
    if (this.#depth === 2) {
      this.#inParameters = this.#name === "params";
      this.#leftOut = false;
      this.#listFrom = at;
    } else if (this.#depth === 3) {
      this.#from = at;
    }
  }

  #close(at: number): void {
    this.#depth--;
    if (!this.#inParameters) return;
    if (this.#depth === 2 && at + 1 - this.#from > LONG_CHARACTERS) {
      this.#pieces.push(this.#text.slice(this.#copied, this.#from), "{}");
      this.#copied = at + 1;
      this.#leftOut = true;
    } else if (this.#depth === 1) {
      this.#inParameters = false;
      // Of parameters that are given twice the last count.
      this.parameters.delete(this.#request);
      if (this.#leftOut) this.parameters.set(this.#request, this.#text.slice(this.#listFrom, at + 1));
    }
  }
}

/** Parses parameters that stayed text. Throws RpcError −32700 where they are no JSON. */
export function parseParameters(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RpcError(PARSE_ERROR, "parse error");
  }
  if (!Array.isArray(value)) throw invalidParams("non-array args");
  return value;
}

/** Leaves out the long parameters of a message; undefined where there are none. */
export function shorten(message: string): Shortened | undefined {
  if (message.length <= LONG_CHARACTERS) return undefined;
  const shortener = new Shortener(message);
  shortener.run();
  const { parameters, rest } = shortener;
  return parameters.size === 0 ? undefined : { rest, parameters };
}
