// What counts as saying the same as a proof. Proofs of a whole network are in test/e2e/network/network.test.ts.
import { expect, test } from "bun:test";
import { contradiction } from "#cli/proof.ts";

const PROVEN = {
  account: { nonce: "0x1", balance: "0x2" },
  slots: [{ key: "0xa", value: "0xb" }],
  code: null,
};

test.each([
  [{}],
  [{ account: { balance: "0x2" } }],
  [{ account: {}, slots: [{ key: "0xA", value: "0xb" }], code: null }],
])("%j says nothing else", (claimed) => {
  expect(contradiction(claimed, PROVEN)).toBeUndefined();
});

test.each([
  [{ account: [] }, "its account is not what is proven"],
  [{ account: null }, "its account is not what is proven"],
  [{ slots: {} }, "its slots is not what is proven"],
  [{ slots: [[]] }, "its slots.0 is not what is proven"],
  [{ code: {} }, "its code is not what is proven: null"],
  [{ account: { nonce: "0x2" } }, "its account.nonce is not what is proven: 0x1"],
  [{ account: { claim: "0x1" } }, 'it says "account.claim", of which nothing is proven'],
])("%j contradicts the proof", (claimed, found) => {
  expect(contradiction(claimed, PROVEN)).toBe(found);
});
