// The primitives that secure connections, against Wycheproof and for the sizes at which the runtime's own fail.
import { expect, test } from "bun:test";
import { type ICryptoInterface, pureJsCrypto } from "@chainsafe/libp2p-noise";
import { x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { createNoiseCrypto } from "#net/noise-crypto.ts";
import { haveVectors, hex, readVectors, type WycheproofFile } from "../crypto/vector-files.ts";

const crypto = createNoiseCrypto();

test.skipIf(!haveVectors)("ChaCha20-Poly1305: Wycheproof", () => {
  type Case = { key: string; iv: string; aad: string; msg: string; ct: string; tag: string };
  const file = readVectors<WycheproofFile<{ ivSize: number; tagSize: number }, Case>>(
    "wycheproof/chacha20_poly1305_test.json",
  );
  let cases = 0;
  for (const { ivSize, tests } of file.testGroups) {
    if (ivSize !== 96) continue;
    for (const { key, iv, aad, msg, ct, tag, result } of tests) {
      // Noise authenticates a hash or nothing beside a packet, and the implementation takes no more.
      if (hex(aad).length > 32 || (aad === "" && msg === "")) continue;
      const sealed = hex(ct + tag);
      const open = (): string =>
        crypto.chaCha20Poly1305Decrypt(sealed, hex(iv), hex(aad), hex(key)).subarray().toHex();
      if (result === "valid") {
        expect(open()).toBe(msg);
        const again = crypto.chaCha20Poly1305Encrypt(hex(msg), hex(iv), hex(aad), hex(key));
        expect(again.subarray()).toEqual(sealed);
      } else {
        expect(open).toThrow("authentication");
      }
      cases++;
    }
  }
  expect(cases).toBeGreaterThan(200);
});

test("packets of every size up to the protocol's largest, and none that was touched", () => {
  const [key, nonce, ad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), new Uint8Array(0)];
  for (const size of [1, 15, 16, 17, 1_199, 1_200, 1_201, 16_384, 65_519]) {
    const plaintext = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    const sealed = crypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key).subarray().slice();
    expect(crypto.chaCha20Poly1305Decrypt(sealed, nonce, ad, key).subarray()).toEqual(plaintext);
    for (const at of [0, size >> 1, sealed.length - 1]) {
      const touched = sealed.with(at, sealed[at]! ^ 1);
      expect(() => crypto.chaCha20Poly1305Decrypt(touched, nonce, ad, key)).toThrow("authentication");
    }
  }
});

test("an empty packet is refused once the handshake is over", () => {
  const [key, nonce] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2)];
  const sealed = (ad: Uint8Array): Uint8Array =>
    crypto.chaCha20Poly1305Encrypt(new Uint8Array(0), nonce, ad, key).subarray().slice();
  const handshake = new Uint8Array(32);
  expect(crypto.chaCha20Poly1305Decrypt(sealed(handshake), nonce, handshake, key).byteLength).toBe(0);
  const after = new Uint8Array(0);
  expect(() => crypto.chaCha20Poly1305Decrypt(sealed(after), nonce, after, key)).toThrow("empty");
});

test("derived keys are those of the portable implementation", () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes, fc.oneof(bytes, fc.constant(new Uint8Array(0))), (chainingKey, material) => {
      const keys = (of: ICryptoInterface): string[] =>
        of.getHKDF(chainingKey, material).map((key) => key.toHex());
      expect(keys(crypto)).toEqual(keys(pureJsCrypto));
    }),
  );
});

test.skipIf(!haveVectors)("X25519: Wycheproof", () => {
  type Case = { public: string; private: string; shared: string };
  const file = readVectors<WycheproofFile<object, Case>>("wycheproof/x25519_test.json");
  let agreed = 0;
  for (const { tests } of file.testGroups) {
    for (const { public: publicKey, private: privateKey, shared, result } of tests) {
      let found: string | undefined;
      try {
        found = crypto.generateX25519SharedKey(hex(privateKey), hex(publicKey)).toHex();
      } catch {
        // A point of low order has no shared secret.
      }
      if (result === "valid") expect(found).toBe(shared);
      else expect(found === undefined || found === shared).toBe(true);
      agreed++;
    }
  }
  expect(agreed).toBe(518);
  const pair = crypto.generateX25519KeyPair();
  expect(x25519.getPublicKey(pair.privateKey.subarray()).toHex()).toBe(pair.publicKey.subarray().toHex());
});
