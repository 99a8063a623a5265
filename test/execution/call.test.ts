// Calls that are no transactions: results, reverts and halts as values, estimates, access lists, overrides, budgets.
import { describe, expect, test } from "bun:test";
import { keccak256 } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { createCalls } from "#execution/call.ts";
import { chainRules } from "#execution/rules.ts";
import type { CallContext, CallRequest } from "#execution/types.ts";
import { concatBytes, EMPTY_BYTES, fromHex, padLeft, toHex } from "#lib/bytes.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import { type Address, address, type Hash, hash, height, ZERO_HASH } from "#types/ids.ts";
import { memoryState, type PlainAccount } from "../support/memory-state.ts";
import { blockEnv } from "./support.ts";

const CALLER = address(`0x${"ca".repeat(20)}`);
const CONTRACT = address(`0x${"c0".repeat(20)}`);
const OTHER = address(`0x${"c1".repeat(20)}`);
const ETHER = 10n ** 18n;

const calls = createCalls(chainRules({ chainId: 1337n }));
const word = (value: number | bigint): Hash => hash(padLeft(fromHex(hexOf(value)), 32));
const hexOf = (value: number | bigint): string => {
  const digits = value.toString(16);
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
};

function account(fields: { code?: string; balance?: bigint; storage?: [Hash, Uint8Array][] }): PlainAccount {
  const { code = "0x", balance = 0n, storage = [] } = fields;
  return { nonce: 0n, balance, code: fromHex(code), storage: new Map(storage) };
}

function context(accounts: [Address, PlainAccount][]): CallContext {
  return { state: memoryState(accounts), env: blockEnv(), hashes: () => undefined };
}

function request(fields: Partial<CallRequest> = {}): CallRequest {
  return {
    from: CALLER,
    to: CONTRACT,
    gas: 30_000_000n,
    gasPrice: 0n,
    value: 0n,
    data: EMPTY_BYTES,
    ...fields,
  };
}

const LOOP = "0x5b600056";
/** Returns the word that `code` leaves on the stack. */
const returning = (code: string): string => `0x${code}5f5260205ff3`;

describe("call", () => {
  test("answers with the output", async () => {
    const result = await calls.call(context([[CONTRACT, account({ code: returning("602a") })]]), request());
    expect(result).toMatchObject({ status: "success" });
    expect(result.status === "success" && toHex(result.output)).toBe(word(42));
  });

  test("a revert is a value with its data", async () => {
    const code = "0x60ab5f526001601ffd";
    const result = await calls.call(context([[CONTRACT, account({ code })]]), request());
    expect(result).toMatchObject({ status: "revert", output: Uint8Array.of(0xab) });
  });

  test.each([
    ["0xfe", "invalid opcode: INVALID"],
    ["0x0c", "invalid opcode: opcode 0xc not defined"],
    ["0x50", "stack underflow"],
    ["0x600056", "invalid jump destination"],
    [LOOP, "out of gas"],
  ])("code %s halts with geth's text", async (code, halt) => {
    const result = await calls.call(context([[CONTRACT, account({ code })]]), request({ gas: 100_000n }));
    expect(result).toMatchObject({ status: "halt", halt });
  });

  test("a call that pays nothing sees no base fee and needs no balance; one that pays needs both", async () => {
    const on = context([[CONTRACT, account({ code: returning("48") })]]);
    const free = await calls.call(on, request());
    expect(free.status === "success" && toHex(free.output)).toBe(word(0));
    const poor = await calls.call(on, request({ gasPrice: 2n * blockEnv().baseFeePerGas }));
    expect(poor).toMatchObject({ status: "rejected", rejection: { code: "INSUFFICIENT_FUNDS" } });
    const rich = context([
      [CONTRACT, account({ code: returning("48") })],
      [CALLER, account({ balance: ETHER })],
    ]);
    const paid = await calls.call(rich, request({ gasPrice: 2n * blockEnv().baseFeePerGas }));
    expect(paid.status === "success" && toHex(paid.output)).toBe(word(blockEnv().baseFeePerGas));
  });

  test("a call changes no state", async () => {
    const state = memoryState([[CONTRACT, account({ code: "0x602a5f5500" })]]);
    const on = { state, env: blockEnv(), hashes: () => undefined };
    expect(await calls.call(on, request())).toMatchObject({ status: "success" });
    expect(state.storage(CONTRACT, ZERO_HASH)).toEqual(EMPTY_BYTES);
  });
});

