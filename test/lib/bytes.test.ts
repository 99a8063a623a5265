// Byte helpers against the plain definitions.
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  bigintToBytes,
  bytesToBigint,
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  isHex,
  padLeft,
  toHex,
  trimLeft,
} from "#lib/bytes.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

test("hex reads back, in either case", () => {
  fc.assert(
    fc.property(bytes, (value) => {
      expect(fromHex(toHex(value))).toEqual(value);
      expect(fromHex(`0x${toHex(value).slice(2).toUpperCase()}`)).toEqual(value);
    }),
  );
  for (const bad of ["", "0x0", "12", "0xzz", "0X00", "0x 00"]) {
    expect(isHex(bad)).toBe(false);
    expect(() => fromHex(bad)).toThrow("not hex");
  }
});

test("integers are minimal big-endian bytes", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
      const encoded = bigintToBytes(value);
      expect(encoded[0]).not.toBe(0);
      expect(bytesToBigint(encoded)).toBe(value);
      expect(trimLeft(padLeft(encoded, 32))).toEqual(encoded);
    }),
  );
  expect(() => padLeft(new Uint8Array(33), 32)).toThrow("do not fit");
});

test("order is that of the hex text, equality that of the content", () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const expected = a.toHex() < b.toHex() ? -1 : a.toHex() > b.toHex() ? 1 : 0;
      expect(Math.sign(compareBytes(a, b))).toBe(expected);
      expect(equalBytes(a, b)).toBe(expected === 0);
      expect(concatBytes(a, b).toHex()).toBe(a.toHex() + b.toHex());
    }),
  );
});
