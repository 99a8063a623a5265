// Geth's texts of what ends a message early: clients match on them.
import type { EVMResult } from "@ethereumjs/evm";

type LibraryError = NonNullable<EVMResult["execResult"]["exceptionError"]>["error"];

/** The library's word for a revert, which is not a halt. */
const REVERT: LibraryError = "revert";
/** Frontier keeps the gas and makes an empty contract: no failure of the transaction. */
const FRONTIER_DEPOSIT: LibraryError = "code store out of gas";

/** Followed by where it was. */
const INVALID_JUMP: LibraryError = "invalid JUMP";

const PRECOMPILE_FAILED = "precompile failed";

const TEXTS: Partial<Record<LibraryError, string>> = {
  "code store out of gas": "contract creation code storage out of gas",
  "code size to deposit exceeds maximum code size": "max code size exceeded",
  "stack overflow": "stack limit reached 1024 (1023)",
  "static state change": "write protection",
  "create collision": "contract address collision",
  "insufficient balance": "insufficient balance for transfer",
  "invalid bytecode deployed": "invalid code: must not begin with 0xef",
  "initcode exceeds max initcode size": "max initcode size exceeded",
  "value out of range": "gas uint64 overflow",
};

export type Ending =
  | { readonly status: "success" }
  | { readonly status: "revert" }
  | { readonly status: "halt"; readonly halt: string };

const SUCCESS: Ending = { status: "success" };
const REVERTED: Ending = { status: "revert" };

/** How a message ended. `opcode` is the last one that ran, undefined where no code did. */
export function endingOf(thrown: object | undefined, opcode: number | undefined): Ending {
  if (thrown === undefined) return SUCCESS;
  // A precompile may hand on what a curve library threw, which is not one of the EVM's own errors.
  const error = "error" in thrown && typeof thrown.error === "string" ? thrown.error : PRECOMPILE_FAILED;
  if (error === FRONTIER_DEPOSIT) return SUCCESS;
  // Only code can revert: where there is none, the library means a precompile that refused its input.
  if (error === REVERT) return opcode === undefined ? { status: "halt", halt: PRECOMPILE_FAILED } : REVERTED;
  if (error === "invalid opcode") {
    const code = (opcode ?? 0xfe).toString(16);
    return {
      status: "halt",
      halt: `invalid opcode: ${opcode === 0xfe ? "INVALID" : `opcode 0x${code} not defined`}`,
    };
  }
  if (error.startsWith(INVALID_JUMP)) return { status: "halt", halt: "invalid jump destination" };
  return { status: "halt", halt: TEXTS[error as LibraryError] ?? error };
}
