// The primitives of the Noise handshake and its packets, which work in this runtime for payloads of every size: its
// node:crypto has no ChaCha20-Poly1305, which the library's own choice only finds out beyond 1,200 bytes.
import { createHash } from "node:crypto";
import { ChaCha20Poly1305, newInstance } from "@chainsafe/as-chacha20poly1305";
import { type ICryptoInterface, pureJsCrypto } from "@chainsafe/libp2p-noise";
import { KoraError } from "#lib/error.ts";

/** WebAssembly for packets, native sha-256, the library's pure implementation for the handshake's curve. */
export function createNoiseCrypto(): ICryptoInterface {
  const cipher = new ChaCha20Poly1305(newInstance());
  return {
    ...pureJsCrypto,
    hashSHA256: (data) => new Uint8Array(createHash("sha256").update(data.subarray()).digest()),
    chaCha20Poly1305Encrypt: (plaintext, nonce, ad, key) => cipher.seal(key, nonce, plaintext.subarray(), ad),
    chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key, out) {
      const plaintext = cipher.open(key, nonce, ciphertext.subarray(), ad, out);
      if (plaintext === null) {
        throw new KoraError("a packet's authentication failed", { code: "BAD_PACKET" });
      }
      return plaintext;
    },
  };
}