describe("overrides", () => {
  test("balance, code, whole storage and single slots", async () => {
    // Returns SLOAD(0) + SLOAD(1).
    const code = returning("5f5460015401");
    const storage: [Hash, Uint8Array][] = [
      [word(0), Uint8Array.of(5)],
      [word(1), Uint8Array.of(7)],
    ];
    const on = context([[CONTRACT, account({ code, storage })]]);
    const read = async (override: object): Promise<string> => {
      const result = await calls.call(on, request(), { stateOverrides: new Map([[CONTRACT, override]]) });
      return result.status === "success" ? toHex(result.output) : result.status;
    };
    expect(await read({})).toBe(word(12));
    expect(await read({ stateDiff: new Map([[word(1), word(1)]]) })).toBe(word(6));
    expect(await read({ state: new Map([[word(1), word(1)]]) })).toBe(word(1));
    expect(await read({ code: fromHex(returning("6063")) })).toBe(word(99));
    expect(await read({ code: fromHex(returning("47")), balance: 77n })).toBe(word(77));
  });

  test("a precompile moves, and its old address is an ordinary account", async () => {
    const identity = address(`0x${"04".padStart(40, "0")}`);
    const stateOverrides = new Map([[identity, { movePrecompileTo: OTHER }]]);
    const data = Uint8Array.of(1, 2, 3);
    const moved = await calls.call(context([]), request({ to: OTHER, data }), { stateOverrides });
    expect(moved).toMatchObject({ status: "success", output: data });
    const old = await calls.call(context([]), request({ to: identity, data }), { stateOverrides });
    expect(old).toMatchObject({ status: "success", output: EMPTY_BYTES });
    const plain = calls.call(context([]), request(), {
      stateOverrides: new Map([[CONTRACT, { movePrecompileTo: OTHER }]]),
    });
    expect(plain).rejects.toThrow(`account ${CONTRACT} is not a precompile`);
  });

  test("fields of the block", async () => {
    // Returns NUMBER + TIMESTAMP.
    const on = context([[CONTRACT, account({ code: returning("434201") })]]);
    const result = await calls.call(on, request(), {
      blockOverrides: { number: height(1000), timestamp: 337 },
    });
    expect(result.status === "success" && toHex(result.output)).toBe(word(1337));
  });
});

describe("estimateGas", () => {
  test("a plain transfer takes exactly 21000", async () => {
    const on = context([[CALLER, account({ balance: ETHER })]]);
    const result = await calls.estimateGas(on, request({ to: OTHER, value: 1n }));
    expect(result).toEqual({ status: "estimated", gas: 21_000n });
  });

  test("what is estimated suffices, for gas that is refunded and for gas that a callee must be left", async () => {
    // Clears a slot (refund), then calls OTHER, which burns in a loop down to what it was given.
    const clears = `0x5f5f55${"5f5f5f5f5f"}73${OTHER.slice(2)}5af100`;
    const on = context([
      [CONTRACT, account({ code: clears, storage: [[word(0), Uint8Array.of(1)]] })],
      [OTHER, account({ code: "0x61100060005b6001018082116009570000" })],
    ]);
    const result = await calls.estimateGas(on, request());
    if (result.status !== "estimated") throw new Error(result.status);
    expect(await calls.call(on, request({ gas: result.gas }))).toMatchObject({ status: "success" });
  });

  test("a call that never succeeds says why", async () => {
    const reverting = await calls.estimateGas(
      context([[CONTRACT, account({ code: "0x5f5ffd" })]]),
      request(),
    );
    expect(reverting).toMatchObject({ status: "revert" });
    const starving = await calls.estimateGas(
      context([[CONTRACT, account({ code: LOOP })]]),
      request({ gas: 90_000n }),
    );
    expect(starving).toMatchObject({ status: "halt", halt: "gas required exceeds allowance (90000)" });
  });
});

