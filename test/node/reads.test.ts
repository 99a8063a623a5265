// Heavy reads beside a chain at work: what is small is answered at once, what is not goes to a thread with the same
// answer, is ended at its time cap, and delays neither blocks nor other requests.

import { afterAll, describe, expect, test } from "bun:test";
import { overlayReader } from "#chain/overlay.ts";
import type { AccountOverride, CallRequest } from "#execution/types.ts";
import { fromHex, toHex } from "#lib/bytes.ts";
import { createChainPort } from "#node/chain-port.ts";
import { createPendingSource } from "#node/pending.ts";
import { createGate } from "#node/reads/gate.ts";
import type { Job } from "#node/reads/job.ts";
import { createReads } from "#node/reads/reads.ts";
import { createWorkerPool } from "#node/reads/worker-pool.ts";
import { toQuantity } from "#rpc/encode.ts";
import { toRpcError } from "#rpc/errors.ts";
import { foundLogs } from "#rpc/log-query.ts";
import type { CallAnswer, CallTask, CallView } from "#rpc/ports.ts";
import { type Address, address, EMPTY_CODE_HASH, type Height, hash, height } from "#types/ids.ts";
import { openTestChain, TEST_CHAIN_ID, testAddress, transfer } from "../support/chain.ts";
import { memoryState } from "../support/memory-state.ts";

const CONTRACT = address(`0x${"c0".repeat(20)}`);
const OTHER = address(`0x${"c1".repeat(20)}`);
const slotOf = (n: number) => hash(`0x${n.toString(16).padStart(64, "0")}`);
const TOPIC = slotOf(7);
/** Jumps for ever. */
const LOOP = fromHex("0x5b5f56");
const RULES = { chainId: TEST_CHAIN_ID, transactionGasCap: false };

const chain = openTestChain();
const pendingReads = createReads({
  state: chain.state,
  history: chain.history,
  rules: RULES,
  timeLimit: 10_000,
  workers: 1,
  longReads: createGate(),
});
const port = createChainPort({
  chain,
  state: chain.state,
  now: () => 0,
  pending: createPendingSource({
    drafts: chain.pending,
    pool: chain.pool,
    now: () => 0,
    monotonic: () => performance.now(),
    share: 1,
    sleep: Bun.sleep,
    execute: pendingReads.pending,
  }),
  estimatesPending: true,
});
const viewOf = async (at: Height | "latest" | "pending"): Promise<CallView> =>
  at === "pending" ? (await port.pending()).view : port.view(at);
const reads = (timeLimit: number, workers = 2, longReads = createGate()) =>
  createReads({ state: chain.state, history: chain.history, rules: RULES, timeLimit, workers, longReads });
/** One thread, and room for `queue` jobs that wait for it. */
const oneThread = (queue: number, path = chain.state.path) =>
  createWorkerPool({ workers: 1, queue, idle: 10_000, boot: { path, rules: RULES } });
afterAll(() => {
  pendingReads[Symbol.dispose]();
  chain.close();
});

function task(code: Uint8Array, view: CallView = port.view("latest"), gas = 10n ** 12n): CallTask {
  return {
    view,
    request: { from: testAddress(0), to: CONTRACT, gas, gasPrice: 0n, value: 0n, data: new Uint8Array(0) },
    stateOverrides: new Map([[CONTRACT, { code }]]),
    blockOverrides: undefined,
  };
}

const codeOf = (error: unknown): string => (error as { code: string }).code;
/** Counts down from `n`, then returns NUMBER: the same answer however long it took. */
const countdown = (n: number): Uint8Array =>
  fromHex(`0x62${n.toString(16).padStart(6, "0")}5b6001900380600457435f5260205ff3`);

