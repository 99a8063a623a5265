// Kora's own binary codec: what is written reads back, and nothing else does.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeWhole, Reader, Writer } from "#lib/codec.ts";

const field = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 600 }) }),
);

type Field = { kind: "u8" | "u32" | "u64"; value: number } | { kind: "bytes"; value: Uint8Array };

function write(fields: readonly Field[]): Uint8Array {
  const writer = new Writer(1);
  for (const item of fields) {
    if (item.kind === "bytes") writer.bytes(item.value);
    else writer[item.kind](item.value);
  }
  return writer.finish();
}

test("every sequence of fields reads back, consuming everything", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
      const reader = new Reader(write(fields));
      for (const item of fields) {
        if (item.kind === "bytes") expect(reader.bytes(600)).toEqual(item.value);
        else expect(reader[item.kind]()).toBe(item.value);
      }
      reader.end();
    }),
  );
});

test("every truncation and every trailing byte is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (bytes, cut) => {
      const encoded = new Writer().u64(7).bytes(bytes).finish();
      const shorter = new Reader(encoded.slice(0, cut % encoded.length));
      expect(() => {
        shorter.u64();
        shorter.bytes(64);
      }).toThrow("malformed encoding");
      const longer = new Reader(new Uint8Array([...encoded, 0]));
      longer.u64();
      longer.bytes(64);
      expect(() => longer.end()).toThrow("1 trailing bytes");
    }),
  );
});

test("limits and unsafe integers are refused", () => {
  expect(() => new Reader(new Writer().bytes(new Uint8Array(9)).finish()).bytes(8)).toThrow("at most 8");
  expect(() => new Reader(new Writer().u32(5).finish()).count(4)).toThrow("at most 4");
  expect(() => new Reader(new Uint8Array(8).fill(0xff)).u64()).toThrow("2^53");
});

test("flags, lists and what may be missing read back; any other byte, a longer list and what is left over do not", () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      fc.boolean(),
      numbers,
      fc.option(fc.maxSafeNat(), { nil: undefined }),
      (flag, list, maybe) => {
        const writer = new Writer(1).flag(flag).list(list, (to, item) => to.u8(item));
        const encoded = writer.optional(maybe, (to, value) => to.u64(value)).finish();
        const read = (from: Reader): unknown => ({
          flag: from.flag(),
          list: from.list(5, () => from.u8()),
          maybe: from.optional(() => from.u64()),
        });
        expect(decodeWhole(encoded, read)).toEqual({ flag, list, maybe });
        expect(() => decodeWhole(new Uint8Array([...encoded, 0]), read)).toThrow("1 trailing bytes");
      },
    ),
  );
  expect(() => new Reader(Uint8Array.of(2)).flag()).toThrow("a flag is 2");
  expect(() => new Reader(Uint8Array.of(0xff)).optional(() => 0)).toThrow("a flag is 255");
  const long = new Writer().list([1, 2, 3], (to, item) => to.u8(item)).finish();
  expect(() => new Reader(long).list(2, (from) => from.u8())).toThrow("at most 2");
});
