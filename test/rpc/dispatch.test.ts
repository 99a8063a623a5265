// JSON-RPC itself: what malformed, hostile and oversized input is answered, in one process without a transport.
import { describe, expect, test } from "bun:test";
import { MAX_REQUEST_VALUES } from "#rpc/limits.ts";
import type { PoolPort, StatusPort } from "#rpc/ports.ts";
import { hash } from "#types/ids.ts";
import { fakeNode, SENDER } from "./fake-node.ts";
import { harness } from "./harness.ts";

const { raw, call, error, result, node, dispatch } = harness({ maxBatch: 1_000, maxResponseBytes: 200_000 });
const errorOf = (id: unknown, code: number, message: string) => ({
  jsonrpc: "2.0",
  id,
  error: { code, message },
});
const INVALID = (id: unknown) => errorOf(id, -32600, "invalid request");
const PARSE = errorOf(null, -32700, "parse error");
const CHAIN_ID = { jsonrpc: "2.0", id: 1, method: "eth_chainId" };

describe("messages that are not requests", () => {
  test.each([
    ["", PARSE],
    ["{", PARSE],
    ["nonsense", PARSE],
    ['{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}}', PARSE],
    ["\u0000", PARSE],
    ["null", INVALID(null)],
    ["1", INVALID(null)],
    ['"text"', INVALID(null)],
    ["{}", INVALID(null)],
    ['{"jsonrpc":"2.0","id":1}', INVALID(1)],
    ['{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', INVALID(1)],
    ['{"id":1,"method":"eth_chainId"}', INVALID(1)],
    ['{"jsonrpc":"2.0","id":1,"method":5}', INVALID(1)],
    ['{"jsonrpc":"2.0","id":{"a":1},"method":"eth_chainId"}', INVALID(null)],
    ['{"jsonrpc":"2.0","id":[1],"method":"eth_chainId"}', INVALID(null)],
    ['{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', INVALID(null)],
    ['{"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":{}}', errorOf(7, -32602, "non-array args")],
    ['{"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":"x"}', errorOf(7, -32602, "non-array args")],
    ["[]", errorOf(null, -32600, "empty batch")],
    ["[1,null,[]]", [INVALID(null), INVALID(null), INVALID(null)]],
  ] as [string, unknown][])("%s", async (text, answer) => {
    expect(await raw(text)).toEqual(answer);
  });

  test("ids come back as they were", async () => {
    for (const id of [0, -1, 1.5, "", "abc", '"\\u0000', null, 2 ** 53]) {
      expect(await raw(JSON.stringify({ ...CHAIN_ID, id }))).toMatchObject({ id, result: "0x539" });
    }
  });

  test("what is refused unparsed is refused under its own id, where that is at an end of it", async () => {
    const params = `[${"1,".repeat(MAX_REQUEST_VALUES)}{"id":5}]`;
    const head = '"jsonrpc":"2.0","method":"eth_call"';
    const ids: readonly (readonly [string, unknown])[] = [
      [`{${head},"id":7,"params":${params}}`, 7],
      [` { "id" : "a-1" , ${head}, "params":${params}}`, "a-1"],
      [`{${head},"params":${params},"id":7}`, 7],
      [`{"params":${params}, "id":-7 ,${head} }`, -7],
      [`{${head},"params":${params},"id":null}`, null],
      [`{${head},"params":${params}}`, null],
      [`{"params":{"id":6},${head},"x":${params}}`, null],
      [`{${head},"id":01,"params":${params}}`, null],
      [`[{${head},"id":7,"params":${params}}]`, null],
    ];
    const { raw } = harness();
    for (const [text, id] of ids) {
      expect(await raw(text)).toMatchObject({ id, error: { message: "too many values in one request" } });
    }
  });

  test("ids longer than JavaScript's numbers come back digit by digit", async () => {
    const long = "18446744073709551615";
    const one = `{"jsonrpc":"2.0","id":${long},"method":"eth_chainId","params":[]}`;
    expect(await dispatch(one, undefined)).toBe(`{"jsonrpc":"2.0","id":${long},"result":"0x539"}`);
    const batch = await dispatch(
      `[${one},{"id":9007199254740993,"jsonrpc":"2.0","method":"no_such"}]`,
      undefined,
    );
    expect(batch).toContain(`"id":${long},"result"`);
    expect(batch).toContain('"id":9007199254740993,"error"');
  });

  test("nesting a million deep is answered, not followed", async () => {
    const many = "[".repeat(1_000_000);
    expect(await raw(many)).toMatchObject({ id: null, error: { code: -32600 } });
    const deep = "[".repeat(200_000);
    expect(await raw(deep)).toEqual(PARSE);
    const closed = `${deep}${"]".repeat(200_000)}`;
    expect(await raw(closed)).toEqual(expect.anything());
    const inParams = `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[${"[".repeat(50_000)}${"]".repeat(50_000)}]}`;
    expect(await raw(inParams)).toMatchObject({ error: { code: expect.any(Number) } });
  });

  test("a notification is performed and not answered", async () => {
    expect(await raw('{"jsonrpc":"2.0","method":"eth_chainId"}')).toBe("");
    expect(await raw('{"jsonrpc":"2.0","method":"no_such"}')).toBe("");
    expect(await raw('[{"jsonrpc":"2.0","method":"eth_chainId"}]')).toBe("");
    const mixed = [{ jsonrpc: "2.0", method: "eth_chainId" }, CHAIN_ID];
    expect(await raw(JSON.stringify(mixed))).toEqual([{ jsonrpc: "2.0", id: 1, result: "0x539" }]);
  });
});

