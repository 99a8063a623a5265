// Rates: what they let through, and for how long they say to wait.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createRate } from "#net/rate.ts";

test("a rate never lets more through than its credit and time allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 5_000 })), {
        maxLength: 200,
      }),
      (messagesPerSecond, bytesPerSecond, arrivals) => {
        const rate = createRate({ messagesPerSecond, bytesPerSecond });
        let now = 0;
        let messages = 0;
        let total = 0;
        for (const [gap, size] of arrivals) {
          now += gap;
          if (rate.wait(now) > 0) continue;
          rate.take(now, size);
          messages++;
          total += size;
          const seconds = 1 + now / 1000;
          expect(messages).toBeLessThanOrEqual(messagesPerSecond * seconds + 1e-6);
          // One message may be in debt.
          expect(total - size).toBeLessThanOrEqual(bytesPerSecond * seconds + 1e-6);
        }
      },
    ),
  );
});

test("waiting as long as a rate says is enough", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 0, max: 50_000 }), { maxLength: 30 }),
      (messagesPerSecond, bytesPerSecond, sizes) => {
        const rate = createRate({ messagesPerSecond, bytesPerSecond });
        let now = 0;
        for (const size of sizes) {
          now += rate.wait(now);
          expect(rate.wait(now)).toBe(0);
          rate.take(now, size);
        }
      },
    ),
    { examples: [[1, 9, [48_294, 0]]] },
  );
});
