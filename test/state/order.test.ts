// Sorting by number, and keys that begin alike.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { compareBytes } from "#lib/bytes.ts";
import { sortWrites } from "#state/links.ts";
import { orderOf } from "#state/order.ts";

test("places come in ascending order of their values, equal ones in their own", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 38 }), { maxLength: 200 }), (values) => {
      const order = [...orderOf(Float64Array.from(values))];
      const expected = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b);
      expect(order).toEqual(expected);
    }),
  );
});

test("values too great for a place beside them are still a permutation, ordered by their leading bits", () => {
  const values = Float64Array.from(
    { length: 1_000 },
    (_, i) => Number.MAX_SAFE_INTEGER - ((i * 7919) % 1_000) * 2 ** 42,
  );
  const order = orderOf(values);
  expect(new Set(order).size).toBe(values.length);
  for (let i = 1; i < order.length; i++) {
    expect(values[order[i]!]!).toBeGreaterThanOrEqual(values[order[i - 1]!]!);
  }
});

test("keys are sorted also where they share their first bytes", () => {
  const byte = fc.integer({ min: 0, max: 2 });
  const key = fc
    .array(byte, { minLength: 32, maxLength: 32 })
    .map((bytes) => Uint8Array.from(bytes).fill(7, 0, 6));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), (keys) => {
      const sorted = sortWrites(keys.map((bytes) => ({ key: bytes }))).map(({ key: bytes }) => bytes.toHex());
      expect(sorted).toEqual([...keys].sort(compareBytes).map((bytes) => bytes.toHex()));
    }),
  );
});
