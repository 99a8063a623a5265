// Blocks through the executor: what a transfer costs, what receipts and roots say, and that bad transactions leave
// no trace.
import { describe, expect, test } from "bun:test";
import { openTransaction } from "#crypto/digest.ts";
import { keccak256 } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { BlockEnv } from "#execution/types.ts";
import { EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { address, height, ZERO_HASH } from "#types/ids.ts";
import {
  type DynamicFeeTransaction,
  encodeTransaction,
  type SignedTransaction,
  signingPayload,
} from "#types/transaction.ts";
import { memoryState } from "../support/memory-state.ts";

const SECRET = fromHex(`0x${"11".repeat(32)}`);
const SENDER = secretToAddress(SECRET);
const RECIPIENT = address(`0x${"22".repeat(20)}`);
const COINBASE = address(`0x${"33".repeat(20)}`);
const GWEI = 1_000_000_000n;
const ETHER = 10n ** 18n;

const ENV: BlockEnv = {
  number: height(1),
  timestamp: 1000,
  coinbase: COINBASE,
  gasLimit: 30_000_000n,
  baseFeePerGas: GWEI,
  prevRandao: ZERO_HASH,
  parentHash: ZERO_HASH,
  parentBeaconBlockRoot: ZERO_HASH,
  excessBlobGas: 0n,
};

function signed(fields: Partial<DynamicFeeTransaction>): SignedTransaction {
  const unsigned: DynamicFeeTransaction = {
    type: 2,
    chainId: 1337n,
    nonce: 0n,
    maxPriorityFeePerGas: GWEI,
    maxFeePerGas: 3n * GWEI,
    gasLimit: 21_000n,
    to: RECIPIENT,
    value: 0n,
    data: EMPTY_BYTES,
    accessList: [],
    signature: { yParity: 0, r: 1n, s: 1n },
    ...fields,
  };
  const signature = signDigest(keccak256(signingPayload(unsigned)), SECRET);
  const opened = openTransaction(encodeTransaction({ ...unsigned, signature }));
  if (opened === undefined) throw new Error("a transaction just signed opens");
  return opened;
}

const funded = () =>
  memoryState([[SENDER, { nonce: 0n, balance: 10n * ETHER, code: EMPTY_BYTES, storage: new Map() }]]);
const executor = createExecutor(chainRules({ chainId: 1337n }));
const noHashes = () => undefined;

describe("executor", () => {
  test("a plain transfer costs exactly 21000 gas and pays sender, recipient and coinbase", async () => {
    const state = funded();
    const block = await executor.open(state, ENV, noHashes);
    const outcome = await block.apply(signed({ value: ETHER }));
    expect(outcome.kind).toBe("included");
    const done = await block.finish();
    expect(done.gasUsed).toBe(21_000n);
    expect(done.receipts[0]?.effectiveGasPrice).toBe(2n * GWEI);
    state.apply(done.changes);
    expect(state.account(SENDER)).toMatchObject({ nonce: 1n, balance: 9n * ETHER - 42_000n * GWEI });
    expect(state.account(RECIPIENT)).toMatchObject({ nonce: 0n, balance: ETHER });
    expect(state.account(COINBASE)).toMatchObject({ balance: 21_000n * GWEI });
  });

  test("a created contract runs, stores and logs", async () => {
    const state = funded();
    // Runtime: SSTORE(0, 42); LOG1(0, 0, topic 7); STOP. Init code returns it.
    const runtime = "602a600055600760006000a100";
    const init = `0x6c${runtime.padEnd(26, "0")}600052600d6013f3`;
    const block = await executor.open(state, ENV, noHashes);
    const created = await block.apply(signed({ to: undefined, data: fromHex(init), gasLimit: 200_000n }));
    if (created.kind !== "included") throw new Error(created.rejection.message);
    expect(created.receipt.status).toBe(true);
    const contract = created.receipt.contractAddress;
    if (contract === undefined) throw new Error("a creation names its contract");
    const called = await block.apply(signed({ nonce: 1n, to: contract, gasLimit: 100_000n }));
    if (called.kind !== "included") throw new Error(called.rejection.message);
    expect(called.receipt.status).toBe(true);
    expect(called.receipt.logs.length).toBe(1);
    const done = await block.finish();
    state.apply(done.changes);
    expect(state.storage(contract, ZERO_HASH)).toEqual(Uint8Array.of(42));
    expect(done.logsBloom.some((byte) => byte !== 0)).toBe(true);
  });

  test("rejected transactions are values, leave no trace, and the rest of the block goes on", async () => {
    const state = funded();
    const block = await executor.open(state, ENV, noHashes);
    const high = await block.apply(signed({ nonce: 5n }));
    expect(high).toMatchObject({ kind: "rejected", rejection: { code: "NONCE_TOO_HIGH" } });
    const poor = await block.apply(signed({ value: 11n * ETHER }));
    expect(poor).toMatchObject({ kind: "rejected", rejection: { code: "INSUFFICIENT_FUNDS" } });
    const fine = await block.apply(signed({ value: 1n }));
    expect(fine.kind).toBe("included");
    const done = await block.finish();
    expect(done.transactions.length).toBe(1);
  });
});
