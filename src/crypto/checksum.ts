// The mixed-case form of addresses that people are shown (EIP-55).
import { utf8 } from "#lib/bytes.ts";
import type { Address } from "#types/ids.ts";
import { keccak256 } from "./hash.ts";

/** `0x…` with each letter in the case that its checksum gives it. */
export function checksumAddress(address: Address): string {
  const digits = address.slice(2);
  const hash = keccak256(utf8(digits)).toHex();
  const cased = [...digits].map((digit, index) =>
    Number.parseInt(hash[index] as string, 16) >= 8 ? digit.toUpperCase() : digit,
  );
  return `0x${cased.join("")}`;
}
