// The primitives of the Noise handshake and its packets, which work in this runtime for payloads of every size: its
// node:crypto has no ChaCha20-Poly1305, which the library's own choice only finds out beyond 1,200 bytes. The curve and
// the key derivation are the runtime's: in JavaScript they cost fifteen times as much, and whoever is refused may come
// again a dozen times a second.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { ChaCha20Poly1305, newInstance } from "@chainsafe/as-chacha20poly1305";
import type { ICryptoInterface } from "@chainsafe/libp2p-noise";
import { concatBytes, EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";

/** Bytes of a secret or public key of X25519, and of each key that is derived. */
const KEY_BYTES = 32;
/** What stands before the key in its DER form: PKCS #8 and SubjectPublicKeyInfo (RFC 8410, 7 and 4). */
const SECRET_HEAD = fromHex("0x302e020100300506032b656e04220420");
const PUBLIC_HEAD = fromHex("0x302a300506032b656e032100");
const TAG_BYTES = 16;

type KeyPair = ReturnType<ICryptoInterface["generateX25519KeyPair"]>;

function openSecret(secret: Uint8Array): KeyObject {
  const der = concatBytes(SECRET_HEAD, secret);
  return createPrivateKey({ key: der as Buffer, format: "der", type: "pkcs8" });
}

function openPublic(key: Uint8Array): KeyObject {
  const der = concatBytes(PUBLIC_HEAD, key);
  return createPublicKey({ key: der as Buffer, format: "der", type: "spki" });
}

function keyPair(privateKey: Uint8Array): KeyPair {
  const spki = createPublicKey(openSecret(privateKey)).export({ format: "der", type: "spki" });
  return { privateKey, publicKey: new Uint8Array(spki.subarray(PUBLIC_HEAD.length)) };
}

/** HKDF of the Noise protocol (section 4.3): three keys. */
function deriveKeys(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const out = new Uint8Array(hkdfSync("sha256", material, chainingKey, EMPTY_BYTES, 3 * KEY_BYTES));
  const key = (i: number): Uint8Array => out.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
  return [key(0), key(1), key(2)];
}

/** WebAssembly for packets, native code for hashes, the curve and derived keys. */
export function createNoiseCrypto(): ICryptoInterface {
  const cipher = new ChaCha20Poly1305(newInstance());
  return {
    hashSHA256: (data) => new Uint8Array(createHash("sha256").update(data.subarray()).digest()),
    getHKDF: deriveKeys,
    generateX25519KeyPair: () => keyPair(new Uint8Array(randomBytes(KEY_BYTES))),
    generateX25519KeyPairFromSeed: keyPair,
    /** Throws for a point of low order: there is no shared secret with it. */
    generateX25519SharedKey: (secret, key) =>
      new Uint8Array(
        diffieHellman({ privateKey: openSecret(secret.subarray()), publicKey: openPublic(key.subarray()) }),
      ),
    chaCha20Poly1305Encrypt: (plaintext, nonce, ad, key) => cipher.seal(key, nonce, plaintext.subarray(), ad),
    chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key, out) {
      // After the handshake it says nothing, and nobody behind this sees it to count it.
      if (ciphertext.byteLength === TAG_BYTES && ad.length === 0)
        throw new KoraError("an empty packet", { code: "BAD_PACKET" });
      const plaintext = cipher.open(key, nonce, ciphertext.subarray(), ad, out);
      if (plaintext === null) {
        throw new KoraError("a packet's authentication failed", { code: "BAD_PACKET" });
      }
      return plaintext;
    },
  };
}