describe("a read in a thread", () => {
  test("answers as it does inline, at the newest height and at old ones", async () => {
    using small = reads(10_000);
    await chain.produce();
    await chain.produce();
    for (const at of ["latest", height(1), "pending"] as const) {
      const view = await viewOf(at);
      const quick = await small.call(task(countdown(2), view));
      const slow = await small.call(task(countdown(200_000), view));
      expect(quick.status).toBe("success");
      expect(slow).toMatchObject({ status: "success" });
      if (quick.status !== "success" || slow.status !== "success") throw new Error("unreachable");
      expect(toHex(slow.output)).toBe(toHex(quick.output));
    }
  }, 30_000);

  test("estimates and access lists come from there too", async () => {
    using small = reads(20_000);
    const estimate = await small.estimateGas(task(countdown(30_000), port.view("latest"), 30_000_000n));
    expect(estimate).toMatchObject({ status: "estimated" });
    const list = await small.createAccessList(task(countdown(30_000), port.view("latest"), 30_000_000n));
    expect(list).toMatchObject({ status: "listed", call: { status: "success" } });
  }, 30_000);

  test("sees the blocks that replaced others after a rollback", async () => {
    using small = reads(10_000, 1);
    const slowParentHash = fromHex("0x62030d405b600190038060045760014303405f5260205ff3");
    const parentHash = async (): Promise<string> => {
      const answer = await small.call(task(slowParentHash));
      if (answer.status !== "success") throw new Error(answer.status);
      return toHex(answer.output);
    };
    const first = await chain.produce();
    await chain.produce();
    expect(await parentHash()).toBe(first.hash);
    chain.state.rollback(height(first.header.number - 1));
    chain.history.clear();
    chain.ledger.reset();
    chain.pool.add(transfer({ from: 0, nonce: 0 }));
    const other = await chain.produce();
    await chain.produce();
    expect(other.hash).not.toBe(first.hash);
    expect(await parentHash()).toBe(other.hash);
  }, 30_000);

  test("logs of a wide range", async () => {
    using small = reads(10_000);
    // Creations that emit LOG1 with topic 7 and two bytes of data, and nothing else.
    const data = fromHex("0x600760025fa1");
    for (const nonce of [0, 1]) {
      chain.pool.add(transfer({ from: 3, nonce, to: undefined, value: 0n, gas: 100_000n, data }));
      await chain.produce();
    }
    const { number } = chain.ledger.tip().header;
    const range = { from: height(0), to: number, addresses: [], topics: [[TOPIC]] };
    const query = { ...range, limit: 10, maxDataBytes: 1_000 };
    const found = await small.logs(query);
    expect(JSON.parse(found.json)).toMatchObject([
      { blockNumber: toQuantity(number - 1), topics: [TOPIC], data: "0x0000" },
      { blockNumber: toQuantity(number), topics: [TOPIC], data: "0x0000" },
    ]);
    expect(found).toEqual(foundLogs(query, chain.history.logs(query)));
    const two = { count: 2, dataBytes: 4, last: number, json: "" };
    expect(await small.logs({ ...query, limit: 1 })).toEqual(two);
    expect(await small.logs({ ...query, maxDataBytes: 3 })).toEqual(two);
  }, 30_000);
});

describe("a read that is large before it runs", () => {
  const wide = (n: number) => new Map(Array.from({ length: n }, (_, i) => [slotOf(i), slotOf(1)] as const));
  const overriding = (override: AccountOverride): CallTask => ({
    ...task(countdown(2)),
    stateOverrides: new Map([
      [CONTRACT, { code: countdown(2) }],
      [OTHER, override],
    ]),
  });
  const asking = (fields: Partial<CallRequest>): CallTask => {
    const small = task(countdown(2));
    return { ...small, request: { ...small.request, ...fields } };
  };
  const tuple = { chainId: 0n, address: OTHER, nonce: 0n, yParity: 0n, r: 1n, s: 1n };
  const LARGE: readonly (readonly [string, CallTask])[] = [
    ["slots", overriding({ stateDiff: wide(1_000) })],
    ["a whole storage", overriding({ state: wide(1_000) })],
    ["code without a jump", overriding({ code: new Uint8Array(100_000) })],
    ["an access list", asking({ accessList: [{ address: OTHER, storageKeys: [...wide(1_000).keys()] }] })],
    ["authorizations", asking({ authorizationList: Array(50).fill(tuple) })],
    ["calldata", asking({ data: new Uint8Array(1_100_000) })],
    ["initcode without a jump", asking({ to: undefined, data: new Uint8Array(100_000) })],
  ];

  // A pool that is closed takes nothing: what is answered was answered inline.
  test.each(LARGE)("never begins between two blocks: %s", async (_, large) => {
    const closed = reads(10_000);
    closed[Symbol.dispose]();
    expect(await closed.call(task(countdown(2)))).toMatchObject({ status: "success" });
    expect(await closed.call(large).catch(codeOf)).toBe("READS_CLOSED");
  });
});