describe("batches", () => {
  test("transactions that follow one another are sent without waiting; what stands between them waits", async () => {
    const log: string[] = [];
    const answers: (() => void)[] = [];
    const base = fakeNode();
    const submit: PoolPort["submit"] = (bytes) => {
      log.push(`send ${bytes[0]}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      answers.push(resolve);
      return promise.then(() => {
        log.push(`sent ${bytes[0]}`);
        return { kind: "accepted", hash: hash(`0x${"00".repeat(31)}0${bytes[0]}`) };
      });
    };
    const nextNonce: PoolPort["nextNonce"] = () => {
      log.push("nonce");
      return 0n;
    };
    const pool = { ...base.ports.pool, submit, nextNonce };
    const { raw: ask } = harness({}, { ...base, ports: { ...base.ports, pool } });
    const send = (id: number) => ({
      jsonrpc: "2.0",
      id,
      method: "eth_sendRawTransaction",
      params: [`0x0${id}`],
    });
    const nonce = { jsonrpc: "2.0", id: 3, method: "eth_getTransactionCount", params: [SENDER, "pending"] };
    const answered = ask(JSON.stringify([send(1), send(2), nonce, send(4)]));
    expect(log).toEqual(["send 1", "send 2"]);
    for (const resolve of answers.splice(0).reverse()) resolve();
    while (answers.length === 0) await Promise.resolve();
    expect(log).toEqual(["send 1", "send 2", "sent 2", "sent 1", "nonce", "send 4"]);
    answers[0]?.();
    expect(((await answered) as { id: number }[]).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  const batch = (length: number) => JSON.stringify(Array.from({ length }, (_, id) => ({ ...CHAIN_ID, id })));

  test("answers are in order, with errors among them", async () => {
    const answers = await raw(JSON.stringify([CHAIN_ID, { ...CHAIN_ID, id: 2, method: "no_such" }, 3]));
    expect(answers).toEqual([
      { jsonrpc: "2.0", id: 1, result: "0x539" },
      errorOf(2, -32601, "the method no_such does not exist/is not available"),
      INVALID(null),
    ]);
  });

  test("1,000 calls are answered", async () => {
    const answers = (await raw(batch(1_000))) as { id: number }[];
    expect(answers.map((answer) => answer.id)).toEqual(Array.from({ length: 1_000 }, (_, id) => id));
  });

  test("10,000 calls get one documented error", async () => {
    expect(await raw(batch(10_000))).toEqual([errorOf(0, -32600, "batch too large")]);
  });

  test("past the response's bound the rest is refused", async () => {
    const block = { jsonrpc: "2.0", id: 1, method: "eth_getBlockByNumber", params: ["0x2", true] };
    const answers = (await raw(JSON.stringify(Array(100).fill(block)))) as { error?: { code: number } }[];
    expect(answers).toHaveLength(100);
    expect(answers[0]?.error).toBeUndefined();
    expect(answers[99]?.error).toMatchObject({ code: -32003, message: "response too large" });
    // What passes the bound is not sent either: the bound, and a short refusal for each call.
    expect(JSON.stringify(answers.filter((each) => each.error === undefined)).length).toBeLessThan(200_000);
  });
});

test("receipts of a block are all of them, and refused where they pass the response's bound", async () => {
  const { node, result, close } = harness();
  const hashes = node.blocks[2]?.transactions.map(({ hash }) => hash) ?? [];
  const each = await Promise.all(hashes.map((hash) => result("eth_getTransactionReceipt", hash)));
  const all = await result("eth_getBlockReceipts", "0x2");
  expect(all).toEqual(each);
  expect(await result("eth_getBlockReceipts", "0x0")).toEqual([]);
  close();
  const tight = harness({ maxResponseBytes: JSON.stringify(all).length - 1 });
  expect(await tight.error("eth_getBlockReceipts", "0x2")).toBe("-32003 response too large");
  tight.close();
});

describe("methods and arguments", () => {
  test("unknown names never reach a prototype", async () => {
    for (const name of [
      "constructor",
      "__proto__",
      "toString",
      "hasOwnProperty",
      "",
      "eth_",
      "x".repeat(10_000),
    ]) {
      expect(await error(name)).toMatch(/^-32601 the method .* does not exist\/is not available$/);
    }
  });

  test.each([
    ["eth_getBalance", [], "-32602 missing value for required argument 0"],
    ["eth_getBalance", [null], "-32602 missing value for required argument 0"],
    ["eth_getBalance", ["0x1"], "-32602 invalid argument 0: hex string has length 1, want 40 for address"],
    ["eth_getBalance", [5], "-32602 invalid argument 0: address must be a hex string, not number"],
    [
      "eth_getBalance",
      [`${"0x"}${"zz".repeat(20)}`],
      "-32602 invalid argument 0: invalid hex string for address",
    ],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, "0x01"],
      "-32602 invalid argument 1: hex number with leading zero digits",
    ],
    ["eth_getBalance", [`0x${"11".repeat(20)}`, "-0x1"], "-32602 invalid argument 1: negative number"],
    ["eth_getBalance", [`0x${"11".repeat(20)}`, "0xzz"], "-32602 invalid argument 1: invalid hex string"],
    ["eth_getBalance", [`0x${"11".repeat(20)}`, "0x"], '-32602 invalid argument 1: hex string "0x"'],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, 5],
      "-32602 invalid argument 1: expected an object, not number",
    ],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, {}],
      "-32602 invalid argument 1: neither blockHash nor blockNumber given",
    ],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, `0x${"f".repeat(17)}`],
      "-32602 invalid argument 1: hex number > 64 bits",
    ],
    ["eth_getBalance", [`0x${"11".repeat(20)}`, "latest", 1], "-32602 too many arguments, want at most 2"],
    ["eth_getBalance", [`0x${"11".repeat(20)}`, "0x99"], "-32000 header not found"],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, { blockHash: `0x${"11".repeat(32)}` }],
      "-32000 header not found",
    ],
    [
      "eth_getBalance",
      [`0x${"11".repeat(20)}`, "0x1"],
      "4444 state of block 1 is pruned, the oldest held is 2",
    ],
    ["eth_getBlockByNumber", ["latest", "yes"], "-32602 invalid argument 1: expected a boolean, not string"],
    ["eth_getBlockByNumber", ["newest", false], "-32602 invalid argument 0: hex string without 0x prefix"],
    ["eth_getStorageAt", [`0x${"11".repeat(20)}`, `0x${"00".repeat(33)}`], /storage key too long/],
    ["eth_call", [{ data: "0x1" }], "-32602 invalid argument 0: data: hex string of odd length"],
    ["eth_call", [{ value: "-0x1" }], "-32602 invalid argument 0: value: negative number"],
    [
      "eth_call",
      [{ value: "0x00" }],
      "-32602 invalid argument 0: value: hex number with leading zero digits",
    ],
    ["eth_call", [{ gas: "0xffffffffffffffffff" }], "-32602 invalid argument 0: gas: hex number > 64 bits"],
    ["eth_call", [{ data: "0x01", input: "0x02" }], /both "data" and "input" are set and not equal/],
    ["eth_call", [{}, "latest", { "0x1": {} }], /invalid argument 2: hex string has length 1/],
    ["eth_call", [{}, "latest", []], /invalid argument 2: expected an object, not an array/],
    ["eth_sendRawTransaction", ["0xzz"], "-32602 invalid argument 0: invalid hex string"],
    ["eth_sendRawTransaction", ["0x01"], "-32000 rlp: value size exceeds available input length"],
    ["eth_getFilterChanges", ["0x1"], "-32000 filter not found"],
    ["eth_feeHistory", ["0x1", "latest", [50, 10]], /invalid reward percentile/],
    ["eth_feeHistory", ["0x1", "latest", [101]], /invalid reward percentile/],
    ["eth_getProof", [`0x${"11".repeat(20)}`, [], "latest"], /^-32004 .*kora_getProof/],
    [
      "kora_getProof",
      [`0x${"11".repeat(20)}`, Array(257).fill("0x0"), "latest"],
      "-32602 invalid argument 1: array of 257 items, at most 256",
    ],
    ["eth_subscribe", ["newHeads"], "-32601 notifications not supported"],
  ] as [string, unknown[], string | RegExp][])("%s %j", async (method, params, expected) => {
    const found = await error(method, ...params);
    if (typeof expected === "string") expect(found).toBe(expected);
    else expect(found).toMatch(expected);
  });

  test("a fault of the node is reported and not shown", async () => {
    const before = node.reported.length;
    expect(await call("eth_call", {})).toMatchObject({ error: { code: -32603, message: "internal error" } });
    expect(node.reported.length).toBe(before + 1);
  });

  test("what the node says about itself", async () => {
    expect(await result("web3_clientVersion")).toBe("anvil/kora-v0.1.0");
    expect(await result("net_version")).toBe("1337");
    expect(await result("net_peerCount")).toBe("0x3");
    expect(await result("eth_syncing")).toBe(false);
    node.syncing = true;
    expect(await result("eth_syncing")).toMatchObject({ currentBlock: "0x1", highestBlock: "0x9" });
    node.syncing = false;
    expect(await result("web3_sha3", "0x68656c6c6f20776f726c64")).toBe(
      "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad",
    );
    expect(await result("rpc_modules")).toMatchObject({ eth: "1.0", net: "1.0", web3: "1.0", kora: "1.0" });
    expect(await result("kora_getEvidence", "0x0")).toEqual([]);
    expect(await result("kora_getFinalization", "0x2")).toMatchObject({ number: "0x2", certificate: "0x02" });
  });
});

test("evidence is handed out as hex, from a height on", async () => {
  const base = fakeNode();
  const asked: number[] = [];
  const evidence: StatusPort["evidence"] = (from) => {
    asked.push(from);
    const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)];
    return [{ kind: "nullifyAndFinalize", signer: 9, participant: undefined, view: 4, first, second }];
  };
  const status = { ...base.ports.status, evidence };
  const { result: ask } = harness({}, { ...base, ports: { ...base.ports, status } });
  const fact = {
    kind: "nullifyAndFinalize",
    signer: 9,
    participant: null,
    view: 4,
    first: "0x01",
    second: "0x02",
  };
  expect(await ask("kora_getEvidence", "0x7")).toEqual([fact]);
  await ask("kora_getEvidence", "earliest");
  await ask("kora_getEvidence");
  expect(asked).toEqual([7, 0, 0]);
});

describe("while answers fill all the room there is", () => {
  const crowded = harness({ maxBytesOutgoing: 0, maxBatch: 10 });
  const busy = errorOf(1, -32005, "too many bytes of answers are being sent");

  test("a short answer goes out, a long one and those of a batch do not", async () => {
    expect(await crowded.raw(JSON.stringify(CHAIN_ID))).toEqual({ jsonrpc: "2.0", id: 1, result: "0x539" });
    expect(await crowded.raw(JSON.stringify([CHAIN_ID]))).toEqual([busy]);
    crowded.close();
  });

  test("a batch that is refused whole is charged as the largest that is not", async () => {
    const charged: number[] = [];
    await crowded.dispatch(JSON.stringify(Array.from({ length: 5_000 }, () => 1)), undefined, (calls) => {
      charged.push(calls);
    });
    expect(charged).toEqual([9]);
  });
});
