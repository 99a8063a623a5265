// Blocks through the executor: what a transfer costs, what receipts and roots say, and that bad transactions leave
// no trace.
import { describe, expect, test } from "bun:test";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { address, ZERO_HASH } from "#types/ids.ts";
import type { DynamicFeeTransaction } from "#types/transaction.ts";
import { memoryState } from "../support/memory-state.ts";
import { blockEnv, CHAIN_ID, COINBASE, dynamicFee, ETHER, GWEI, SENDER, sign } from "./support.ts";

const RECIPIENT = address(`0x${"22".repeat(20)}`);
const ENV = blockEnv();

const signed = (fields: Partial<DynamicFeeTransaction>) => sign(dynamicFee({ to: RECIPIENT, ...fields }));
const funded = () =>
  memoryState([[SENDER, { nonce: 0n, balance: 10n * ETHER, code: EMPTY_BYTES, storage: new Map() }]]);
const executor = createExecutor(chainRules({ chainId: CHAIN_ID }));
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
