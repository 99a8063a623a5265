// Bringing a chain to what is final: in small commits between which others have their turn, the next run on its way
// meanwhile, one answer wrong or missing after the other, and an end that leaves nothing running.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Backfill, Found } from "#node/validators/backfill.ts";
import { createMarshal } from "#node/validators/marshal.ts";
import type { RunStart, VerifiedRun } from "#node/validators/runs.ts";
import type { Block } from "#types/block.ts";
import type { Hash } from "#types/ids.ts";
import { openTestChain, type TestChain, transfer } from "../../support/chain.ts";
import { type FinalChain, makeFinalChain } from "../../support/finality.ts";
import { until } from "../../support/kora.ts";

const BLOCKS = 100;
let source: FinalChain;
beforeAll(async () => {
  source = await makeFinalChain(BLOCKS, 10);
});
afterAll(() => source.chain.close());

const wireOf = ({ header, transactions, hash }: Block) => ({
  wire: { header, transactions: transactions.map(({ raw }) => raw) },
  hash,
});
/** Blocks above `from` up to and including `to`. */
function runOf(from: number, to: number, finalHeight = to): VerifiedRun {
  const blocks = source.blocks.slice(from, to);
  const last = blocks.at(-1);
  const certificate = last && finalHeight === to ? source.certify(last) : undefined;
  return { blocks: blocks.map(wireOf), certificate, finalHeight };
}
const EXHAUSTED: Found = { kind: "exhausted" };
const SILENCE: Found = { kind: "silence" };
const found = (run: VerifiedRun): Found => ({ kind: "run", run });

/** A backfill that gives one prepared answer after the other, and the last of them for ever. */
function scripted(...answers: readonly Found[]): Backfill & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    next(start: RunStart, signal: AbortSignal) {
      const answer = answers[Math.min(asked.length, answers.length - 1)] as Found;
      asked.push(start.height);
      return signal.aborted ? Promise.resolve(SILENCE) : Promise.resolve(answer);
    },
  };
}

/** A chain that writes down what it commits. */
function watched(): { readonly chain: TestChain; readonly committed: Hash[]; readonly height: () => number } {
  const chain = openTestChain();
  const committed: Hash[] = [];
  const { application } = chain;
  const watching = {
    ...chain,
    application: {
      ...application,
      finalize: (digest: Hash, evidence: Parameters<typeof application.finalize>[1]) => {
        committed.push(digest);
        return application.finalize(digest, evidence);
      },
    },
  };
  return { chain: watching, committed, height: () => chain.ledger.tip().header.number };
}

test("a run is committed a few blocks at a time, the certificate with the last", async () => {
  const { chain, committed, height } = watched();
  let turns = 0;
  const others = setInterval(() => turns++, 0);
  await createMarshal(chain, scripted(EXHAUSTED)).apply(runOf(0, BLOCKS));
  clearInterval(others);
  expect(height()).toBe(BLOCKS);
  expect(committed).toEqual([32, 64, 96, BLOCKS].map((at) => source.blocks[at - 1]!.hash));
  expect(turns).toBeGreaterThanOrEqual(committed.length - 1);
  expect(chain.history.certificate(source.blocks[BLOCKS - 1]!.header.number)).toBeDefined();
  chain.close();
});

test("blocks that cost much are committed one by one", async () => {
  const busy = openTestChain();
  const blocks: Block[] = [];
  for (let nonce = 0; nonce < 3; nonce++) {
    const spend = { from: 1, nonce, to: undefined, gas: 5_000_000n };
    // INVALID: burns all its gas at once.
    const burner = transfer({ ...spend, data: Uint8Array.of(0xfe) });
    expect((await busy.service.submitTx(burner.raw)).kind).toBe("accepted");
    blocks.push(await busy.produce());
  }
  const { chain, committed } = watched();
  const run = { blocks: blocks.map(wireOf), certificate: undefined, finalHeight: 3 };
  await createMarshal(chain, scripted(EXHAUSTED)).apply(run);
  expect(committed).toEqual(blocks.map(({ hash }) => hash));
  chain.close();
  busy.close();
});

test("what is known already, and what does not follow the tip, is left alone", async () => {
  const { chain, committed, height } = watched();
  const sync = createMarshal(chain, scripted(EXHAUSTED));
  await sync.apply(runOf(0, 20));
  await sync.apply(runOf(10, 20));
  await sync.apply(runOf(30, 40));
  expect([height(), committed.length]).toEqual([20, 1]);
  await sync.apply(runOf(10, 40));
  expect(height()).toBe(40);
  chain.close();
});

test("the next run is asked for while one is committed, and progress names what is known to be final", async () => {
  const { chain, height } = watched();
  const backfill = scripted(found(runOf(0, 40, 60)), found(runOf(40, 60)), EXHAUSTED);
  const sync = createMarshal(chain, backfill);
  expect(sync.progress()).toBeUndefined();
  const reaching = sync.reach(60);
  expect(sync.progress()).toEqual({ startingBlock: 0, currentBlock: 0, highestBlock: 60 } as never);
  await until("the second request", () => backfill.asked.length === 2);
  expect(height()).toBeLessThan(40);
  await reaching;
  expect(height()).toBe(60);
  expect(sync.progress()).toBeUndefined();
  expect(backfill.asked.slice(0, 2)).toEqual([0, 40]);
  chain.close();
});

test("peers that are silent are asked until somebody answers; one that has no more ends it", async () => {
  const { chain, height } = watched();
  await createMarshal(chain, scripted(SILENCE, SILENCE, found(runOf(0, 10)), EXHAUSTED)).reach(10);
  expect(height()).toBe(10);
  await createMarshal(chain, scripted(SILENCE, found(runOf(10, 20)), EXHAUSTED)).reach(30);
  expect(height()).toBe(20);
  chain.close();
});

test("exhausting tells whether anybody answered", async () => {
  const { chain, height } = watched();
  expect(await createMarshal(chain, scripted(SILENCE)).exhaust()).toBeFalse();
  expect(await createMarshal(chain, scripted(found(runOf(0, 10)), EXHAUSTED)).exhaust()).toBeTrue();
  expect(height()).toBe(10);
  chain.close();
});

test("a block of others is committed while peers let this node wait", async () => {
  const { chain, height } = watched();
  const { promise: never } = Promise.withResolvers<Found>();
  const sync = createMarshal(chain, { next: () => never });
  void sync.exhaust();
  await sync.apply(runOf(0, 1));
  expect(height()).toBe(1);
  chain.close();
});

test("disposing ends what is under way between two commits", async () => {
  const { chain, committed, height } = watched();
  const sync = createMarshal(chain, scripted(found(runOf(0, BLOCKS)), EXHAUSTED));
  const reaching = sync.reach(BLOCKS);
  await until("the first commit", () => committed.length > 0);
  await sync[Symbol.asyncDispose]();
  await reaching;
  const [left, at] = [committed.length, height()];
  expect(left).toBeLessThan(4);
  await Bun.sleep(0);
  expect([committed.length, height()]).toEqual([left, at]);
  chain.close();
});

test("a final block that cannot be reproduced is this node's own fault", async () => {
  const { chain } = watched();
  const { header, hash } = source.blocks[0]!;
  const wire = { header, transactions: [transfer({ from: 0, nonce: 0 }).raw] };
  const sync = createMarshal(chain, scripted(EXHAUSTED));
  const stuffed = { blocks: [{ wire, hash }], certificate: undefined };
  await expect(sync.apply(stuffed)).rejects.toMatchObject({ code: "STATE_DIVERGED", exitCode: 3 });
  chain.close();
});
