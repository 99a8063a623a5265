// ethereum/tests TransactionTests: whether wire bytes are a valid transaction under each fork, its hash, sender and
// intrinsic gas. The sender can pay any value and as much gas as 256 bits can say, so that only
// the transaction's own faults count.
import { featuresOf } from "#execution/forks.ts";
import { blobScheduleOf, chainRules } from "#execution/rules.ts";
import { validateTransaction } from "#execution/validate.ts";
import { World } from "#execution/world.ts";
import { EMPTY_BYTES, fromHex, toHex } from "#lib/bytes.ts";
import { encodeTransaction } from "#types/transaction.ts";
import { memoryState } from "../../support/memory-state.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { expectDecodingError, expectRejection } from "./exceptions.ts";
import { openAny } from "./fixture.ts";

interface Result {
  readonly hash?: string;
  readonly sender?: string;
  readonly intrinsicGas: string;
  readonly exception?: string;
}
interface TransactionTest {
  readonly txbytes: string;
  readonly result: Readonly<Record<string, Result>>;
}

export function isTransactionTest(content: unknown): boolean {
  const first = Object.values(content as object)[0] as Partial<TransactionTest> | undefined;
  return first?.txbytes !== undefined && first.result !== undefined;
}

const MAX_UINT256: bigint = (1n << 256n) - 1n;

function runFork(raw: Uint8Array, forkText: string, expected: Result): void {
  const fork = featuresOf(forkText);
  const rules = chainRules({ chainId: 1n, forks: [{ fork: forkText, block: 0 }] });
  const signed = openAny(raw);
  if (signed === undefined) {
    expectRejection("BAD_SIGNATURE", "no sender", expected.exception ?? "");
    return;
  }
  expectEqual("encoding", toHex(encodeTransaction(signed.tx)), toHex(raw));
  const sender = {
    nonce: signed.tx.nonce,
    balance: MAX_UINT256 + signed.tx.value,
    code: EMPTY_BYTES,
    storage: new Map(),
  };
  const verdict = validateTransaction(new World(memoryState([[signed.sender, sender]])), signed, {
    fork,
    rules,
    blobs: blobScheduleOf(rules, fork),
    baseFeePerGas: 0n,
    blobBaseFee: 1n,
    gasLeft: (1n << 64n) - 1n,
    blobGasLeft: 1n << 30n,
  });
  if ("code" in verdict) {
    if (expected.exception === undefined) throw new Mismatch(`rejected: ${verdict.message}`);
    expectRejection(verdict.code, verdict.message, expected.exception);
    return;
  }
  if (expected.exception !== undefined) throw new Mismatch(`accepted, expected ${expected.exception}`);
  expectEqual("hash", signed.hash, expected.hash);
  expectEqual("sender", signed.sender, expected.sender);
  expectEqual("intrinsic gas", verdict.intrinsic.gas, BigInt(expected.intrinsicGas));
}

/** A case is one transaction under all its forks. */
export const runTransactionTests: Format = async function* (
  content,
  _path,
  wanted,
): AsyncGenerator<CaseResult> {
  for (const [name, test] of Object.entries(content as Record<string, TransactionTest>)) {
    if (!wanted(name)) continue;
    yield settle(name, () => {
      for (const [fork, expected] of Object.entries(test.result)) {
        try {
          runFork(fromHex(test.txbytes), fork, expected);
        } catch (error) {
          if (error instanceof Mismatch) throw new Mismatch(`${fork}: ${error.message}`);
          if (expected.exception === undefined) throw error;
          expectDecodingError(error, expected.exception);
        }
      }
    });
  }
};
