// Frames: whatever way a stream is cut, the same frames come out, and an oversized one is noticed from its header.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes } from "#lib/bytes.ts";
import { createFrameReader, frameHeader } from "#net/frames.ts";

function encode(frames: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...frames.flatMap((frame) => [frameHeader(frame.length), frame]));
}

test("frames survive any cutting of the stream", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 50 }),
      (frames, cuts) => {
        const bytes = encode(frames);
        const reader = createFrameReader(300);
        const found: Uint8Array[] = [];
        let at = 0;
        for (let i = 0; at < bytes.length; i++) {
          const length = cuts[i % cuts.length]!;
          reader.push(bytes.subarray(at, at + length));
          at += length;
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
            found.push(frame as Uint8Array);
          }
        }
        expect(found).toEqual(frames);
        expect(reader.next()).toBeUndefined();
      },
    ),
  );
});

test("a frame above the bound is refused as soon as its header is there", () => {
  const reader = createFrameReader(10);
  reader.push(frameHeader(10));
  expect(reader.next()).toBeUndefined();
  reader.push(new Uint8Array(10));
  expect(reader.next()).toEqual(new Uint8Array(10));
  reader.push(frameHeader(11).subarray(0, 3));
  expect(reader.next()).toBeUndefined();
  reader.push(frameHeader(11).subarray(3));
  expect(reader.next()).toBe("oversized");
  reader.push(new Uint8Array(100));
  expect(reader.next()).toBe("oversized");
});

test("arbitrary bytes never throw and never yield more than was pushed", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 40 }), (chunks) => {
      const reader = createFrameReader(1_000);
      let pushed = 0;
      let yielded = 0;
      for (const chunk of chunks) {
        reader.push(chunk);
        pushed += chunk.length;
        for (let frame = reader.next(); frame instanceof Uint8Array; frame = reader.next()) {
          yielded += frame.length + 4;
        }
      }
      expect(yielded).toBeLessThanOrEqual(pushed);
    }),
  );
});

test("a frame is a copy: changing the chunk afterwards changes nothing", () => {
  const reader = createFrameReader(10);
  const chunk = encode([Uint8Array.of(1, 2, 3)]);
  reader.push(chunk);
  const frame = reader.next();
  chunk.fill(9);
  expect(frame).toEqual(Uint8Array.of(1, 2, 3));
});
