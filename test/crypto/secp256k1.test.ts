// secp256k1: both backends against published vectors and against each other.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { keccak256, sha256 } from "#crypto/hash.ts";
import {
  publicKeyToAddress,
  recoverPublicKey,
  SECP256K1_ORDER,
  secretToAddress,
  signDigest,
} from "#crypto/secp256k1.ts";
import { chooseSecp256k1, passesSecp256k1Probes, portableSecp256k1 } from "#crypto/secp256k1-backend.ts";
import { loadFastRecovery } from "#crypto/secp256k1-recovery.ts";
import { bytesToBigint, utf8 } from "#lib/bytes.ts";
import { haveVectors, hex, readVectors, type WycheproofFile } from "./vector-files.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const backends = [chooseSecp256k1(), portableSecp256k1("asked for")];

test("the native backend is in use where a prebuilt addon exists", () => {
  const expected = process.platform === "linux" && process.arch === "x64" ? "native" : backends[0]!.name;
  expect(backends[0]!.name).toBe(expected);
  expect(backends[0]!.reason === undefined).toBe(backends[0]!.name === "native");
});

test("both pass the self-test, which a backend with another answer fails", () => {
  const [native, portable] = backends;
  expect(backends.map(passesSecp256k1Probes)).toEqual([true, true]);
  expect(passesSecp256k1Probes({ ...native!, recover: () => undefined })).toBe(false);
  expect(passesSecp256k1Probes({ ...native!, publicKey: () => new Uint8Array(65) })).toBe(false);
  const flipped = (digest: Uint8Array, secret: Uint8Array) => ({
    ...portable!.sign(digest, secret),
    recovery: 1 - portable!.sign(digest, secret).recovery,
  });
  expect(passesSecp256k1Probes({ ...portable!, sign: flipped })).toBe(false);
});

describe.skipIf(!haveVectors)("published vectors", () => {
  test("deterministic signatures (RFC 6979)", () => {
    const { valid } = readVectors<{ valid: { d: string; m: string; signature: string }[] }>(
      "noble/secp256k1/ecdsa.json",
    );
    for (const [i, { d, m, signature }] of valid.entries()) {
      // Above the order the two derive different nonces, both valid: see secp256k1-backend.ts.
      const below = bytesToBigint(hex(m)) < SECP256K1_ORDER;
      // The portable one is slow: it takes one case in eight.
      for (const backend of i % 8 === 0 ? backends : backends.slice(0, 1)) {
        const signed = backend.sign(hex(m), hex(d));
        if (below) expect(signed.compact.toHex()).toBe(signature);
        expect(backend.recover(hex(m), signed.compact, signed.recovery)).toEqual(backend.publicKey(hex(d)));
      }
    }
    expect(valid.length).toBeGreaterThan(2_000);
  });

  test("secrets that are none", () => {
    const { invalid } = readVectors<{ invalid: { sign: { d: string; m: string }[] } }>(
      "noble/secp256k1/ecdsa.json",
    );
    for (const { d, m } of invalid.sign) {
      for (const backend of backends) {
        expect(() => backend.sign(hex(m), hex(d))).toThrow();
        expect(() => backend.publicKey(hex(d))).toThrow();
      }
    }
    expect(invalid.sign.length).toBe(4);
  });

  test("Wycheproof ECDSA: a valid signature recovers its key, an invalid one never does", () => {
    interface Group {
      readonly publicKey: { readonly uncompressed: string };
    }
    const file = readVectors<WycheproofFile<Group, { msg: string; sig: string }>>(
      "wycheproof/ecdsa_secp256k1_sha256_test.json",
    );
    let recovered = 0;
    for (const group of file.testGroups) {
      const key = group.publicKey.uncompressed;
      for (const { msg, sig, result } of group.tests) {
        let compact: Uint8Array;
        try {
          compact = secp256k1.Signature.fromBytes(hex(sig), "der").toBytes("compact");
        } catch {
          expect(result).not.toBe("valid");
          continue;
        }
        const digest = sha256(hex(msg));
        const found = backends.map((backend) =>
          [0, 1, 2, 3].some((bit) => backend.recover(digest, compact, bit)?.toHex() === key),
        );
        expect(found).toEqual([result === "valid", result === "valid"]);
        if (result === "valid") recovered++;
      }
    }
    expect(recovered).toBeGreaterThan(150);
  });
});

