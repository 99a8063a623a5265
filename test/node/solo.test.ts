// The pace of a node that is alone, on a real chain. Empty blocks would take an hour to come: those that come were due.
import { describe, expect, test } from "bun:test";
import { DEFAULT_POOL_OPTIONS } from "#chain/pool-types.ts";
import { createLogger } from "#node/log.ts";
import { createMetrics } from "#node/metrics.ts";
import { soloEngine } from "#node/solo.ts";
import { hasWork } from "#node/work.ts";
import { GWEI, openTestChain, type TestChain, transfer } from "../support/chain.ts";
import { until } from "../support/kora.ts";

const HOUR_MS = 3_600_000;

/** A chain that a node alone extends. */
async function startAlone(): Promise<AsyncDisposable & { readonly chain: TestChain }> {
  const chain = openTestChain({ pool: DEFAULT_POOL_OPTIONS });
  const engine = await soloEngine({ blockTime: 1, emptyBlockInterval: HOUR_MS, journal: undefined })({
    chain,
    state: chain.state,
    logger: createLogger({ level: "silent", format: "json" }),
    metrics: createMetrics(),
    fail: (error) => {
      throw error;
    },
  });
  return {
    chain,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      chain.close();
    },
  };
}

const heightOf = (chain: TestChain): number => chain.ledger.tip().header.number;

describe("a node alone", () => {
  test("makes a new chain's first block at once, and the next one for what comes", async () => {
    await using alone = await startAlone();
    const { chain } = alone;
    await until("the first block", () => heightOf(chain) === 1);
    const signed = transfer({ from: 1, nonce: 0 });
    await chain.service.submitTx(signed.raw, "client");
    await until("the second block", () => heightOf(chain) === 2);
    expect(chain.pool.get(signed.hash)).toBeUndefined();
  });

  test("makes empty blocks soon while they bring the base fee down to what waits, and rests then", async () => {
    await using alone = await startAlone();
    const { chain } = alone;
    await until("the first block", () => heightOf(chain) === 1);
    // Less than half of the fee: six blocks of an eighth less each.
    const signed = transfer({ from: 1, nonce: 0, feeCap: (GWEI * 4n) / 10n, tip: 1n });
    const verdict = await chain.service.submitTx(signed.raw, "client");
    expect(verdict.kind).toBe("accepted");
    expect(chain.pool.hasExecutable()).toBe(false);
    await until("it is taken", () => chain.pool.get(signed.hash) === undefined);
    expect(heightOf(chain)).toBeGreaterThan(5);
    expect(hasWork(chain.pool)).toBe(false);
  });

  test("does not make them for what the fee would not reach soon", async () => {
    await using alone = await startAlone();
    const { chain } = alone;
    await until("the first block", () => heightOf(chain) === 1);
    const hopeless = transfer({ from: 1, nonce: 0, feeCap: 1n, tip: 1n });
    expect((await chain.service.submitTx(hopeless.raw, "client")).kind).toBe("accepted");
    expect(hasWork(chain.pool)).toBe(false);
    await chain.service.submitTx(transfer({ from: 2, nonce: 0 }).raw, "client");
    await until("another's block", () => heightOf(chain) === 2);
    expect(chain.pool.get(hopeless.hash)).toBeDefined();
  });
});