describe("createAccessList", () => {
  test("lists slots and accounts beyond the call's own parties, also those of frames that reverted", async () => {
    // OTHER loads slot 7 and reverts.
    const on = context([
      [CONTRACT, account({ code: `0x5f54505f5f5f5f5f73${OTHER.slice(2)}5af100` })],
      [OTHER, account({ code: "0x6007545f5ffd" })],
    ]);
    const result = await calls.createAccessList(on, request());
    if (result.status !== "listed") throw new Error(result.status);
    expect(result.accessList).toEqual([
      { address: CONTRACT, storageKeys: [word(0)] },
      { address: OTHER, storageKeys: [word(7)] },
    ]);
    expect(result.call.status).toBe("success");
  });

  test("leaves out authorities, which are warm", async () => {
    // Asks for the balance of the authority.
    const secret = fromHex(`0x${"07".repeat(32)}`);
    const authority = secretToAddress(secret);
    const fields = encodeRlp([rlpUint(1337n), fromHex(OTHER), rlpUint(0n)]);
    const signature = signDigest(keccak256(concatBytes(Uint8Array.of(0x05), fields)), secret);
    const tuple = { ...signature, yParity: BigInt(signature.yParity) };
    const authorizationList = [{ chainId: 1337n, address: OTHER, nonce: 0n, ...tuple }];
    const on = context([[CONTRACT, account({ code: `0x73${authority.slice(2)}315000` })]]);
    const cold = await calls.createAccessList(on, request());
    expect(cold).toMatchObject({ accessList: [{ address: authority, storageKeys: [] }] });
    const warm = await calls.createAccessList(on, request({ authorizationList }));
    expect(warm).toMatchObject({ status: "listed", accessList: [] });
  });

  test("a plain transfer touches nothing beside its parties", async () => {
    const on = context([[CALLER, account({ balance: ETHER })]]);
    const result = await calls.createAccessList(on, request({ to: OTHER, value: 1n }));
    expect(result).toMatchObject({ status: "listed", accessList: [], call: { gasUsed: 21_000n } });
  });
});

describe("budgets", () => {
  const endless = context([[CONTRACT, account({ code: LOOP })]]);

  test("a call over its units is abandoned, and the next one is not affected", async () => {
    const result = await calls.call(endless, request(), { budget: { units: 1000 } });
    expect(result).toEqual({ status: "abandoned" });
    const fine = await calls.call(context([[CONTRACT, account({ code: returning("602a") })]]), request());
    expect(fine.status).toBe("success");
  });

  test("a call is abandoned when its caller's clock says so", async () => {
    let questions = 0;
    const expired = (): boolean => ++questions === 5;
    expect(await calls.call(endless, request(), { budget: { expired } })).toEqual({ status: "abandoned" });
    expect(questions).toBe(5);
  });

  test("a call within its budget is not abandoned", async () => {
    const on = context([[CONTRACT, account({ code: returning("602a") })]]);
    const result = await calls.call(on, request(), { budget: { units: 10, expired: () => true } });
    expect(result.status).toBe("success");
  });

  test("an EVM that has run jumps before is bounded like a new one", async () => {
    // Counts down from five: jumps, then ends.
    const countdown = context([[CONTRACT, account({ code: "0x60055b6001900380600257" })]]);
    for (let round = 0; round < 3; round++) {
      expect(await calls.call(countdown, request())).toMatchObject({ status: "success" });
    }
    expect(await calls.call(endless, request(), { budget: { units: 1000 } })).toEqual({
      status: "abandoned",
    });
  });

  // Each operation runs 600 times in a row without a jump: 2,000 units are far less than the milliseconds it takes.
  test.each([
    ["BLOCKHASH", "5f4050"],
    ["SLOAD", "585450"],
    ["BALANCE", "583150"],
    ["EXTCODESIZE", "583b50"],
    ["EXTCODECOPY", "5f5f5f583c"],
    ["EXTCODEHASH", "583f50"],
    ["MCOPY of 32 KiB", "6180005f5f5e"],
    ["CALLDATACOPY of 32 KiB", "6180005f5f37"],
    ["CODECOPY of 32 KiB", "6180005f5f39"],
    ["LOG0 of 32 KiB", "6180005fa0"],
  ])("%s is bounded without a jump", async (_, code) => {
    const on = context([[CONTRACT, account({ code: `0x${code.repeat(600)}` })]]);
    const asked: CallRequest = request({ gas: 10n ** 10n });
    expect(await calls.call(on, asked)).toMatchObject({ status: "success" });
    expect(await calls.call(on, asked, { budget: { units: 2000 } })).toEqual({ status: "abandoned" });
  });

  test("recursion and heavy precompiles are bounded too", async () => {
    const self = "0x5f5f5f5f5f305af15000";
    const deep = await calls.call(context([[CONTRACT, account({ code: self })]]), request(), {
      budget: { units: 500 },
    });
    expect(deep).toEqual({ status: "abandoned" });
    const pairing = await calls.call(context([]), request({ to: address(`0x${"08".padStart(40, "0")}`) }), {
      budget: { units: 2000 },
    });
    expect(pairing).toEqual({ status: "abandoned" });
  });
});
