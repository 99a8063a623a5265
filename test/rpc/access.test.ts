// Whose rate an address counts to, and how a rate fills up again.
import { expect, test } from "bun:test";
import { createRateLimit, networkOf } from "#rpc/access.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::6", "2001:db8:1:2"],
  ["2001:db8::6", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["::", "0:0:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["", ""],
])("%s counts to %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("one subscriber's addresses share a rate, and others have theirs", () => {
  let now = 0;
  const rate = createRateLimit(2, () => now);
  const admitted = (...addresses: string[]) => addresses.filter((address) => rate.admit(address)).length;
  const many = Array.from({ length: 50 }, (_, i) => `2001:db8::${i.toString(16)}`);
  expect(admitted(...many)).toBe(4);
  expect(admitted("2001:db8:0:1::1", "192.0.2.7")).toBe(2);
  now = 1_000;
  expect(admitted(...many)).toBe(2);
  rate.charge("2001:db8::99", 10);
  now = 5_000;
  expect(admitted(...many)).toBe(0);
  now = 7_000;
  expect(admitted(...many)).toBe(2);
});
