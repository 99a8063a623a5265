// A short run of the RPC fuzzer against the compiled binary; the long one is test/fuzz/rpc.ts.
import { expect, test } from "bun:test";
import { startKora } from "../support/kora.ts";
import { faultsIn, fuzzRpc, judgeMemory } from "./rpc.ts";

const COUNT = 5_000;

test("thousands of random and mutated requests do the node no harm", async () => {
  const seed = Number(process.env["KORA_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`rpc fuzz seed ${seed}`);
  await using kora = await startKora(["dev", "--port", "0", "--silent"]);
  // Memory is not judged here: so short a run is all warming up.
  const result = await fuzzRpc({ count: COUNT, seed, url: kora.url, pid: undefined, progress: () => {} });
  expect(result.violations).toEqual([]);
  expect(result.sent).toBe(COUNT);
  expect(result.answers.get("ok") ?? 0).toBeGreaterThan(COUNT / 20);
  expect(result.answers.get("-32602") ?? 0).toBeGreaterThan(COUNT / 20);
  expect(faultsIn(kora.err())).toEqual([]);
}, 120_000);

test("what grows is told from what is flat", () => {
  const samples = (bytes: (i: number) => number) =>
    Array.from({ length: 100 }, (_, i) => ({ seconds: i, bytes: bytes(i) }));
  expect(judgeMemory(samples(() => 1e8))).toMatchObject({ slope: 0, growth: 1 });
  expect(judgeMemory(samples((i) => 1e8 + i * 1e6))?.growth).toBeGreaterThan(1.15);
  expect(judgeMemory(samples((i) => (i < 10 ? 5e7 : 1e8)))).toMatchObject({ slope: 0, growth: 1 });
  expect(judgeMemory(samples(() => 1e8).slice(0, 5))).toBeUndefined();
});
