// EIP-712 against ethers' vectors and the EIP's own example.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { typedDataDigest } from "#dev/typed-data.ts";
import { toHex } from "#lib/bytes.ts";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";

const MAIL = {
  types: {
    EIP712Domain: [
      { name: "name", type: "string" },
      { name: "version", type: "string" },
      { name: "chainId", type: "uint256" },
      { name: "verifyingContract", type: "address" },
    ],
    Person: [
      { name: "name", type: "string" },
      { name: "wallet", type: "address" },
    ],
    Mail: [
      { name: "from", type: "Person" },
      { name: "to", type: "Person" },
      { name: "contents", type: "string" },
    ],
  },
  primaryType: "Mail",
  domain: {
    name: "Ether Mail",
    version: "1",
    chainId: 1,
    verifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
  },
  message: {
    from: { name: "Cow", wallet: "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
    to: { name: "Bob", wallet: "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
    contents: "Hello, Bob!",
  },
};

test("the EIP's mail has the digest that the EIP gives", () => {
  const digest = "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
  expect(toHex(typedDataDigest(MAIL))).toBe(digest);
  expect(toHex(typedDataDigest(JSON.stringify(MAIL)))).toBe(digest);
});

test("ethers' typed data vectors", async () => {
  const directory = vectorsDir();
  if (directory === undefined) return reportSkipped("typed data", 80);
  const cases = await Bun.file(join(directory, "encoding/ethers-testcases/typed-data.json")).json();
  for (const { name, domain, types, primaryType, data, digest } of cases) {
    expect([name, toHex(typedDataDigest({ domain, types, primaryType, message: data }))]).toEqual([
      name,
      digest,
    ]);
  }
  expect(cases.length).toBeGreaterThan(50);
});

test.each([
  ["not JSON", "{"],
  ["primaryType is missing", { types: {}, message: {} }],
  ["unknown type Nope", { types: { A: [{ name: "x", type: "Nope" }] }, primaryType: "A", message: { x: 1 } }],
  [
    "256 does not fit uint8",
    { types: { A: [{ name: "x", type: "uint8" }] }, primaryType: "A", message: { x: 256 } },
  ],
  ["1 is no bool", { types: { A: [{ name: "x", type: "bool" }] }, primaryType: "A", message: { x: 1 } }],
  ["A.x is missing", { types: { A: [{ name: "x", type: "uint8" }] }, primaryType: "A", message: {} }],
])("refuses: %s", (why, input) => {
  expect(() => typedDataDigest(input)).toThrow(why);
});

test("values and types that are far too many or too long are refused shortly", () => {
  const types = { A: [{ name: "x", type: "uint8" }] };
  const long = () => typedDataDigest({ types, primaryType: "A", message: { x: "9".repeat(1_000_000) } });
  expect(long).toThrow(/^invalid typed data: .{1,200} uint8$/);
  const chain = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, i) => [`T${i}`, [{ name: "next", type: `T${i + 1}` }]]),
  );
  expect(() => typedDataDigest({ types: chain, primaryType: "T0", message: {} })).toThrow(
    "more than 1000 types",
  );
});

test("data nested without end is refused", () => {
  let message: unknown = { next: null };
  for (let i = 0; i < 200; i++) message = { next: message };
  const types = { Node: [{ name: "next", type: "Node" }] };
  expect(() => typedDataDigest({ types, primaryType: "Node", message })).toThrow("nested deeper");
});

test("a type with more dimensions than data can have is refused before they are counted", () => {
  const types = { ...MAIL.types, Mail: [{ name: "x", type: `uint256${"[]".repeat(20_000)}` }] };
  expect(() => typedDataDigest({ ...MAIL, types, message: { x: [] } })).toThrow("too long");
});

test("a wide struct repeated often is refused before it keeps the node busy", () => {
  const wide = Array.from({ length: 1_000 }, (_, index) => ({ name: `f${index}`, type: "Wide" }));
  const types = { ...MAIL.types, Mail: [{ name: "x", type: "Wide[]" }], Wide: wide };
  const message = { x: Array.from({ length: 1_100 }, () => ({})) };
  expect(() => typedDataDigest({ ...MAIL, types, message })).toThrow("more than 1000000 values");
});
