// Who shares a rate, and how a rate fills up again.
import { expect, test } from "bun:test";
import { createRateLimit } from "#rpc/access.ts";

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