test("backends agree on every signature and recovery", () => {
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => {
    const value = bytesToBigint(bytes);
    return value > 0n && value < SECP256K1_ORDER;
  });
  fc.assert(
    fc.property(secret, fc.uint8Array({ maxLength: 40 }), (key, message) => {
      const digest = keccak256(message);
      const signature = signDigest(digest, key);
      expect(signature.s).toBeLessThanOrEqual(SECP256K1_ORDER / 2n);
      const recovered = recoverPublicKey(digest, signature);
      expect(recovered && publicKeyToAddress(recovered)).toBe(secretToAddress(key));
      const [native, portable] = backends.map((backend) => backend.sign(digest, key));
      expect(native!.compact).toEqual(portable!.compact);
      expect(native!.recovery).toBe(portable!.recovery);
    }),
    { numRuns: 60 },
  );
});

test("backends agree on arbitrary signature bytes", () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes32, bytes32, bytes32, fc.integer({ min: 0, max: 3 }), (r, s, digest, bit) => {
      const compact = new Uint8Array([...r, ...s]);
      const [native, portable] = backends.map((backend) => backend.recover(digest, compact, bit));
      expect(native).toEqual(portable!);
    }),
    { numRuns: 60 },
  );
});

test("what threads use without the native code recovers the same, and nothing where there is nothing", async () => {
  const fast = await loadFastRecovery();
  if (fast === undefined) throw new Error("it did not load");
  const reference = portableSecp256k1("compared");
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const edge = fc
    .constantFrom(
      0n,
      1n,
      2n,
      5n,
      SECP256K1_ORDER - 1n,
      SECP256K1_ORDER,
      2n ** 256n - 1n,
      SECP256K1_ORDER + 1n,
    )
    .map((value) => Uint8Array.fromHex(value.toString(16).padStart(64, "0")));
  const word = fc.oneof({ weight: 3, arbitrary: bytes32 }, edge);
  fc.assert(
    fc.property(word, word, word, fc.constantFrom(0, 1), (r, s, digest, parity) => {
      const compact = new Uint8Array([...r, ...s]);
      expect(fast(digest, compact, parity)).toEqual(reference.recover(digest, compact, parity) as Uint8Array);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(bytes32, fc.integer({ min: 1, max: 254 }), (digest, secret) => {
      const key = new Uint8Array(32).fill(secret);
      const { compact, recovery } = reference.sign(digest, key);
      expect(fast(digest, compact, recovery)).toEqual(reference.publicKey(key));
    }),
    { numRuns: 60 },
  );
  // The sum is infinity where s · R = digest · G: with R = G, for equal numbers.
  const generator = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
  const same = new Uint8Array(32).fill(9);
  const compact = new Uint8Array([...Uint8Array.fromHex(generator), ...same]);
  expect([0, 1].map((parity) => fast(same, compact, parity) === undefined)).toContain(true);
});

test("out-of-range values recover nothing", () => {
  const digest = keccak256(utf8("kora"));
  const good = signDigest(digest, new Uint8Array(32).fill(7));
  for (const bad of [
    { ...good, r: 0n },
    { ...good, s: 0n },
    { ...good, r: SECP256K1_ORDER },
    { ...good, s: SECP256K1_ORDER },
    { ...good, yParity: 2 },
    { ...good, yParity: -1 },
    { ...good, r: 5n << 250n },
  ]) {
    expect(recoverPublicKey(digest, bad)).toBeUndefined();
  }
});

test("a secret that is zero or too large is refused", () => {
  for (const backend of backends) {
    for (const secret of [new Uint8Array(32), new Uint8Array(32).fill(0xff)]) {
      expect(() => backend.publicKey(secret)).toThrow();
      expect(() => backend.sign(new Uint8Array(32).fill(1), secret)).toThrow();
    }
  }
});
