// What the methods answer over a chain of known blocks: logs and their bounds, filters, fees, calls, filling.
import { describe, expect, test } from "bun:test";
import { fromHex, toHex } from "#lib/bytes.ts";
import { createTipOracle } from "#rpc/eth-fees.ts";
import { createFilterStore, createHashRing } from "#rpc/filters.ts";
import { DEFAULT_RPC_LIMITS, INLINE_LOGS } from "#rpc/limits.ts";
import type { CallTask } from "#rpc/ports.ts";
import type { Block } from "#types/block.ts";
import { type Height, hash } from "#types/ids.ts";
import { oneOfEach, SENDER, signed, succeeded, TOKEN, TOPIC } from "./fake-node.ts";
import { harness } from "./harness.ts";

const word = (n: number): string => `0x${n.toString(16).padStart(64, "0")}`;

describe("logs", () => {
  const { node, result, error } = harness({ maxLogRange: 50, maxLogResults: 10 });
  for (let i = 0; i < 60; i++) node.mine(i === 20 ? oneOfEach(10n) : []);
  const count = async (filter: object): Promise<number> =>
    ((await result("eth_getLogs", filter)) as unknown[]).length;

  test("by range, address, topics and block hash", async () => {
    expect(await count({ fromBlock: "0x0", toBlock: "0x5" })).toBe(3);
    expect(await count({ fromBlock: "0x3", toBlock: "0x5" })).toBe(0);
    expect(await count({ fromBlock: "0x2", toBlock: "0x30", address: [SENDER, TOKEN] })).toBe(6);
    expect(await count({ fromBlock: "0x2", toBlock: "0x30", address: SENDER })).toBe(0);
    expect(await count({ fromBlock: "0x2", toBlock: "0x2", topics: [[TOPIC, word(1)], word(7)] })).toBe(3);
    expect(await count({ fromBlock: "0x2", toBlock: "0x2", topics: [null, word(8)] })).toBe(0);
    expect(await count({ blockHash: node.blocks[2]?.hash })).toBe(3);
    expect(await count({ fromBlock: "earliest", toBlock: "0x2" })).toBe(3);
    expect(await count({})).toBe(0);
  });

  test.each([
    [{ blockHash: word(1) }, "-32000 unknown block"],
    [{ fromBlock: "0x5", toBlock: "0x4" }, "-32602 invalid block range params"],
    [{ fromBlock: "0x5", toBlock: "0xfff" }, "-32602 block range extends beyond current head block"],
    [{ fromBlock: "0xfff" }, "-32602 block range extends beyond current head block"],
    [{ fromBlock: "0x1", blockHash: word(1) }, /can't specify fromBlock\/toBlock with blockHash/],
    [{ topics: [null, null, null, null, null] }, /exceed max topics/],
    [{ address: Array(1_001).fill(TOKEN) }, /exceed max addresses or topics per search position/],
    [{ topics: [Array(1_001).fill(TOPIC)] }, /exceed max addresses or topics per search position/],
    [{ topics: "0x" }, /topics must be an array/],
    [{ address: 1 }, /^-32602 invalid argument 0: address/],
  ] as [object, string | RegExp][])("%j", async (filter, expected) => {
    const found = await error("eth_getLogs", filter);
    if (typeof expected === "string") expect(found).toBe(expected);
    else expect(found).toMatch(expected);
  });

  test("a range past the bound names one that is not, as Ponder and graph-node parse it", async () => {
    expect(await error("eth_getLogs", { fromBlock: "0x1", toBlock: "latest" })).toBe(
      "-32602 query exceeds max block range 50 (block range too large). Try with this block range [0x1, 0x32]",
    );
    for (let i = 0; i < 3; i++) node.mine(oneOfEach(20n));
    for (let i = 0; i < 3; i++) node.mine(oneOfEach(30n));
    const from = node.blocks.length - 6;
    const wide = await error("eth_getLogs", { fromBlock: `0x${from.toString(16)}`, toBlock: "latest" });
    const retry = /Try with this block range \[(0x[0-9a-f]+), (0x[0-9a-f]+)\]/.exec(wide);
    expect(wide).toContain("query exceeds max results 10 (block range too large)");
    expect(await count({ fromBlock: retry?.[1], toBlock: retry?.[2] })).toBeGreaterThan(0);
  });
});

test("logs that would make too large an answer are refused with half the range", async () => {
  const { node, error } = harness({ maxResponseBytes: 3 });
  node.mine(oneOfEach(10n));
  expect(await error("eth_getLogs", { fromBlock: "0x0", toBlock: "latest" })).toBe(
    "-32602 query exceeds max response size 3 (block range too large). Try with this block range [0x0, 0x1]",
  );
});

test("a query that finds much is answered by a thread, however few its blocks are", async () => {
  const { node, result } = harness();
  const { logs } = node.calls;
  let asked = 0;
  node.calls.logs = (query) => {
    asked++;
    return logs(query);
  };
  const all = async (): Promise<unknown[]> =>
    (await result("eth_getLogs", { fromBlock: `0x${(node.blocks.length - 1).toString(16)}` })) as unknown[];
  // Three logs in each of them.
  const mine = (times: number) => node.mine(Array.from({ length: times }, () => oneOfEach(10n)).flat());
  mine(Math.floor(INLINE_LOGS / 3));
  expect([(await all()).length, asked]).toEqual([INLINE_LOGS - (INLINE_LOGS % 3), 0]);
  mine(Math.floor(INLINE_LOGS / 3) + 1);
  expect([(await all()).length, asked]).toEqual([INLINE_LOGS - (INLINE_LOGS % 3) + 3, 1]);
});

describe("filters", () => {
  test("block, log and pending filters answer what is new since the last poll", async () => {
    const { node, result, error } = harness();
    const blocks = await result("eth_newBlockFilter");
    const logs = await result("eth_newFilter", { address: TOKEN });
    const pending = await result("eth_newPendingTransactionFilter");
    const full = await result("eth_newPendingTransactionFilter", true);
    for (const id of [blocks, logs, pending, full])
      expect(await result("eth_getFilterChanges", id)).toEqual([]);
    const transactions = oneOfEach(50n);
    for (const transaction of transactions) node.wait(transaction);
    expect(await result("eth_getFilterChanges", pending)).toEqual(transactions.map((t) => t.hash));
    const first = node.mine(transactions);
    const second = node.mine([]);
    expect(await result("eth_getFilterChanges", blocks)).toEqual([first.hash, second.hash]);
    expect(await result("eth_getFilterChanges", blocks)).toEqual([]);
    expect(await result("eth_getFilterChanges", logs)).toHaveLength(3);
    expect(await result("eth_getFilterChanges", logs)).toEqual([]);
    expect(await result("eth_getFilterLogs", logs)).toHaveLength(0);
    expect(await result("eth_getFilterChanges", full)).toMatchObject(
      transactions.map(({ hash }) => ({ hash })),
    );
    expect(await error("eth_getFilterLogs", blocks)).toBe("-32000 filter not found");
    expect(await result("eth_uninstallFilter", blocks)).toBe(true);
    expect(await result("eth_uninstallFilter", blocks)).toBe(false);
    expect(await error("eth_getFilterChanges", blocks)).toBe("-32000 filter not found");
  });

  test("filters are bounded in number and forgotten when nobody polls", () => {
    let now = 0;
    const store = createFilterStore({ ...DEFAULT_RPC_LIMITS, maxFilters: 3, filterIdle: 100 }, () => now);
    const make = (): string => store.install({ kind: "block", cursor: 0 });
    const ids = [make(), make(), make()];
    store.use(ids[0] as string);
    make();
    expect(store.size).toBe(3);
    expect(() => store.use(ids[1] as string)).toThrow("filter not found");
    now = 50;
    store.use(ids[0] as string);
    now = 120;
    make();
    expect(store.size).toBe(2);
    store.use(ids[0] as string);
    now = 500;
    expect(() => store.use(ids[0] as string)).toThrow("filter not found");
  });

  test("what filters name is bounded too, and the ones idle longest give way", () => {
    const store = createFilterStore(DEFAULT_RPC_LIMITS, () => 0);
    const topics = Array.from({ length: 4 }, () => Array.from({ length: 1_000 }, (_, i) => hash(word(i))));
    const filter = { addresses: [], topics, from: undefined, to: undefined, blockHash: undefined };
    const small = store.install({ kind: "block", cursor: 0 });
    const ids = Array.from({ length: 125 }, () => store.install({ kind: "logs", filter, cursor: 0 }));
    expect(store.size).toBe(126);
    store.use(small);
    store.install({ kind: "logs", filter, cursor: 0 });
    expect(store.size).toBe(126);
    expect(() => store.use(ids[0] as string)).toThrow("filter not found");
    expect(store.use(small)).toEqual({ kind: "block", cursor: 0 });
    expect(store.remove(ids[1] as string)).toBe(true);
    store.install({ kind: "logs", filter, cursor: 0 });
    expect(store.use(ids[2] as string)).toBeDefined();
  });

  test("a filter whose range ends before it begins is refused", async () => {
    const { error } = harness();
    expect(await error("eth_newFilter", { fromBlock: "0x5", toBlock: "0x4" })).toBe(
      "-32602 invalid block range params",
    );
  });

  test("two polls of a filter at once answer each log once", async () => {
    const { node, result } = harness();
    const logs = await result("eth_newFilter", { address: TOKEN });
    for (let i = 0; i < 8; i++) node.mine(i === 2 ? oneOfEach(50n) : []);
    const found = await Promise.all([1, 2, 3].map(() => result("eth_getFilterChanges", logs)));
    expect(found.map((each) => (each as unknown[]).length)).toEqual([3, 0, 0]);
  });

  test("whole pending transactions: dropped ones are left out, and an answer holds what its bound allows", async () => {
    const { node, result } = harness({ maxResponseBytes: 2_500 });
    const full = await result("eth_newPendingTransactionFilter", true);
    const transactions = oneOfEach(50n);
    for (const transaction of transactions) node.wait(transaction);
    const dropped = transactions[1]?.hash;
    node.drop(transactions[1]?.hash as never);
    const hashes: unknown[] = [];
    for (let polls = 0; polls < 10; polls++) {
      const found = (await result("eth_getFilterChanges", full)) as { hash: string }[];
      expect(JSON.stringify(found).length).toBeLessThan(2_500);
      hashes.push(...found.map(({ hash }) => hash));
    }
    expect(hashes).toEqual(transactions.map(({ hash }) => hash).filter((hash) => hash !== dropped));
  });

  test("a ring of hashes forgets the oldest", () => {
    const ring = createHashRing(3);
    const hashes = Array.from({ length: 5 }, (_, i) => hash(word(i)));
    for (const each of hashes) ring.push(each);
    expect(ring.after(0)).toEqual(hashes.slice(2));
    expect(ring.after(4)).toEqual(hashes.slice(4));
    expect(ring.after(5)).toEqual([]);
  });
});

describe("fees", () => {
  test("suggestions come from the blocks", async () => {
    const { node, result } = harness();
    for (let i = 0; i < 25; i++) node.mine([]);
    expect(await result("eth_maxPriorityFeePerGas")).toBe("0x3b9aca00");
    node.mine(oneOfEach(0n));
    // Tips of 2 gwei and more are in the youngest block; 10 gwei is what the legacy ones pay above the base fee.
    expect(BigInt((await result("eth_maxPriorityFeePerGas")) as string)).toBe(2_000_000_000n);
    expect(BigInt((await result("eth_gasPrice")) as string)).toBe(3_000_000_000n);
  });

  test("one absurd tip is not suggested, nor what a producer pays itself", async () => {
    const { node, result } = harness();
    const [legacy] = oneOfEach(0n);
    for (let i = 0; i < 25; i++) node.mine([]);
    node.mine([signed({ ...legacy?.tx, type: 0, gasPrice: 10n ** 18n } as never)]);
    expect(BigInt((await result("eth_maxPriorityFeePerGas")) as string)).toBe(500_000_000_000n);
    const { chain } = node.ports;
    const own = (block: Block): Block => ({ ...block, header: { ...block.header, coinbase: SENDER } });
    const produced = {
      ...chain,
      head: () => own(chain.head()),
      block: (at: Height) => own(chain.block(at) as Block),
    };
    expect(createTipOracle(produced)()).toBe(1_000_000_000n);
  });

  test("a percentile falls on whole gas", async () => {
    const { result } = harness();
    // Tips of 2, 2, 2, 10, 10 and 10 gwei, 50,000 gas each: 50.00001 % are 150,000.03 gas, which geth cuts.
    expect(await result("eth_feeHistory", "0x1", "0x2", [50.00001, 50.001])).toMatchObject({
      reward: [["0x77359400", "0x2540be400"]],
    });
  });

  test("history has one base fee more than blocks, rewards by gas, and bounds", async () => {
    const { result, error } = harness();
    const history = (await result("eth_feeHistory", "0x5", "latest", [0, 50, 100])) as Record<
      string,
      unknown[]
    >;
    expect(history).toMatchObject({ oldestBlock: "0x0", gasUsedRatio: [0, 0, 0.01] });
    expect(history["baseFeePerGas"]).toHaveLength(4);
    expect(history["baseFeePerBlobGas"]).toHaveLength(4);
    expect(history["reward"]?.[2]).toEqual(["0x77359400", "0x77359400", "0x2540be400"]);
    expect(history["reward"]?.[0]).toEqual(["0x0", "0x0", "0x0"]);
    expect(await result("eth_feeHistory", 2, "0x1", [])).toMatchObject({ oldestBlock: "0x0" });
    expect(await result("eth_feeHistory", "3", "pending")).toMatchObject({ oldestBlock: "0x1" });
    expect(await result("eth_feeHistory", "0x0", "latest", [])).toEqual({
      oldestBlock: "0x0",
      gasUsedRatio: [],
    });
    expect(await error("eth_feeHistory", "0x1", "0x99", [])).toBe(
      "-32000 request beyond head block: requested 153, head 2",
    );
    expect(await error("eth_feeHistory", -1, "latest", [])).toStartWith("-32602");
  });
});

describe("calls", () => {
  const setup = () => {
    const made = harness();
    const tasks: CallTask[] = [];
    made.node.calls = {
      ...made.node.calls,
      call: async (task) => {
        tasks.push(task);
        return succeeded(Uint8Array.of(0xab));
      },
      estimateGas: async (task) => {
        tasks.push(task);
        return { status: "estimated", gas: 21_000n };
      },
      createAccessList: async () => ({
        status: "listed",
        accessList: [{ address: TOKEN, storageKeys: [] }],
        call: { ...succeeded(new Uint8Array(0)), status: "halt", halt: "out of gas", gasUsed: 5n },
      }),
    };
    return { ...made, tasks };
  };

  test("a call object is decoded with geth's defaults", async () => {
    const { result, tasks } = setup();
    expect(await result("eth_call", { to: TOKEN, input: "0x0102", from: SENDER, value: "0x5" })).toBe("0xab");
    expect(tasks[0]).toMatchObject({
      request: { from: SENDER, to: TOKEN, gas: 50_000_000n, gasPrice: 0n, value: 5n },
      stateOverrides: undefined,
    });
    expect(await result("eth_call", { data: "0x01", gas: "0xffffffffffff" }, "0x2")).toBe("0xab");
    expect(tasks[1]?.request).toMatchObject({ to: undefined, gas: 50_000_000n });
  });

  test("overrides of state and block", async () => {
    const { result, tasks, error } = setup();
    const state = { balance: "0x1", nonce: "0x2", code: "0x60", stateDiff: { [word(1)]: word(2) } };
    const block = {
      number: "0x9",
      time: "0x8",
      baseFeePerGas: "0x7",
      feeRecipient: TOKEN,
      prevRandao: word(3),
    };
    await result("eth_call", { to: TOKEN }, "latest", { [TOKEN]: state }, block);
    expect(tasks[0]?.stateOverrides?.get(TOKEN)).toEqual({
      balance: 1n,
      nonce: 2n,
      code: fromHex("0x60"),
      stateDiff: new Map([[hash(word(1)), hash(word(2))]]),
    });
    expect(tasks[0]?.blockOverrides).toMatchObject({
      number: 9,
      timestamp: 8,
      baseFeePerGas: 7n,
      coinbase: TOKEN,
    });
    const both = { state: {}, stateDiff: {} };
    expect(await error("eth_call", {}, "latest", { [TOKEN]: both })).toMatch(
      /has both 'state' and 'stateDiff'/,
    );
  });

  test.each([
    [
      { gasPrice: "0x1", maxFeePerGas: "0x1" },
      /both gasPrice and \(maxFeePerGas or maxPriorityFeePerGas\) specified/,
    ],
    [
      { maxFeePerGas: "0x1", maxPriorityFeePerGas: "0x2" },
      /^-32000 max priority fee per gas higher than max fee per gas/,
    ],
    [{ maxFeePerGas: "0x1" }, /^-32000 max fee per gas less than block base fee/],
    [{ gasPrice: "0x1" }, /^-32000 max fee per gas less than block base fee/],
    [{ chainId: "0x1" }, /^-32000 chainId does not match node's \(have=1, want=1337\)/],
  ] as [object, RegExp][])("%j", async (call, expected) => {
    expect(await setup().error("eth_call", call)).toMatch(expected);
  });

  test("reverts are code 3 with the reason in the text and the data as hex", async () => {
    const { node, call } = setup();
    const answers = async (output: string) => {
      const bytes = fromHex(output);
      node.calls = { ...node.calls, call: async () => ({ ...succeeded(bytes), status: "revert" }) };
      return (await call("eth_call", {})).error;
    };
    const reason = `0x08c379a0${word(32).slice(2)}${word(5).slice(2)}${toHex(new TextEncoder().encode("nope!")).slice(2).padEnd(64, "0")}`;
    expect(await answers(reason)).toEqual({ code: 3, message: "execution reverted: nope!", data: reason });
    const panic = `0x4e487b71${word(1).slice(2)}`;
    expect(await answers(panic)).toEqual({
      code: 3,
      message: "execution reverted: assert(false)",
      data: panic,
    });
    expect(await answers("0x")).toEqual({ code: 3, message: "execution reverted", data: "0x" });
    expect(await answers("0x12345678")).toEqual({
      code: 3,
      message: "execution reverted",
      data: "0x12345678",
    });
    const hostile = [
      `0x08c379a0${"ff".repeat(64)}`,
      `0x08c379a0${word(32).slice(2)}${"ff".repeat(32)}`,
      "0x08c379a0",
      "0x4e487b71",
    ];
    for (const data of hostile)
      expect(await answers(data)).toEqual({ code: 3, message: "execution reverted", data });
    node.calls = {
      ...node.calls,
      call: async () => ({
        ...succeeded(new Uint8Array(0)),
        status: "halt",
        halt: "out of gas",
      }),
    };
    expect((await call("eth_call", {})).error).toEqual({ code: -32000, message: "out of gas" });
  });

  test("an access list comes with the error the transaction would have", async () => {
    const { result } = setup();
    expect(await result("eth_createAccessList", { to: TOKEN })).toEqual({
      accessList: [{ address: TOKEN, storageKeys: [] }],
      gasUsed: "0x5",
      error: "out of gas",
    });
  });

  test("filling completes what is missing and keeps what is given", async () => {
    const { result, node } = setup();
    const filled = (await result("eth_fillTransaction", { from: SENDER, to: TOKEN })) as {
      raw: string;
      tx: Record<string, string>;
    };
    expect(filled.tx).toMatchObject({
      type: "0x2",
      gas: "0x5208",
      nonce: "0x6",
      chainId: "0x539",
      to: TOKEN,
    });
    expect(BigInt(filled.tx["maxFeePerGas"] as string)).toBe(4_000_000_000n);
    expect(filled.raw).toStartWith("0x02");
    const legacy = await result("eth_fillTransaction", {
      from: SENDER,
      gasPrice: "0x5",
      gas: "0x1",
      nonce: "0x0",
    });
    expect(legacy).toMatchObject({
      tx: { type: "0x0", gasPrice: "0x5", gas: "0x1", nonce: "0x0", to: null },
    });
    node.wait(signed(oneOfEach(6n)[0]?.tx as never));
    expect(await result("eth_fillTransaction", { from: SENDER, to: TOKEN })).toMatchObject({
      tx: { nonce: "0x7" },
    });
  });

  test("filling keeps the type that is asked for, and offers enough for blobs", async () => {
    const { result, error } = setup();
    const fill = async (fields: Record<string, unknown>) =>
      (await result("eth_fillTransaction", { from: SENDER, to: TOKEN, gas: "0x5208", ...fields })) as object;
    expect(await fill({ type: "0x1" })).toMatchObject({ tx: { type: "0x1", accessList: [] } });
    expect(await fill({ type: "0x0" })).toMatchObject({ tx: { type: "0x0" } });
    const blobVersionedHashes = [`0x01${"0b".repeat(31)}`];
    expect(await fill({ blobVersionedHashes })).toMatchObject({
      tx: { type: "0x3", maxFeePerBlobGas: "0x2" },
    });
    const both = { from: SENDER, to: TOKEN, gas: "0x5208", gasPrice: "0x5", blobVersionedHashes };
    expect(await error("eth_fillTransaction", both)).toStartWith("-32000 gasPrice cannot stand beside");
  });

  test("an estimate runs with the block's gas where too little is offered, never with more than the cap", async () => {
    const { result, tasks } = setup();
    const huge = { gasLimit: `0x${"f".repeat(16)}` };
    for (const gas of ["0x0", "0x5207"]) await result("eth_estimateGas", { gas }, "latest", {}, huge);
    await result("eth_estimateGas", { gas: "0x5208" });
    await result("eth_estimateGas", { gas: `0x${"f".repeat(16)}` }, "latest", {}, huge);
    expect(tasks.map(({ request }) => request.gas)).toEqual([30_000_000n, 30_000_000n, 21_000n, 50_000_000n]);
  });

  test("filling refuses what no transaction can hold, and what is meant for another chain", async () => {
    const { error } = setup();
    const fill = (fields: Record<string, unknown>) =>
      error("eth_fillTransaction", { from: SENDER, to: TOKEN, gas: "0x5208", ...fields });
    const most = `0x${"f".repeat(64)}`;
    expect(await fill({ maxPriorityFeePerGas: most })).toBe("-32000 max fee per gas higher than 2^256-1");
    expect(await fill({ chainId: "0x1" })).toBe("-32000 chainId does not match node's (have=1, want=1337)");
    const tuple = { chainId: "0x1", address: TOKEN, nonce: "0x0", yParity: "0x100", r: "0x1", s: "0x1" };
    expect(await fill({ authorizationList: [tuple] })).toContain("yParity: hex number > 8 bits");
  });
});

describe("transactions", () => {
  test("by hash, place, sender and nonce; whole, raw and as receipts", async () => {
    const { node, result } = harness();
    const block = node.blocks[2];
    for (const [i, { hash, raw }] of (block?.transactions ?? []).entries()) {
      const index = `0x${i}`;
      const json = await result("eth_getTransactionByHash", hash);
      expect(await result("eth_getTransactionByBlockHashAndIndex", block?.hash, index)).toEqual(json);
      expect(await result("eth_getTransactionByBlockNumberAndIndex", "0x2", index)).toEqual(json);
      expect(await result("eth_getTransactionBySenderAndNonce", SENDER, index)).toEqual(json);
      expect(await result("eth_getRawTransactionByHash", hash)).toBe(toHex(raw));
      const receipts = (await result("eth_getBlockReceipts", "0x2")) as unknown[];
      expect(await result("eth_getTransactionReceipt", hash)).toEqual(receipts[i] ?? null);
    }
    expect(await result("eth_getTransactionByBlockNumberAndIndex", "0x2", "0x99")).toBeNull();
    expect(await result("eth_getTransactionReceipt", TOPIC)).toBeNull();
  });

  test("what the pool holds is told whole, by sender, and not at all where it is too much", async () => {
    const { node, result, error } = harness({ maxResponseBytes: 5_000 });
    const [first, second] = oneOfEach(6n);
    for (const one of [first, second]) node.wait(one as never);
    const both = { "6": { hash: first?.hash }, "7": { hash: second?.hash } };
    expect(await result("txpool_content")).toMatchObject({ pending: { [SENDER]: both }, queued: {} });
    expect(await result("txpool_contentFrom", SENDER)).toMatchObject({ pending: both, queued: {} });
    expect(await result("txpool_contentFrom", TOKEN)).toEqual({ pending: {}, queued: {} });
    expect(await result("eth_getTransactionBySenderAndNonce", SENDER, "0x7")).toMatchObject({
      hash: second?.hash,
    });
    const large = { ...first?.tx, nonce: 8n, data: new Uint8Array(2_500) };
    node.wait(signed(large as never));
    for (const method of ["txpool_content", "eth_pendingTransactions"]) {
      expect(await error(method)).toBe("-32003 response too large");
    }
    expect(await result("txpool_status")).toEqual({ pending: "0x3", queued: "0x0" });
  });

  test("a synchronous send waits for the receipt, and says so when it does not come", async () => {
    const { node, result, call } = harness({ syncTimeout: 50 });
    const idle = node.listeners();
    const transaction = oneOfEach(80n)[3];
    const raw = toHex(transaction?.raw ?? new Uint8Array(0));
    const answer = result("eth_sendRawTransactionSync", raw, 10_000);
    node.mine(transaction === undefined ? [] : [transaction]);
    expect(await answer).toMatchObject({ transactionHash: transaction?.hash as string });
    const late = toHex(oneOfEach(90n)[2]?.raw ?? new Uint8Array(0));
    expect((await call("eth_sendRawTransactionSync", late)).error).toMatchObject({
      code: 4,
      data: expect.any(String),
    });
    expect(node.listeners()).toBe(idle);
  });
});
