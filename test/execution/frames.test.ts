// What surrounds code in frames: calls, what a revert takes back, jumps, and code that looks like something else.
import { describe, expect, test } from "bun:test";
import { createCalls } from "#execution/call.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { CallOutcome, CallResult, ExecutionOutcome } from "#execution/types.ts";
import { EMPTY_BYTES, fromHex, toHex } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import { memoryState, type PlainAccount } from "../support/memory-state.ts";
import { blockEnv, CHAIN_ID, dynamicFee, ETHER, SENDER, sign } from "./support.ts";

const noHashes = () => undefined;
const hex = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");
/** The account whose code is the one with this index. */
const at = (index: number): Address => address(`0x${hex(0xc0_00 + index, 20)}`);

function stateOf(codes: readonly string[]) {
  const contracts = codes.map((code, i): readonly [Address, PlainAccount] => [
    at(i),
    { nonce: 1n, balance: 1n, code: fromHex(`0x${code}`), storage: new Map() },
  ]);
  const rich: PlainAccount = { nonce: 0n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() };
  return memoryState([[SENDER, rich], ...contracts]);
}

const rulesOf = (fork: string) => chainRules({ chainId: CHAIN_ID, forks: [{ fork, block: 0 }] });

/** Calls the first of these codes. */
function call(codes: readonly string[], gas = 1_000_000n, fork = "osaka"): Promise<CallResult> {
  const context = { state: stateOf(codes), env: blockEnv({ gasLimit: 1n << 60n }), hashes: noHashes };
  return createCalls(rulesOf(fork)).call(context, {
    ...{ from: SENDER, to: at(0), gas, gasPrice: 0n, value: 0n, data: EMPTY_BYTES },
  });
}

async function success(codes: readonly string[], gas?: bigint): Promise<CallOutcome> {
  const result = await call(codes, gas);
  if (result.status !== "success") throw new Error(JSON.stringify(result, (_, v) => String(v)));
  return result;
}

/** Runs the first of these codes in a block's transaction. */
async function transact(codes: readonly string[], fork: string): Promise<ExecutionOutcome> {
  const block = await createExecutor(rulesOf(fork)).open(stateOf(codes), blockEnv(), noHashes);
  const outcome = await block.apply(sign(dynamicFee({ to: at(0), gasLimit: 1_000_000n })));
  expect(outcome).toMatchObject({ kind: "included", receipt: { status: true } });
  return block.finish();
}

const push2 = (value: number): string => `61${hex(value, 2)}`;
/** CALL of the code with an index; what it answers is left on the stack. */
const callOf = (index: number): string => `5f5f5f5f5f${push2(0xc000 + index)}5af1`;
const RETURN_TOP = "5f5260205ff3";
const REVERT = "5f5ffd";

describe("creations", () => {
  for (const [name, opcode] of [
    ["CREATE", "f0"],
    ["CREATE2", "f5"],
  ] as const) {
    const salt = opcode === "f5" ? "5f" : "";
    // Two bytes of memory, ef 00, mark a code format that no fork has.
    const code = `60ef5f53${salt}60025f5f${opcode}5af3`;
    test(`${name}: code that begins with ef00 runs, halts, and costs its gas and a nonce`, async () => {
      const used = (await success([code])).gasUsed;
      // All but a 64th of what was left is gone.
      expect(used).toBeGreaterThan(960_000n);
      const { changes } = await transact([code], "osaka");
      expect(changes.accounts.get(at(0))?.account?.nonce).toBe(2n);
    });
  }
});

