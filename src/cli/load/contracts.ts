// Call data of the load generator's contracts (contracts.sol; creation code in bytecode.json). No general ABI coder.

import { bigintToBytes, concatBytes, fromHex, padLeft } from "#lib/bytes.ts";
import type { Address } from "#types/ids.ts";
import { bytesOf } from "#types/ids.ts";
import bytecode from "./bytecode.json";

const SELECTORS = {
  "approve(address,uint256)": "0x095ea7b3",
  "transfer(address,uint256)": "0xa9059cbb",
  "add(uint112,uint112)": "0x1aadc768",
  "swap(uint256,bool)": "0x2aea6605",
} as const;
type Signature = keyof typeof SELECTORS;

const word = (value: bigint | Address): Uint8Array =>
  padLeft(typeof value === "bigint" ? bigintToBytes(value) : bytesOf(value), 32);

function calldata(signature: Signature, ...values: readonly (bigint | Address)[]): Uint8Array {
  return concatBytes(fromHex(SELECTORS[signature]), ...values.map(word));
}

/** Creation code of the token with all of `supply` given to the creator. */
export function tokenCreation(supply: bigint): Uint8Array {
  return concatBytes(fromHex(bytecode.LoadToken), word(supply));
}

/** Creation code of the exchange of two tokens. */
export function pairCreation(a: Address, b: Address): Uint8Array {
  return concatBytes(fromHex(bytecode.LoadPair), word(a), word(b));
}

export const approve = (spender: Address, value: bigint): Uint8Array =>
  calldata("approve(address,uint256)", spender, value);
export const tokenTransfer = (to: Address, value: bigint): Uint8Array =>
  calldata("transfer(address,uint256)", to, value);
export const addLiquidity = (amount0: bigint, amount1: bigint): Uint8Array =>
  calldata("add(uint112,uint112)", amount0, amount1);
export const swap = (amountIn: bigint, zeroForOne: boolean): Uint8Array =>
  calldata("swap(uint256,bool)", amountIn, zeroForOne ? 1n : 0n);
