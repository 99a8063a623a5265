// What our own precompiles answer the EVM library: its result for success and for too little gas.
import { EVMError, type PrecompileFunc } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "#lib/bytes.ts";

export type PrecompileResult = Awaited<ReturnType<PrecompileFunc>>;

/** Success at the cost of `gas`. */
export function answerOf(gas: bigint, output: Uint8Array): PrecompileResult {
  return { executionGasUsed: gas, returnValue: output };
}

/** A failed call: all its gas is gone. */
export function failureOf(gasLimit: bigint, error: EVMError["error"]): PrecompileResult {
  return { executionGasUsed: gasLimit, returnValue: EMPTY_BYTES, exceptionError: new EVMError(error) };
}

/** The price is above what the call has. */
export function outOfGas(gasLimit: bigint): PrecompileResult {
  return failureOf(gasLimit, EVMError.errorMessages.OUT_OF_GAS);
}