test("a long call is decoded where it runs: with the same answer, or the error of whoever decodes", async () => {
  using small = reads(10_000);
  const quick = await small.call(task(countdown(2)));
  const terms = { chainId: TEST_CHAIN_ID, gasCap: 10n ** 12n, usualGas: 10n ** 12n, leastGas: 0n };
  const view = port.view("latest");
  const ask = (...parameters: unknown[]) =>
    small.long.call({ view, terms, parameters: JSON.stringify(parameters) });
  const call = { from: testAddress(0), to: CONTRACT };
  expect(await ask(call, "latest", { [CONTRACT]: { code: toHex(countdown(2)) } })).toEqual(quick);
  const refusals = [
    ask(),
    ask(call, "latest", { "0x1": {} }),
    small.long.call({ view, terms, parameters: "[}" }),
  ];
  const told = await Promise.all(refusals.map((refused) => refused.catch(toRpcError)));
  expect(told).toMatchObject([
    { rpcCode: -32602, message: "missing value for required argument 0" },
    { rpcCode: -32602, message: "invalid argument 2: hex string has length 1, want 40 for address" },
    { rpcCode: -32700, message: "parse error" },
  ]);
}, 30_000);

test("a log query stands behind the gate once it has a thread, not while it waits for one", async () => {
  const gate = createGate();
  const story: string[] = [];
  const told = (name: string, answer: Promise<unknown>): Promise<unknown> =>
    answer.catch(codeOf).then((value) => {
      story.push(name);
      return value;
    });
  const capped = reads(300, 1, gate);
  const terms = { chainId: TEST_CHAIN_ID, gasCap: 10n ** 12n, usualGas: 10n ** 12n, leastGas: 0n };
  const call = { from: testAddress(0), to: CONTRACT };
  const parameters = JSON.stringify([call, "latest", { [CONTRACT]: { code: toHex(LOOP) } }]);
  const endless = told("call", capped.long.call({ view: port.view("latest"), terms, parameters }));
  const range = { from: height(0), to: height(0), addresses: [], topics: [] };
  const query = { ...range, limit: 10, maxDataBytes: 1_000 };
  const logs = told("logs", capped.logs(query));
  const held = Promise.withResolvers<void>();
  const closed = gate.whenEmpty(async () => {
    story.push("closed");
    await held.promise;
  });
  // The thread is the query's now, which begins when the gate opens.
  expect(await endless).toBe("CALL_TIMEOUT");
  expect(story).toEqual(["closed", "call"]);
  held.resolve();
  await closed;
  expect(await logs).toMatchObject({ count: 0 });
  // The pool's end is that of a query that waits at the gate, too.
  void gate.whenEmpty(() => new Promise(() => undefined));
  const last = capped.logs(query).catch(codeOf);
  capped[Symbol.dispose]();
  expect(await last).toBe("READS_CLOSED");
}, 30_000);

test("a thread that is lost is answered for and replaced", async () => {
  const pool = oneThread(4);
  // What cannot be sent to a thread ends it; those that wait behind get another one.
  const broken = { kind: "call", task: { ...task(countdown(2)), view: () => undefined } } as unknown as Job;
  const sound: Job = { kind: "call", task: task(countdown(2)) };
  const answers = await Promise.all([
    pool.run(sound, 10_000),
    pool.run(broken, 10_000).catch(codeOf),
    pool.run(sound, 10_000),
    pool.run(sound, 10_000),
  ]);
  const told = answers.map((answer) => (typeof answer === "string" ? answer : (answer as CallAnswer).status));
  expect(told).toEqual(["success", "READS_DIED", "success", "success"]);
  pool.close();
}, 30_000);

test("a thread that cannot open the store says so, and the next job tries again", async () => {
  const pool = oneThread(4, `${chain.state.path}.missing`);
  const sound: Job = { kind: "call", task: task(countdown(2)) };
  for (let round = 0; round < 2; round++) {
    expect(await pool.run(sound, 10_000).catch(codeOf)).toBe("STATE_OPEN");
  }
  pool.close();
}, 30_000);

