// Everything a hostile or broken client may send to the compiled binary: each has its documented answer, and the
// node goes on as if nothing had been.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { encodeDeployData, encodeFunctionData, type Hex } from "viem";
import { contracts } from "../support/contracts.ts";
import { type RunningKora, rpc, startKora } from "../support/kora.ts";

let kora: RunningKora;
let account: string;
let probe: string;

const { abi, bytecode } = contracts["probe"]!;
const calldata = (functionName: string, args: unknown[]): Hex =>
  encodeFunctionData({ abi, functionName, args });

beforeAll(async () => {
  kora = await startKora(["dev", "--port", "0", "--silent"]);
  [account] = (await rpc(kora.url, "eth_accounts")).result;
  const data = encodeDeployData({ abi, bytecode });
  const { result } = await rpc(kora.url, "eth_sendTransaction", [{ from: account, data, gas: "0x500000" }]);
  probe = (await rpc(kora.url, "eth_getTransactionReceipt", [result])).result.contractAddress;
}, 60_000);
afterAll(() => kora?.[Symbol.asyncDispose]());

// After each case the node still answers, and has printed nothing about a failure of its own.
afterEach(async () => {
  expect((await rpc(kora.url, "eth_chainId")).result).toBe("0x7a69");
  expect(kora.err()).toBe("");
});

async function post(
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(kora.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, text: await response.text() };
}
const code = async (method: string, ...params: unknown[]) =>
  (await rpc(kora.url, method, params)).error?.code;

describe("requests that are not calls", () => {
  test.each([
    ["{", -32_700],
    ["", -32_700],
    ["not JSON at all", -32_700],
    ["[]", -32_600],
    ["3", -32_600],
    ["null", -32_600],
    ['{"jsonrpc":"2.0","id":1}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"eth_nonsense"}', -32_601],
    ['{"jsonrpc":"2.0","id":1,"method":"constructor"}', -32_601],
    ['{"jsonrpc":"2.0","id":1,"method":"__proto__"}', -32_601],
    ['{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":7}', -32_602],
  ])("%p", async (body, expected) => {
    expect(JSON.parse((await post(body)).text).error.code).toBe(expected);
  });

  test("deeply nested JSON", async () => {
    const { text } = await post("[".repeat(200_000) + "]".repeat(200_000));
    expect(JSON.parse(text)).toBeDefined();
  });

  test("a body over the limit is refused", async () => {
    const { status } = await post(new Uint8Array(17 * 1024 * 1024).fill(0x20));
    expect(status).toBe(413);
  });

  test("a batch of 10,000 calls is refused, one of 1,000 is answered", async () => {
    const batch = (size: number) =>
      JSON.stringify(
        Array.from({ length: size }, (_, id) => ({ jsonrpc: "2.0", id, method: "eth_chainId" })),
      );
    const refused = JSON.parse((await post(batch(10_000))).text);
    expect((Array.isArray(refused) ? refused[0] : refused).error.code).toBe(-32_600);
    const answered = JSON.parse((await post(batch(1000))).text);
    expect(answered).toHaveLength(1000);
    expect(answered[999]).toEqual({ jsonrpc: "2.0", id: 999, result: "0x7a69" });
  });

  test("GET and other methods are not answered with a call", async () => {
    for (const method of ["GET", "PUT", "DELETE"])
      expect((await fetch(kora.url, { method })).status).toBeLessThan(500);
  });
});

