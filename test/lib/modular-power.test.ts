// Powers modulo a number against the definition, and against what exponents of any length must obey.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bigintToBytes } from "#lib/bytes.ts";
import { modularPower } from "#lib/modular-power.ts";

/** As the definition says. */
function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n % modulus;
  for (let i = 0n; i < exponent; i++) result = (result * base) % modulus;
  return result;
}

describe("modularPower", () => {
  const number = fc.bigInt({ min: 0n, max: 2n ** 200n });

  test("agrees with the definition for exponents that can be counted", () => {
    fc.assert(
      fc.property(
        number,
        fc.bigInt({ min: 0n, max: 300n }),
        number,
        fc.nat(9),
        (base, exponent, m, zeros) => {
          const bytes = new Uint8Array([...new Uint8Array(zeros), ...bigintToBytes(exponent)]);
          expect(modularPower(base, bytes, m + 1n)).toBe(power(base, exponent, m + 1n));
        },
      ),
      { verbose: 1 },
    );
  });

  test("turns sums of long exponents into products", () => {
    fc.assert(
      fc.property(number, number, number, number, (base, a, b, m) => {
        const modulus = m + 1n;
        const raise = (exponent: bigint): bigint => modularPower(base, bigintToBytes(exponent), modulus);
        expect(raise(a + b)).toBe((raise(a) * raise(b)) % modulus);
      }),
      { verbose: 1 },
    );
  });

  test("an exponent of 100,000 bytes takes no longer than its bits", () => {
    // 3^(2^k) mod 7 goes through 3, 2, 4, 2, 4, …; Fermat: exponents count modulo 6.
    const exponent = new Uint8Array(100_000).fill(0xff);
    const modulo6 = (2n ** 800_000n - 1n) % 6n;
    expect(modularPower(3n, exponent, 7n)).toBe(power(3n, modulo6, 7n));
  });
});
