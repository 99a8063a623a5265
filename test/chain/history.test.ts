// Reading the finalized chain back: what a query may weigh.
import { expect, test } from "bun:test";
import { fromHex } from "#lib/bytes.ts";
import { height } from "#types/ids.ts";
import { openTestChain, transfer } from "../support/chain.ts";

test("a log query ends with the log that passes its bound of data", async () => {
  const chain = openTestChain();
  // LOG0 of the first 1,000 bytes of memory.
  const data = fromHex("0x6103e86000a000");
  for (let nonce = 0; nonce < 5; nonce++) {
    const { raw } = transfer({ from: 0, nonce, to: undefined, data, gas: 100_000n });
    expect(await chain.service.submitTx(raw)).toMatchObject({ kind: "accepted" });
    if (nonce % 2 === 1) await chain.produce();
  }
  await chain.produce();
  const count = (maxDataBytes: number, limit = 100): number =>
    chain.history.logs({ from: height(0), to: height(3), addresses: [], topics: [], limit, maxDataBytes })
      .length;
  expect([0, 999, 1_000, 3_999, 4_000, 10_000].map((bytes) => count(bytes))).toEqual([1, 1, 2, 4, 5, 5]);
  expect(count(10_000, 2)).toBe(3);
  chain.close();
});