describe("parameters of the wrong kind", () => {
  test.each([
    ["eth_getBalance", []],
    ["eth_getBalance", ["0x12", "latest"]],
    ["eth_getBalance", [7, "latest"]],
    ["eth_getBalance", [`0x${"0".repeat(41)}`, "latest"]],
    ["eth_getBalance", [`0x${"00".repeat(20)}`, "0x01"]],
    ["eth_getBalance", [`0x${"00".repeat(20)}`, "-1"]],
    ["eth_getBalance", [`0x${"00".repeat(20)}`, "-0x1"]],
    ["eth_getBalance", [`0x${"00".repeat(20)}`, "0x"]],
    ["eth_getBalance", [`0x${"00".repeat(20)}`, "newest"]],
    ["eth_getBlockByNumber", ["0x1", "yes"]],
    ["eth_getBlockByNumber", [{}, true]],
    ["eth_getTransactionByHash", ["0x1234"]],
    ["eth_getStorageAt", [`0x${"00".repeat(20)}`, `0x${"11".repeat(33)}`, "latest"]],
    ["eth_call", ["nothing", "latest"]],
    ["eth_call", [{ to: "0x12" }, "latest"]],
    ["eth_call", [{ to: `0x${"00".repeat(20)}`, gas: "-0x1" }, "latest"]],
    ["eth_call", [{ to: `0x${"00".repeat(20)}`, gas: "0x00ff" }, "latest"]],
    ["eth_call", [{ to: `0x${"00".repeat(20)}`, value: `0x1${"00".repeat(32)}` }, "latest"]],
    ["eth_call", [{ to: `0x${"00".repeat(20)}`, data: "0x123" }, "latest"]],
    ["eth_getLogs", [{ fromBlock: "0x5", toBlock: "0x1" }]],
    ["eth_getLogs", [{ topics: [[[]]] }]],
    ["eth_getLogs", [{ address: "0x12" }]],
    ["eth_feeHistory", ["0x0g", "latest", []]],
    ["eth_feeHistory", ["0x1", "latest", [50, 20]]],
    ["eth_sendRawTransaction", [{}]],
  ])("%s %p", async (method, params) => {
    expect([-32_602, -32_000]).toContain(await code(method, ...params));
  });

  test.each([
    "0x",
    "0x00",
    "0xc0",
    "0x02",
    "0x02c0",
    "0x7f",
    `0x02f8${"ff".repeat(100)}`,
    `0x${"f8".repeat(3000)}`,
  ])("a raw transaction of %p", async (raw) => {
    const { error } = await rpc(kora.url, "eth_sendRawTransaction", [raw]);
    expect(error.code).toBeLessThan(0);
    expect(error.message).not.toMatch(/undefined|null|\.ts/);
  });
});

describe("calls that ask too much", () => {
  test("absurd gas is capped, and the call is answered", async () => {
    const to = probe;
    const data = calldata("stored", [1n]);
    const { result } = await rpc(kora.url, "eth_call", [{ to, data, gas: `0x${"ff".repeat(8)}` }, "latest"]);
    expect(BigInt(result)).toBe(0n);
    const { error } = await rpc(kora.url, "eth_sendTransaction", [
      { from: account, to, data, gas: `0x${"ff".repeat(7)}` },
    ]);
    expect(error.message).toContain("exceeds block gas limit");
  });

  test("more value than there is", async () => {
    const value = `0x${"ff".repeat(31)}`;
    const { error } = await rpc(kora.url, "eth_sendTransaction", [
      { from: account, to: probe, value, gas: "0x5208" },
    ]);
    expect(error.message).toContain("insufficient funds");
  });

  test("recursion to the bottom of the call stack is answered", async () => {
    const data = calldata("recurse", [2000n]);
    const answer = await rpc(kora.url, "eth_call", [{ to: probe, data, gas: "0x2faf080" }, "latest"]);
    expect(answer.result ?? answer.error.code).toBeDefined();
  }, 30_000);

  test("an endless loop ends, and delays no one else", async () => {
    const spinning = rpc(kora.url, "eth_call", [{ to: probe, data: calldata("spin", []) }, "latest"]);
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const started = performance.now();
      await rpc(kora.url, "eth_blockNumber");
      delays.push(performance.now() - started);
      await rpc(kora.url, "evm_mine");
    }
    expect(delays.sort((a, b) => a - b)[10]).toBeLessThan(100);
    expect((await spinning).error.message).toMatch(/out of gas|timeout|timed out|aborted/);
  }, 30_000);
});

test("a client that goes away in the middle, and one that sends rubbish over WebSocket", async () => {
  const aborted = fetch(kora.url, { method: "POST", body: "{", signal: AbortSignal.timeout(1) }).catch(
    () => undefined,
  );
  await aborted;
  const socket = new WebSocket(kora.wsUrl);
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const answers: string[] = [];
  socket.addEventListener("message", (message) => answers.push(String(message.data)));
  for (const text of ["{", "[]", "\u0000", '{"id":1}', '{"jsonrpc":"2.0","id":9,"method":"eth_chainId"}'])
    socket.send(text);
  await new Promise<void>((resolve) => {
    const look = () =>
      answers.some((answer) => answer.includes("0x7a69")) ? resolve() : void setTimeout(look, 5);
    look();
  });
  const codes = answers.map((answer) => JSON.parse(answer).error?.code);
  expect(codes).toEqual([-32_700, -32_600, -32_700, -32_600, undefined]);
  socket.close();
}, 30_000);