describe("what a revert takes back", () => {
  test("logs of the frame and of those below it; others stay in order", async () => {
    const log = (topic: number): string => `60${hex(topic, 1)}5f5fa1`;
    const { logs } = await success([
      `${log(1)}${callOf(1)}${log(2)}${callOf(2)}${log(3)}`,
      `${log(0x11)}${callOf(2)}${REVERT}`,
      log(0x22),
    ]);
    expect(logs.map(({ topics }) => Number(topics[0]))).toEqual([1, 2, 0x22, 3]);
    expect(logs.map((each) => each.address)).toEqual([at(0), at(0), at(2), at(0)]);
  });

  test("nothing of another transaction's logs", async () => {
    const block = await createExecutor(rulesOf("osaka")).open(
      stateOf(["00", "60015f5fa1"]),
      blockEnv(),
      noHashes,
    );
    const to = [at(0), at(1), at(0), at(1)];
    for (const [nonce, each] of to.entries()) {
      await block.apply(sign(dynamicFee({ to: each, nonce: BigInt(nonce), gasLimit: 100_000n })));
    }
    const { receipts } = await block.finish();
    expect(receipts.map(({ logs }) => logs.length)).toEqual([0, 1, 0, 1]);
  });

  test("a destruction, before EIP-6780", async () => {
    const DESTROY = "5fff";
    const { changes } = await transact(
      [callOf(1) + callOf(3), callOf(2) + REVERT, DESTROY, DESTROY],
      "shanghai",
    );
    expect(changes.accounts.get(at(2))).toBeUndefined();
    expect(changes.accounts.get(at(3))?.account).toBeUndefined();
    expect(changes.accounts.has(at(3))).toBe(true);
  });

  test("transient storage", async () => {
    const { output } = await success([
      // Stores 7, calls itself with one byte of data, which stores 8 and reverts; then answers what is stored.
      `3615${push2(0x0c)}5760085f5d${REVERT}`.padEnd(24, "00").slice(0, 24) +
        `5b60075f5d5f5f60015f5f${push2(0xc000)}5af1505f5c${RETURN_TOP}`,
    ]);
    expect(BigInt(toHex(output))).toBe(7n);
  });
});

test("frames end at a depth of 1024, and the runtime's stack holds", async () => {
  // Each frame calls its own code, and answers one more than what that answered.
  const { output } = await success([`60205f5f5f5f305af1505f51600101${RETURN_TOP}`], 1n << 45n);
  expect(BigInt(toHex(output))).toBe(1025n);
});

describe("code", () => {
  const halts = async (code: string): Promise<string> => {
    const result = await call([code]);
    return result.status === "halt" ? result.halt : result.status;
  };

  test("jumps go to a JUMPDEST that is no part of a push, whichever time", async () => {
    for (let i = 0; i < 3; i++) {
      expect(await halts("60045600 5b00".replace(" ", ""))).toBe("success");
      expect(await halts("6004566000")).toBe("invalid jump destination");
      expect(await halts("600456605b")).toBe("invalid jump destination");
      expect(await halts("600457")).toBe("stack underflow");
      expect(await halts("5f19565b")).toBe("invalid jump destination");
      expect(await halts("60016006575b5b00")).toBe("success");
    }
  });

  test("a push goes on with zeros where code has ended", async () => {
    for (const length of [1, 2, 4, 5, 20, 32]) {
      // A creation whose code pushes one byte and what is not there, and returns as many bytes as the number says.
      expect(await halts(`60aa${hex(0x5f + length, 1)}`)).toBe("success");
    }
    const { output } = await success([`6f${"ab".repeat(16)}${RETURN_TOP}`]);
    expect(toHex(output)).toBe(`0x${"00".repeat(16)}${"ab".repeat(16)}`);
  });

  test("what only begins like a delegation is code, and halts", async () => {
    for (const code of ["ef0100", "ef010011", `ef0100${"11".repeat(21)}`]) {
      expect(await halts(code)).toBe("invalid opcode: opcode 0xef not defined");
      expect((await success([`${callOf(1)}${RETURN_TOP}`, code])).output).toEqual(new Uint8Array(32));
    }
  });

  test("copies go on with zeros where code has ended", async () => {
    const { output } = await success([`5f195f52600a60045f3960205ff3`]);
    expect(toHex(output)).toBe(`0x${"600a60045f3960205ff3"}${"ff".repeat(22)}`);
    const beyond = await success([`5f195f52600a6101005f3960205ff3`]);
    expect(toHex(beyond.output)).toBe(`0x${"00".repeat(10)}${"ff".repeat(22)}`);
  });
});
