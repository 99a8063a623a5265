// What blocks do beside transactions: system contracts, inputs of the local chain, withdrawals, delegations.
import { describe, expect, test } from "bun:test";
import { SYSTEM_CONTRACTS } from "#chain/system-contracts.ts";
import { keccak256 } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { delegationOf } from "#execution/authorization.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS } from "#execution/system.ts";
import { bigintToBytes, concatBytes, EMPTY_BYTES, fromHex, padLeft, toHex, trimLeft } from "#lib/bytes.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import { type Address, address, bytesOf, hash, height } from "#types/ids.ts";
import type { Authorization } from "#types/transaction.ts";
import { type MemoryState, memoryState, type PlainAccount } from "../support/memory-state.ts";
import { blockEnv, CHAIN_ID, COINBASE, dynamicFee, ETHER, SENDER, sign } from "./support.ts";

const PARENT = hash(`0x${"ab".repeat(32)}`);
const BEACON_ROOT = hash(`0x${"cd".repeat(32)}`);
const OTHER = address(`0x${"44".repeat(20)}`);
const noHashes = () => undefined;
const executor = createExecutor(chainRules({ chainId: CHAIN_ID }));
const slot = (number: number) => hash(padLeft(bigintToBytes(BigInt(number)), 32));
const rich: PlainAccount = { nonce: 0n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() };

function withSystemContracts(): MemoryState {
  const contracts = SYSTEM_CONTRACTS.map(({ address: at, nonce, code }): [Address, PlainAccount] => [
    at,
    { nonce, balance: 0n, code, storage: new Map() },
  ]);
  return memoryState([...contracts, [SENDER, rich]]);
}

describe("system contracts", () => {
  test("a block writes its parent's hash (EIP-2935) and beacon root (EIP-4788), and nothing else", async () => {
    const state = withSystemContracts();
    const env = blockEnv({ number: height(7), parentHash: PARENT, parentBeaconBlockRoot: BEACON_ROOT });
    const block = await executor.open(state, env, noHashes);
    const { changes, gasUsed } = await block.finish();
    expect(gasUsed).toBe(0n);
    expect([...changes.accounts.keys()].sort()).toEqual([BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS].sort());
    state.apply(changes);
    expect(state.storage(HISTORY_ADDRESS, slot(6))).toEqual(bytesOf(PARENT));
    expect(state.storage(BEACON_ROOTS_ADDRESS, slot(1000 % 8191))).toEqual(trimLeft(bigintToBytes(1000n)));
    expect(state.storage(BEACON_ROOTS_ADDRESS, slot((1000 % 8191) + 8191))).toEqual(bytesOf(BEACON_ROOT));
  });

  test("a chain without them does without", async () => {
    const block = await executor.open(memoryState(), blockEnv({ parentHash: PARENT }), noHashes);
    expect((await block.finish()).changes.accounts.size).toBe(0);
  });

  test("requests are collected only where the rules say so", async () => {
    const quiet = await executor.open(withSystemContracts(), blockEnv(), noHashes);
    expect((await quiet.finish()).requests).toEqual([]);
    const collecting = createExecutor(chainRules({ chainId: CHAIN_ID, requests: true }));
    const bare = await collecting.open(memoryState(), blockEnv(), noHashes);
    expect(bare.finish()).rejects.toThrow("the block cannot be completed");
  });
});

describe("from outside transactions", () => {
  test("inputs of the local chain are applied after the system calls and before the first transaction", async () => {
    const state = memoryState();
    const block = await executor.open(state, blockEnv(), noHashes, [
      { address: SENDER, balance: ETHER },
      {
        address: OTHER,
        code: fromHex("0x00"),
        nonce: 3n,
        storage: new Map([[slot(1), Uint8Array.of(0, 9)]]),
      },
    ]);
    expect(await block.apply(sign(dynamicFee({ value: 1n })))).toMatchObject({ kind: "included" });
    state.apply((await block.finish()).changes);
    expect(state.account(OTHER)).toMatchObject({ nonce: 3n });
    expect(state.storage(OTHER, slot(1))).toEqual(Uint8Array.of(9));
  });

  test("withdrawals are paid in gwei at the end (EIP-4895)", async () => {
    const state = memoryState();
    const withdrawals = [{ index: 0n, validatorIndex: 0n, address: OTHER, amount: 3n }];
    const block = await executor.open(state, blockEnv({ withdrawals }), noHashes);
    state.apply((await block.finish()).changes);
    expect(state.account(OTHER)).toMatchObject({ balance: 3_000_000_000n });
  });

  test("BLOCKHASH answers what the chain says, and nothing outside the window", async () => {
    // Stores BLOCKHASH(9) at 9 and BLOCKHASH(10) at 10: the parent's, and the block's own, which is none.
    const code = fromHex("0x600940600955600a40600a5500");
    const state = memoryState([
      [OTHER, { ...rich, code }],
      [SENDER, rich],
    ]);
    const block = await executor.open(state, blockEnv({ number: height(10) }), () => PARENT);
    expect(await block.apply(sign(dynamicFee({ to: OTHER, gasLimit: 100_000n })))).toMatchObject({
      receipt: { status: true },
    });
    state.apply((await block.finish()).changes);
    expect(state.storage(OTHER, slot(9))).toEqual(bytesOf(PARENT));
    expect(state.storage(OTHER, slot(10))).toEqual(EMPTY_BYTES);
  });
});

describe("delegations (EIP-7702)", () => {
  const secret = fromHex(`0x${"66".repeat(32)}`);
  const authority = secretToAddress(secret);
  // Stores the caller at slot 0.
  const target: PlainAccount = { ...rich, code: fromHex("0x335f5500") };

  function authorize(fields: Partial<Authorization>): Authorization {
    const tuple = { chainId: CHAIN_ID, address: OTHER, nonce: 0n, ...fields };
    const payload = encodeRlp([rlpUint(tuple.chainId), bytesOf(tuple.address), rlpUint(tuple.nonce)]);
    const { yParity, r, s } = signDigest(keccak256(concatBytes(Uint8Array.of(5), payload)), secret);
    return { ...tuple, yParity: BigInt(yParity), r, s };
  }

  async function delegate(tuples: readonly Authorization[]) {
    const state = memoryState([
      [OTHER, target],
      [SENDER, rich],
    ]);
    const block = await executor.open(state, blockEnv(), noHashes);
    const tx = {
      ...dynamicFee({ gasLimit: 200_000n }),
      type: 4,
      to: authority,
      authorizationList: tuples,
    } as const;
    const outcome = await block.apply(sign(tx));
    state.apply((await block.finish()).changes);
    return { state, outcome };
  }

  test("a signed permission makes an account run another's code, in the same transaction", async () => {
    const { state, outcome } = await delegate([authorize({})]);
    expect(outcome).toMatchObject({ receipt: { status: true } });
    const account = state.account(authority);
    expect(account?.nonce).toBe(1n);
    expect(delegationOf(state.code(account!.codeHash))).toBe(OTHER);
    expect(toHex(state.storage(authority, slot(0)))).toBe(SENDER);
    expect(state.account(COINBASE)?.balance).toBeGreaterThan(0n);
  });

  test.each([
    ["for another chain", { chainId: 1n }],
    ["with a nonce ahead", { nonce: 1n }],
  ])("a permission %s is skipped, and the transaction goes on", async (_name, fields) => {
    const { state, outcome } = await delegate([authorize(fields)]);
    expect(outcome).toMatchObject({ kind: "included", receipt: { status: true } });
    expect(state.account(authority)).toBeUndefined();
  });
});
