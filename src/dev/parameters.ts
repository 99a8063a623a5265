// Reading the parameters of a local chain's methods as leniently as anvil: quantities as hex strings, decimal strings
// or JSON numbers. What cannot be read is INVALID_PARAMS with the argument's place.
import { fromHex, isHex, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, address } from "#types/ids.ts";

/** Thrown for parameters that make no sense; clients get −32602. */
export function invalidParams(message: string): KoraError {
  return new KoraError(message, { code: "INVALID_PARAMS" });
}

function invalid(index: number, why: string): KoraError {
  return invalidParams(`invalid argument ${index}: ${why}`);
}

/** A quantity in any common form; undefined when it is left out or null. */
export function optionalQuantity(parameters: readonly unknown[], index: number): bigint | undefined {
  const value = parameters[index];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === "string" && /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value)) return BigInt(value);
  throw invalid(index, "not a quantity");
}

/** A quantity that must be there and fit a safe integer. */
export function count(parameters: readonly unknown[], index: number, fallback?: number): number {
  const value = optionalQuantity(parameters, index);
  if (value === undefined) {
    if (fallback !== undefined) return fallback;
    throw invalidParams(`missing value for required argument ${index}`);
  }
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(index, "too large");
  return Number(value);
}

export function flag(parameters: readonly unknown[], index: number): boolean {
  const value = parameters[index];
  if (typeof value !== "boolean") throw invalid(index, "not true or false");
  return value;
}

export function addressAt(parameters: readonly unknown[], index: number): Address {
  const value = parameters[index];
  if (!isHex(value) || value.length !== 42) throw invalid(index, "not an address");
  return address(value);
}

/** A message: bytes when it is 0x-hex, UTF-8 text otherwise. */
export function messageAt(parameters: readonly unknown[], index: number): Uint8Array {
  const value = parameters[index];
  if (typeof value !== "string") throw invalid(index, "not a message");
  return isHex(value) ? fromHex(value) : utf8(value);
}
