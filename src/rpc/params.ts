// Decoders of JSON-RPC parameters: strict as geth's, so that a wrong value is named and never guessed at.
// A decoder throws RpcError −32602; `Arguments` adds which argument it was.
import { KoraError } from "#lib/error.ts";
import { type Address, address, type Hash, type Height, hash, height } from "#types/ids.ts";
import { INVALID_PARAMS, invalidParams, RpcError } from "./errors.ts";

export type Decoder<T> = (value: unknown) => T;

/** The parameters of one call. */
export class Arguments {
  readonly #values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  /** Argument `index`; throws when it is missing, null or not what `decode` wants. */
  required<T>(index: number, decode: Decoder<T>): T {
    const value = this.#values[index];
    if (value === undefined || value === null) {
      throw invalidParams(`missing value for required argument ${index}`);
    }
    return this.#decode(index, value, decode);
  }

  /** Argument `index`, or undefined when it is missing or null. */
  optional<T>(index: number, decode: Decoder<T>): T | undefined {
    const value = this.#values[index];
    return value === undefined || value === null ? undefined : this.#decode(index, value, decode);
  }

  /** The undecoded parameters. */
  get raw(): readonly unknown[] {
    return this.#values;
  }

  #decode<T>(index: number, value: unknown, decode: Decoder<T>): T {
    try {
      return decode(value);
    } catch (error) {
      if (error instanceof RpcError && error.rpcCode === INVALID_PARAMS) {
        throw invalidParams(`invalid argument ${index}: ${error.message}`);
      }
      throw error;
    }
  }
}

const DIGITS = /^[0-9a-fA-F]+$/;

function hexDigits(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalidParams(`${what} must be a hex string, not ${kindOf(value)}`);
  if (!value.startsWith("0x") && !value.startsWith("0X")) {
    throw invalidParams(value.startsWith("-") ? "negative number" : "hex string without 0x prefix");
  }
  return value.slice(2);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}

function quantityOf(value: unknown, bits: number): bigint {
  const digits = hexDigits(value, "quantity");
  if (digits.length === 0) throw invalidParams('hex string "0x"');
  if (digits.length > 1 && digits[0] === "0") throw invalidParams("hex number with leading zero digits");
  if (digits.length > bits / 4) throw invalidParams(`hex number > ${bits} bits`);
  if (!DIGITS.test(digits)) throw invalidParams("invalid hex string");
  return BigInt(`0x${digits}`);
}

/** A quantity of up to 256 bits. */
export function quantity(value: unknown): bigint {
  return quantityOf(value, 256);
}

/** A quantity of up to 64 bits: gas, nonces. */
export function quantity64(value: unknown): bigint {
  return quantityOf(value, 64);
}

/** A quantity of one byte. */
export function quantity8(value: unknown): bigint {
  return quantityOf(value, 8);
}

/** A quantity that is a safe integer: indexes, counts, times. */
export function index(value: unknown): number {
  const wide = quantityOf(value, 64);
  if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidParams("number larger than 2^53 - 1");
  return Number(wide);
}

/** A count as geth's `HexOrDecimal64`: a hex quantity, a decimal string or a JSON number. */
export function hexOrDecimal(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  if (typeof value === "string" && /^[0-9]{1,15}$/.test(value)) return Number(value);
  return index(value);
}

/** Bytes of any length. */
export function data(value: unknown): Uint8Array {
  const digits = hexDigits(value, "data");
  if (digits.length % 2 === 1) throw invalidParams("hex string of odd length");
  try {
    return Uint8Array.fromHex(digits);
  } catch {
    throw invalidParams("invalid hex string");
  }
}

function fixed(value: unknown, bytes: number, name: string): string {
  const digits = hexDigits(value, name);
  if (digits.length !== bytes * 2) {
    throw invalidParams(`hex string has length ${digits.length}, want ${bytes * 2} for ${name}`);
  }
  if (!DIGITS.test(digits)) throw invalidParams(`invalid hex string for ${name}`);
  return `0x${digits}`;
}

/** An address in either case. */
export function addressOf(value: unknown): Address {
  return address(fixed(value, 20, "address"));
}

/** A 32-byte hash. */
export function hashOf(value: unknown): Hash {
  return hash(fixed(value, 32, "hash"));
}

/** A storage key: up to 32 bytes of hex, padded (geth's rule; tools send short ones). */
export function storageKey(value: unknown): Hash {
  const digits = hexDigits(value, "storage key");
  if (digits.length > 64) {
    throw invalidParams(`storage key too long (want at most 32 bytes): 0x${digits.slice(0, 66)}…`);
  }
  if (digits.length > 0 && !DIGITS.test(digits)) throw invalidParams("invalid hex in storage key");
  return hash(`0x${digits.padStart(64, "0")}`);
}

/** true or false. */
export function boolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw invalidParams(`expected a boolean, not ${kindOf(value)}`);
  return value;
}

/** Any text. */
export function text(value: unknown): string {
  if (typeof value !== "string") throw invalidParams(`expected a string, not ${kindOf(value)}`);
  return value;
}

/** A list whose items `decode` takes, of at most `max` items. */
export function listOf<T>(decode: Decoder<T>, max: number): Decoder<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw invalidParams(`expected an array, not ${kindOf(value)}`);
    if (value.length > max) throw invalidParams(`array of ${value.length} items, at most ${max}`);
    return value.map(decode);
  };
}

/** A JSON object. */
export function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidParams(`expected an object, not ${kindOf(value)}`);
  }
  return value as Record<string, unknown>;
}

/** Field `name` of an object, or undefined when it is missing or null; errors name the field. */
export function field<T>(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  decode: Decoder<T>,
): T | undefined {
  if (!Object.hasOwn(fields, name)) return undefined;
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  try {
    return decode(value);
  } catch (error) {
    if (error instanceof KoraError) throw invalidParams(`${name}: ${error.message}`);
    throw error;
  }
}

/** Which block a method is asked about. `latest` stands for `safe` and `finalized` too. */
export type BlockRef =
  | { readonly kind: "latest" | "pending" }
  | { readonly kind: "number"; readonly height: Height }
  | { readonly kind: "hash"; readonly hash: Hash };

export const LATEST: BlockRef = { kind: "latest" };
const PENDING: BlockRef = { kind: "pending" };

/** A block number or tag. */
export function blockNumber(value: unknown): BlockRef {
  switch (value) {
    case "latest":
    case "safe":
    case "finalized":
      return LATEST;
    case "pending":
      return PENDING;
    case "earliest":
      return { kind: "number", height: height(0) };
    default:
      return { kind: "number", height: height(index(value)) };
  }
}

/** A block number, tag, hash or object of EIP-1898. */
export function blockRef(value: unknown): BlockRef {
  if (typeof value === "string") {
    return value.length === 66 ? { kind: "hash", hash: hashOf(value) } : blockNumber(value);
  }
  const fields = object(value);
  const byHash = field(fields, "blockHash", hashOf);
  const byNumber = field(fields, "blockNumber", blockNumber);
  if (byHash !== undefined && byNumber !== undefined) {
    throw invalidParams("cannot specify both BlockHash and BlockNumber, choose one or the other");
  }
  field(fields, "requireCanonical", boolean);
  if (byHash !== undefined) return { kind: "hash", hash: byHash };
  if (byNumber !== undefined) return byNumber;
  throw invalidParams("neither blockHash nor blockNumber given");
}
