// Nothing that a transaction holds may break execution: bad input to precompiles and random code end as halts,
// while a failing state is our own fault and comes out as an error.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createCalls } from "#execution/call.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { CallResult } from "#execution/types.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { StateReader } from "#state/types.ts";
import { type Address, address } from "#types/ids.ts";
import { memoryState, type PlainAccount } from "../support/memory-state.ts";
import { blockEnv, CHAIN_ID, dynamicFee, ETHER, SENDER, sign } from "./support.ts";

const rules = chainRules({ chainId: CHAIN_ID });
const calls = createCalls(rules);
const noHashes = () => undefined;
const CONTRACT = address(`0x${"c0".repeat(20)}`);
const GAS = 3_000_000n;

function callWith(to: Address, data: Uint8Array, code: Uint8Array = EMPTY_BYTES): Promise<CallResult> {
  const contract: PlainAccount = { nonce: 1n, balance: 10n, code, storage: new Map() };
  const context = { state: memoryState([[CONTRACT, contract]]), env: blockEnv(), hashes: noHashes };
  return calls.call(context, { from: SENDER, to, gas: GAS, gasPrice: 0n, value: 0n, data });
}

describe("hostile input", () => {
  const precompiles = [...Array.from({ length: 17 }, (_, index) => index + 1), 0x100];
  const sizes = [0, 1, 64, 96, 128, 160, 192, 213, 256, 288, 384, 512, 768];
  const input = fc
    .constantFrom(...sizes)
    .chain((length) =>
      fc.tuple(
        fc.constant(length),
        fc.constantFrom(0x00, 0x01, 0xff),
        fc.array(fc.tuple(fc.nat(767), fc.nat(255)), { maxLength: 8 }),
      ),
    )
    .map(([length, fill, edits]) => {
      const bytes = new Uint8Array(length).fill(fill);
      for (const [at, value] of edits) if (at < length) bytes[at] = value;
      return bytes;
    });

  for (const number of precompiles) {
    test(`precompile ${number} answers or halts`, async () => {
      const to = address(`0x${number.toString(16).padStart(40, "0")}`);
      await fc.assert(
        fc.asyncProperty(input, async (data) => {
          const result = await callWith(to, data);
          expect(["success", "halt"]).toContain(result.status);
        }),
        { numRuns: 60, verbose: 1 },
      );
    });
  }

  test("random code ends somehow", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200, size: "max" }), async (code) => {
        const result = await callWith(CONTRACT, code, code);
        expect(["success", "revert", "halt"]).toContain(result.status);
        if (result.status !== "rejected" && result.status !== "abandoned") {
          expect(result.gasUsed <= GAS).toBe(true);
        }
      }),
      { numRuns: 1500, verbose: 1 },
    );
  });

  test("code of pushes and opcodes that find their operands ends somehow", async () => {
    const operand = fc.oneof(fc.nat(40), fc.constantFrom(0xff, 0x100, 0xffff_ffff), fc.nat());
    const chunk = fc
      .tuple(fc.array(operand, { minLength: 1, maxLength: 7 }), fc.nat(255))
      .map(([operands, opcode]) => {
        const pushes = operands.flatMap((value) => [
          0x63,
          value >>> 24,
          (value >> 16) & 255,
          (value >> 8) & 255,
          value & 255,
        ]);
        return [...pushes, opcode];
      });
    const program = fc
      .array(chunk, { maxLength: 30, size: "max" })
      .map((chunks) => Uint8Array.from(chunks.flat()));
    await fc.assert(
      fc.asyncProperty(program, async (code) => {
        const result = await callWith(CONTRACT, code, code);
        expect(["success", "revert", "halt"]).toContain(result.status);
      }),
      { numRuns: 1500, verbose: 1 },
    );
  });
});

describe("our own fault", () => {
  const broken: StateReader = {
    ...memoryState([[SENDER, { nonce: 0n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() }]]),
    account(at) {
      if (at === CONTRACT) throw new RangeError("the disk is gone");
      return { nonce: 0n, balance: ETHER, codeHash: rich };
    },
  };
  const rich = memoryState([
    [SENDER, { nonce: 0n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() }],
  ]).account(SENDER)!.codeHash;

  test("a state that cannot be read is an error, and the block is over", async () => {
    const block = await createExecutor(rules).open(broken, blockEnv(), noHashes);
    const attempt = block.apply(sign(dynamicFee({ to: CONTRACT })));
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(KoraError);
    expect(error).toMatchObject({ code: "EXECUTION_FAILED" });
    expect(block.apply(sign(dynamicFee()))).rejects.toThrow("sequential");
    expect(block.finish()).rejects.toThrow("sequential");
  });

  test("two transactions at once in one block are refused, two blocks at once are not", async () => {
    const state = memoryState([
      [SENDER, { nonce: 0n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() }],
    ]);
    const executor = createExecutor(rules);
    const [first, second] = [
      await executor.open(state, blockEnv(), noHashes),
      await executor.open(state, blockEnv(), noHashes),
    ];
    const outcomes = await Promise.all([first.apply(sign(dynamicFee())), second.apply(sign(dynamicFee()))]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["included", "included"]);
    const [one, two] = [
      first.apply(sign(dynamicFee({ nonce: 1n }))),
      first.apply(sign(dynamicFee({ nonce: 2n }))),
    ];
    expect(two).rejects.toThrow("sequential");
    expect((await one).kind).toBe("included");
  });
});
