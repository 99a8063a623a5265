// When the pending block is built anew: never two builds at a time, never an answer older than the question, and no
// more time than its share.
import { afterAll, describe, expect, test } from "bun:test";
import type { PendingOutcome, PendingTask } from "#chain/pending-block.ts";
import { KoraError } from "#lib/error.ts";
import { createPendingSource, PENDING_SHARE } from "#node/pending.ts";
import { createGate } from "#node/reads/gate.ts";
import { opened, parcelOf } from "#node/reads/parcel.ts";
import { createReads } from "#node/reads/reads.ts";
import { oneOfEach } from "../rpc/fake-node.ts";
import { openTestChain, TEST_CHAIN_ID, testAddress, testGenesis, transfer } from "../support/chain.ts";

const chain = openTestChain({ genesis: testGenesis(100) });
const reads = createReads({
  state: chain.state,
  history: chain.history,
  rules: { chainId: TEST_CHAIN_ID, transactionGasCap: false },
  timeLimit: 20_000,
  workers: 1,
  longReads: createGate(),
});
afterAll(() => {
  reads[Symbol.dispose]();
  chain.close();
});

let nonce = 0;
/** One more transaction waits. */
function send(): void {
  expect(chain.pool.add(transfer({ from: 0, nonce: nonce++ })).kind).toBe("accepted");
}

/** A source whose builds end when the test says. */
function stage(share = PENDING_SHARE) {
  const clock = { seconds: 0, ms: 0 };
  const builds: { readonly task: PendingTask; end(): Promise<void>; fail(): void }[] = [];
  const waits: number[] = [];
  let atOnce = 0;
  const execute = (task: PendingTask): Promise<PendingOutcome> => {
    const { promise, resolve, reject } = Promise.withResolvers<PendingOutcome>();
    atOnce++;
    expect(atOnce).toBe(1);
    builds.push({
      task,
      async end() {
        const outcome = await reads.pending(task);
        atOnce--;
        resolve(outcome);
      },
      fail() {
        atOnce--;
        reject(new KoraError("too slow", { code: "CALL_TIMEOUT" }));
      },
    });
    return promise;
  };
  const get = createPendingSource({
    drafts: chain.pending,
    pool: chain.pool,
    now: () => clock.seconds,
    monotonic: () => clock.ms,
    share,
    async sleep(ms) {
      waits.push(ms);
      clock.ms += ms;
    },
    execute,
  });
  /** The build that runs, once it does. */
  const build = async (index: number) => {
    for (let turn = 0; turn < 50 && builds[index] === undefined; turn++) await Promise.resolve();
    const found = builds[index];
    if (found === undefined) throw new Error(`build ${index} did not begin`);
    return found;
  };
  return { get, builds, build, clock, waits };
}

describe("the pending block", () => {
  test("is built once for all who ask at a time, and kept while nothing changes", async () => {
    const { get, builds, build } = stage();
    const asked = [get(), get()];
    await (await build(0)).end();
    const [first, second] = await Promise.all(asked);
    expect(second).toBe(first);
    expect(await get()).toBe(first as never);
    expect(builds.length).toBe(1);
  });

  test("holds what was sent before it was asked for, also while another is being built", async () => {
    const { get, builds, build } = stage();
    const before = get();
    const first = await build(0);
    send();
    const after = [get(), get()];
    await first.end();
    await (await build(1)).end();
    const [a, b] = await Promise.all(after);
    expect(b).toBe(a);
    expect(a?.transactions.length).toBe((await before).transactions.length + 1);
    expect(builds.length).toBe(2);
  });

  test("is of the second in which it is asked for, and of the inputs that wait", async () => {
    const { get, build, clock } = stage();
    const first = get();
    await (await build(0)).end();
    clock.seconds = 5_000;
    const second = get();
    await (await build(1)).end();
    expect((await second).header.timestamp).toBe(5_000);
    expect((await first).header.timestamp).toBeLessThan(5_000);
    chain.inputs.write({ address: testAddress(50), balance: 7n });
    const third = get();
    await (await build(2)).end();
    expect((await third).view.overlay?.accounts.get(testAddress(50))?.account?.balance).toBe(7n);
    chain.inputs.clear();
  });

  /** Sends one more and asks, `count` times; each build takes `ms`. Answers the part of the time that building took. */
  async function hurry({ get, builds, build, clock }: ReturnType<typeof stage>, count: number, ms: number) {
    const since = clock.ms;
    for (let left = count; left > 0; left--) {
      send();
      const index = builds.length;
      const asked = get();
      const running = await build(index);
      clock.ms += ms;
      await running.end();
      expect((await asked).transactions.at(-1)?.tx.nonce).toBe(BigInt(nonce - 1));
    }
    return (count * ms) / (clock.ms - since);
  }

  test("takes its share of the time: past a burst those who ask wait, never for long, and see all they sent", async () => {
    const set = stage();
    expect(await hurry(set, 6, 100)).toBe(1);
    expect(set.waits).toEqual([]);
    const share = await hurry(set, 40, 100);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
    await hurry(set, 1, 60_000);
    set.waits.length = 0;
    await chain.produce();
    await hurry(set, 2, 1);
    expect(set.waits[0]).toBe(2_000);
    expect(set.waits[1] ?? 0).toBeLessThan(10);
  });

  test("takes all of the time where nothing else suffers", async () => {
    const set = stage(1);
    expect(await hurry(set, 20, 1_000)).toBe(1);
    expect(set.waits).toEqual([]);
  });

  test("that could not be built is told to all who asked, and tried again by the next", async () => {
    const { get, build } = stage();
    const codes = [get(), get()].map((asked) => asked.catch((thrown: KoraError) => thrown.code));
    (await build(0)).fail();
    expect(await Promise.all(codes)).toEqual(["CALL_TIMEOUT", "CALL_TIMEOUT"]);
    const running = get();
    const second = await build(1);
    send();
    const waiting = get();
    const failed = running.catch((thrown: KoraError) => thrown.code);
    second.fail();
    expect(await failed).toBe("CALL_TIMEOUT");
    await (await build(2)).end();
    expect((await waiting).transactions.length).toBeGreaterThan(0);
  });
});

test("transactions of every type come out of a parcel as they went in", () => {
  const each = [...oneOfEach(0n), ...oneOfEach(9n)];
  expect([...opened(parcelOf(each))]).toEqual(each);
  expect([...opened(parcelOf([]))]).toEqual([]);
});

test("a thread executes a pending block as the event loop would", async () => {
  for (let from = 1; from < 100; from++) {
    expect(chain.pool.add(transfer({ from, nonce: 0, gas: 50_000n })).kind).toBe("accepted");
  }
  const task = chain.pending.begin(0).task();
  const there = await reads.pending(task);
  // The same transactions, too small to be worth a thread, in blocks of a few.
  const few = await reads.pending({ ...task, candidates: task.candidates.slice(0, 3) });
  expect(few.included).toEqual([0, 1, 2]);
  const block = await chain.produce();
  expect({ ...there.header, stateRoot: block.header.stateRoot }).toEqual(block.header);
  expect(there.included.map((at) => task.candidates[at]?.hash)).toEqual(
    block.transactions.map(({ hash }) => hash),
  );
  for (const [at, { account }] of there.changes.accounts) {
    expect(chain.state.latest().account(at)).toMatchObject({ ...account });
  }
}, 30_000);