describe("a read without end", () => {
  test("is ended at the time cap, and the next one is answered", async () => {
    using capped = reads(150, 1);
    const started = performance.now();
    const error = await capped.call(task(LOOP)).catch((thrown: unknown) => thrown);
    expect(codeOf(error)).toBe("CALL_TIMEOUT");
    expect((error as Error).message).toBe("execution aborted (timeout = 0.15s)");
    expect(performance.now() - started).toBeGreaterThan(140);
    expect(await capped.call(task(countdown(2)))).toMatchObject({ status: "success" });
  }, 30_000);

  test("of ten seconds delays neither blocks nor other reads", async () => {
    using patient = reads(10_000);
    const started = performance.now();
    const endless = patient.call(task(LOOP)).catch(codeOf);
    let ended = false;
    void endless.then(() => {
      ended = true;
    });
    let blocks = 0;
    let slowestRead = 0;
    let slowestBlock = 0;
    while (!ended) {
      const before = performance.now();
      expect(port.head().header.number as number).toBeGreaterThan(0);
      expect(await patient.call(task(countdown(3)))).toMatchObject({ status: "success" });
      const middle = performance.now();
      await chain.produce();
      slowestRead = Math.max(slowestRead, middle - before);
      slowestBlock = Math.max(slowestBlock, performance.now() - middle);
      blocks++;
      await Bun.sleep(50);
    }
    expect(await endless).toBe("CALL_TIMEOUT");
    expect(performance.now() - started).toBeGreaterThan(9_900);
    expect(blocks).toBeGreaterThan(20);
    // A block or a read that waited for the call would have taken seconds; the bound leaves room for a busy machine.
    expect(slowestRead).toBeLessThan(1_500);
    expect(slowestBlock).toBeLessThan(1_500);
  }, 40_000);

  test("many of them are bounded: some run, some wait, the rest are told", async () => {
    const pool = oneThread(2);
    const job = { kind: "call", task: task(LOOP) } as const;
    const codes = await Promise.all(Array.from({ length: 5 }, () => pool.run(job, 100).catch(codeOf)));
    expect(codes).toEqual(["CALL_TIMEOUT", "CALL_TIMEOUT", "CALL_TIMEOUT", "READS_BUSY", "READS_BUSY"]);
    const last = pool.run(job, 10_000).catch(codeOf);
    pool.close();
    expect(await last).toBe("READS_CLOSED");
    expect(await pool.run(job, 100).catch(codeOf)).toBe("READS_CLOSED");
  }, 30_000);
});

test("what changes above a state is read before it", () => {
  const [kept, changed, removed, reborn] = [1, 2, 3, 4].map((n) => address(`0x${`0${n}`.repeat(20)}`)) as [
    Address,
    Address,
    Address,
    Address,
  ];
  const slot = hash(`0x${"01".repeat(32)}`);
  const plain = {
    nonce: 1n,
    balance: 1n,
    code: new Uint8Array(0),
    storage: new Map([[slot, Uint8Array.of(1)]]),
  };
  const base = memoryState([kept, changed, removed, reborn].map((at) => [at, plain]));
  const account = { nonce: 2n, balance: 2n, codeHash: EMPTY_CODE_HASH };
  const changes = {
    accounts: new Map([
      [changed, { account, reset: false, storage: new Map([[slot, Uint8Array.of(2)]]) }],
      [removed, { account: undefined, reset: true, storage: new Map() }],
      [reborn, { account, reset: true, storage: new Map() }],
    ]),
    code: new Map(),
  };
  const over = overlayReader(base, changes);
  const model = base.copy();
  model.apply(changes);
  for (const at of [kept, changed, removed, reborn, CONTRACT]) {
    expect(over.account(at)).toEqual(model.account(at));
    expect(over.storage(at, slot)).toEqual(model.storage(at, slot));
    expect(over.hasStorage(at)).toBe(model.hasStorage(at));
  }
});

test("a transfer is exactly 21000", async () => {
  using small = reads(5_000);
  const { tx } = transfer({ from: 0, nonce: 0 });
  const view = port.view("latest");
  const request = {
    from: testAddress(0),
    to: tx.to,
    gas: 30_000_000n,
    gasPrice: 0n,
    value: 1n,
    data: tx.data,
  };
  const answer = await small.estimateGas({
    view,
    request,
    stateOverrides: undefined,
    blockOverrides: undefined,
  });
  expect(answer).toEqual({ status: "estimated", gas: 21_000n });
});
