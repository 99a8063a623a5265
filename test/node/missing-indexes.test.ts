// A node that served no RPC for a while: what queries need of those blocks is built when it is opened with RPC again.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "#node/log.ts";
import { buildMissingIndexes } from "#node/missing-indexes.ts";
import { toRpcError } from "#rpc/errors.ts";
import { openStateDb } from "#state/state.ts";
import { type Hash, height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { openTestChain, type TestChain, testAddress, transfer } from "../support/chain.ts";

const directory = mkdtempSync(join(tmpdir(), "kora-test-indexes-"));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const logger = createLogger({ level: "silent", format: "json" });
const TOLD = "the index of transactions and logs is being built: it reaches block 255 of 302";

/** What a client gets for what `work` throws. */
function toldToClients(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return toRpcError(error);
  }
}

test("transactions of blocks that were committed without indexes are found once these are on again", async () => {
  const signed = Array.from({ length: 6 }, (_, nonce) => transfer({ from: 1, nonce }));
  const open = (indexes: boolean): TestChain =>
    openTestChain({ directory, state: openStateDb({ directory, indexes }) });
  const failures: unknown[] = [];
  const fail = (error: unknown): unknown => failures.push(error);
  const page = { address: testAddress(1), from: height(0), to: height(9), limit: 10 };
  const found = ({ state: { archive } }: TestChain): string[] =>
    archive.transactionsOf(page).map(({ hash, height: at }) => {
      expect(archive.transactionBySender(testAddress(1), BigInt(at) - 1n)).toBe(hash);
      expect(archive.transaction(hash)).toEqual({ height: at, index: 0 });
      return hash;
    });
  let next = 0;
  for (const indexes of [true, false, false, true, false, true]) {
    const chain = open(indexes);
    const { unindexed } = chain.state;
    await using indexing = buildMissingIndexes({ chain, state: chain.state, logger, fail });
    expect(indexing.concerns()).toEqual(
      unindexed === undefined ? [] : [`indexes are being built: at ${unindexed} of ${next}`],
    );
    await indexing.done;
    expect(indexing.concerns()).toEqual([]);
    const upTo = (count: number): string[] =>
      signed
        .slice(0, count)
        .map(({ hash }) => hash)
        .reverse();
    if (indexes) expect(found(chain)).toEqual(upTo(next));
    await chain.service.submitTx(signed[next]!.raw);
    next++;
    await chain.produce();
    expect(chain.state.unindexed).toBeUndefined();
    if (indexes) expect(found(chain)).toEqual(upTo(next));
    else expect(() => chain.state.archive.transaction(signed[next - 1]!.hash)).toThrow("is switched off");
    chain.close();
  }
  expect(failures).toEqual([]);
});

test("blocks go on while it is being built; stopped, the next start goes on where it stood", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kora-test-indexes-"));
  const failures: unknown[] = [];
  const fail = (error: unknown): unknown => failures.push(error);
  const start = async (indexes: boolean, work: (chain: TestChain) => Promise<void>): Promise<void> => {
    const chain = openTestChain({ directory, state: openStateDb({ directory, indexes }) });
    await work(chain);
    chain.close();
  };
  const sent: SignedTransaction[] = [];
  const send = async ({ service, produce }: TestChain): Promise<Hash> => {
    const signed = transfer({ from: 2, nonce: sent.length });
    sent.push(signed);
    await service.submitTx(signed.raw);
    expect((await produce()).transactions.map(({ hash }) => hash)).toEqual([signed.hash]);
    return signed.hash;
  };
  await start(false, async (chain) => {
    for (let at = 0; at < 300; at++) await chain.produce();
    await send(chain);
  });
  const reached: unknown[] = [];
  for (let left = true; left; ) {
    await start(true, async (chain) => {
      const { state, application } = chain;
      await using indexing = buildMissingIndexes({ chain, state, logger, fail });
      // Its first slice is before this in the queue, the second one behind a pause.
      await application.exclusive(() => undefined);
      const stopped = indexing[Symbol.asyncDispose]();
      reached.push(state.unindexed);
      left = state.unindexed !== undefined;
      const hash = await send(chain);
      const answered = (): unknown => state.archive.transaction(hash);
      if (left) expect(toldToClients(answered)).toMatchObject({ rpcCode: -32_000, message: TOLD });
      else for (const { hash: each } of sent) expect(state.archive.transaction(each)).toBeDefined();
      await stopped;
    });
  }
  expect(reached).toEqual([256, undefined]);
  expect(failures).toEqual([]);
  rmSync(directory, { recursive: true, force: true });
});
