// A node that served no RPC for a while: what queries need of those blocks is built when it is opened with RPC again.
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "#node/log.ts";
import { buildMissingIndexes } from "#node/missing-indexes.ts";
import { openStateDb } from "#state/state.ts";
import { height } from "#types/ids.ts";
import { openTestChain, type TestChain, testAddress, transfer } from "../support/chain.ts";

const directory = mkdtempSync(join(tmpdir(), "kora-test-indexes-"));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("transactions of blocks that were committed without indexes are found once these are on again", async () => {
  const logger = createLogger({ level: "silent", format: "json" });
  const signed = Array.from({ length: 6 }, (_, nonce) => transfer({ from: 1, nonce }));
  const open = (indexes: boolean): TestChain => {
    const chain = openTestChain({ directory, state: openStateDb({ directory, indexes }) });
    buildMissingIndexes(chain.state, chain.history, logger);
    return chain;
  };
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
    const upTo = (count: number): string[] =>
      signed
        .slice(0, count)
        .map(({ hash }) => hash)
        .reverse();
    if (indexes) expect(found(chain)).toEqual(upTo(next));
    await chain.service.submitTx(signed[next]!.raw);
    next++;
    await chain.produce();
    expect(chain.state.lacksIndexes).toBe(false);
    if (indexes) expect(found(chain)).toEqual(upTo(next));
    else expect(chain.state.archive.transaction(signed[next - 1]!.hash)).toBeUndefined();
    chain.close();
  }
});
