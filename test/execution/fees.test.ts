// Prices from block to block: base fee, blob fees, and the reach of the gas limit.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  blobBaseFee,
  isGasLimitReachable,
  MIN_GAS_LIMIT,
  nextBaseFee,
  nextExcessBlobGas,
  nextGasLimit,
} from "#execution/fees.ts";
import { featuresOf } from "#execution/forks.ts";
import { blobScheduleOf, chainRules } from "#execution/rules.ts";
import { height } from "#types/ids.ts";

const rules = chainRules({ chainId: 1n });
const schedule = (fork: string) => blobScheduleOf(rules, featuresOf(fork));
const BLOB = 1n << 17n;

describe("base fee", () => {
  test.each([
    [1_000_000_000n, 10_000_000n, 1_000_000_000n],
    [1_000_000_000n, 7_000_000n, 962_500_000n],
    [1_000_000_000n, 20_000_000n, 1_125_000_000n],
    [1_000_000_000n, 0n, 875_000_000n],
    [7n, 20_000_000n, 8n],
    [0n, 20_000_000n, 1n],
  ])("after %d wei and %d of 20,000,000 gas comes %d", (baseFeePerGas, gasUsed, expected) => {
    expect(nextBaseFee({ baseFeePerGas, gasUsed, gasLimit: 20_000_000n })).toBe(expected);
  });
});

describe("blob fees", () => {
  test.each([
    ["cancun", 0n, 1n],
    ["cancun", 2_314_057n, 1n],
    ["cancun", 2_314_058n, 2n],
    ["cancun", 10n * 1024n * 1024n, 23n],
    ["prague", 5_007_716n, 2n],
  ])("%s: an excess of %d costs %d wei", (fork, excess, expected) => {
    expect(blobBaseFee(excess, schedule(fork))).toBe(expected);
  });

  test("the excess rises by what is above the target and falls to zero", () => {
    const parent = { baseFeePerGas: 7n, excessBlobGas: 0n };
    expect(nextExcessBlobGas({ ...parent, blobGasUsed: 9n * BLOB }, schedule("prague"))).toBe(3n * BLOB);
    expect(nextExcessBlobGas({ ...parent, blobGasUsed: 5n * BLOB }, schedule("prague"))).toBe(0n);
  });

  test("EIP-7918: where execution is dear, the excess does not fall and rises more slowly", () => {
    const dear = { baseFeePerGas: 100_000_000_000n, excessBlobGas: 40n * BLOB };
    expect(nextExcessBlobGas({ ...dear, blobGasUsed: 0n }, schedule("prague"))).toBe(34n * BLOB);
    expect(nextExcessBlobGas({ ...dear, blobGasUsed: 0n }, schedule("osaka"))).toBe(40n * BLOB);
    expect(nextExcessBlobGas({ ...dear, blobGasUsed: 9n * BLOB }, schedule("osaka"))).toBe(43n * BLOB);
  });
});

describe("gas limit", () => {
  test("the next limit can always be reached, and is the nearest to the desired one that can", () => {
    const limit = fc.bigInt({ min: MIN_GAS_LIMIT, max: 1n << 40n });
    fc.assert(
      fc.property(limit, limit, (parent, desired) => {
        const next = nextGasLimit(parent, desired);
        expect(isGasLimitReachable(parent, next)).toBe(true);
        if (next !== desired) {
          const nearer = desired > next ? next + 1n : next - 1n;
          expect(isGasLimitReachable(parent, nearer)).toBe(false);
        }
      }),
    );
  });
});

describe("rules", () => {
  test("forks begin at their block or time, the last that has begun applies", () => {
    const chain = chainRules({
      chainId: 1n,
      forks: [
        { fork: "London", block: 0 },
        { fork: "Shanghai", timestamp: 100 },
        { fork: "prague", timestamp: 200 },
      ],
    });
    expect(chain.hardforkAt(height(0), 0)).toBe("london");
    expect(chain.hardforkAt(height(5), 99)).toBe("london");
    expect(chain.hardforkAt(height(5), 100)).toBe("shanghai");
    expect(chain.hardforkAt(height(5), 1000)).toBe("prague");
  });

  test("a chain that names no fork has the default one; an unknown fork is an error that lists the known", () => {
    expect(rules.hardforkAt(height(0), 0)).toBe("osaka");
    expect(() => chainRules({ chainId: 1n, forks: [{ fork: "osaca", block: 0 }] })).toThrow(
      "no fork is called osaca",
    );
  });
});
