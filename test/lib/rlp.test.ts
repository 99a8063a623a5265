// Our RLP encoder against the library's, and strict decoding.
import { describe, expect, test } from "bun:test";
import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { bytesToBigint, concatBytes, toHex } from "#lib/bytes.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpBigint, rlpNumber, rlpUint } from "#lib/rlp.ts";

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.uint8Array({ minLength: 54, maxLength: 58, size: "max" }),
  fc.uint8Array({ minLength: 254, maxLength: 258, size: "max" }),
);
const { item } = fc.letrec<{ item: RlpItem }>((tie) => ({
  item: fc.oneof({ maxDepth: 4 }, bytes, fc.array(tie("item"), { maxLength: 6 })),
}));

describe("RLP", () => {
  test("encodes as the library does, and decodes back to the same", () => {
    fc.assert(
      fc.property(item, (value) => {
        const encoded = encodeRlp(value);
        expect(toHex(encoded)).toBe(toHex(RLP.encode(value as Parameters<typeof RLP.encode>[0])));
        expect(decodeRlp(encoded)).toEqual(value);
      }),
      { numRuns: 2000, verbose: 1 },
    );
  });

  test("decodes mutated encodings as the library does, or refuses them as it does", () => {
    const outcome = (decode: () => unknown): unknown => {
      try {
        return decode();
      } catch {
        return "refused";
      }
    };
    const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.nat({ max: 3 }) });
    fc.assert(
      fc.property(item, fc.array(change, { maxLength: 3 }), (value, changes) => {
        let encoded = encodeRlp(value);
        for (const { at, to, cut } of changes) {
          encoded[at % encoded.length] = to;
          if (cut === 1 && encoded.length > 1) encoded = encoded.slice(0, -1);
        }
        expect(outcome(() => decodeRlp(encoded))).toEqual(outcome(() => RLP.decode(encoded)));
      }),
      { numRuns: 5000 },
    );
  });

  test("encodes payloads of 64 KiB and more", () => {
    const value = [new Uint8Array(0xff_ff).fill(1), new Uint8Array(0x1_00_00).fill(2)];
    expect(toHex(encodeRlp(value))).toBe(toHex(RLP.encode(value)));
  });

  test("integers of any size go through their shortest form", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (value) => {
        const form = rlpUint(value);
        expect(form[0]).not.toBe(0);
        expect(bytesToBigint(form)).toBe(value);
        expect(rlpBigint(form)).toBe(value);
      }),
    );
    for (const value of [0, 1, 255, 256, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(rlpNumber(rlpUint(value))).toBe(value);
    }
    expect(() => rlpNumber(rlpUint(2n ** 53n))).toThrow("above 2^53");
    expect(() => rlpBigint(Uint8Array.of(0, 1))).toThrow("leading zeros");
  });

  test("any byte more or less is refused", () => {
    fc.assert(
      fc.property(item, (value) => {
        const encoded = encodeRlp(value);
        expect(() => decodeRlp(concatBytes(encoded, Uint8Array.of(0)))).toThrow();
        expect(() => decodeRlp(encoded.subarray(0, -1))).toThrow();
      }),
    );
  });

  test("sixteen lists within each other are decoded, seventeen are not", () => {
    const nest = (depth: number): RlpItem => (depth === 1 ? [] : [nest(depth - 1)]);
    expect(decodeRlp(encodeRlp(nest(16)))).toEqual(nest(16));
    expect(() => decodeRlp(encodeRlp(nest(17)))).toThrow("nested too deep");
    // Many lists beside each other are not nested.
    const wide = Array.from({ length: 1000 }, () => nest(15));
    expect(decodeRlp(encodeRlp(wide))).toEqual(wide);
  });

  test("nesting as deep as a message can hold is refused at once", () => {
    // Written from the innermost list outwards: each header says how much follows it.
    const out = new Uint8Array(128 * 1024);
    let start = out.length - 1;
    out[start] = 0xc0;
    while (start > 4) {
      const length = out.length - start;
      const header = length < 56 ? [0xc0 + length] : [0xfa, length >> 16, (length >> 8) & 255, length & 255];
      const canonical =
        length < 56 || length > 0xffff ? header : length > 255 ? [0xf9, ...header.slice(2)] : [0xf8, length];
      start -= canonical.length;
      out.set(canonical, start);
    }
    expect(() => decodeRlp(out.subarray(start))).toThrow("nested too deep");
  });
});
