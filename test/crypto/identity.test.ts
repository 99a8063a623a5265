// ed25519 identities: Wycheproof on both backends, agreement on every edge, and what is no key.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import {
  chooseEd25519,
  isEd25519Key,
  passesEd25519Probes,
  portableEd25519,
} from "#crypto/ed25519-backend.ts";
import { generateSeed, identityFromSeed, isValidIdentity, verifyIdentity } from "#crypto/identity.ts";
import { utf8 } from "#lib/bytes.ts";
import { identityKey, identityKeyBytes } from "#types/identity.ts";
import { haveVectors, hex, readVectors, type WycheproofFile } from "./vector-files.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const portable = portableEd25519("asked for");

test("the native backend is in use", () => {
  expect(chooseEd25519()).toMatchObject({ name: "native", reason: undefined });
});

test("both pass the self-test, which a backend with another answer fails", () => {
  const native = chooseEd25519();
  expect([native, portable].map(passesEd25519Probes)).toEqual([true, true]);
  expect(passesEd25519Probes({ ...native, verifier: () => () => true })).toBe(false);
  expect(passesEd25519Probes({ ...native, signer: () => native.signer(new Uint8Array(32)) })).toBe(false);
});

test.skipIf(!haveVectors)("Wycheproof on both backends", () => {
  interface Group {
    readonly publicKey: { readonly pk: string };
  }
  const file = readVectors<WycheproofFile<Group, { msg: string; sig: string }>>(
    "wycheproof/ed25519_test.json",
  );
  let cases = 0;
  for (const group of file.testGroups) {
    const key = identityKey(group.publicKey.pk);
    for (const { msg, sig, result } of group.tests) {
      const [message, signature] = [hex(msg), hex(sig)];
      const reference =
        signature.length === 64 && portable.verifier(identityKeyBytes(key))(message, signature);
      expect(verifyIdentity(key, message, signature)).toBe(result === "valid");
      expect(reference).toBe(result === "valid");
      cases++;
    }
  }
  expect(cases).toBe(151);
});

test("both backends sign alike and accept each other", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 300 }),
      (seed, message) => {
        const identity = identityFromSeed(seed);
        const reference = portable.signer(seed);
        expect(identityKeyBytes(identity.publicKey)).toEqual(reference.publicKey);
        const signature = identity.sign(message);
        expect(signature).toEqual(reference.sign(message));
        expect(verifyIdentity(identity.publicKey, message, signature)).toBe(true);
        expect(portable.verifier(reference.publicKey)(message, signature)).toBe(true);
        expect(verifyIdentity(identity.publicKey, utf8("else"), signature)).toBe(false);
      },
    ),
    { numRuns: 20 },
  );
});

test("both backends judge mangled signatures alike", () => {
  const identity = identityFromSeed(new Uint8Array(32).fill(3));
  const bytes = identityKeyBytes(identity.publicKey);
  const signature = identity.sign(utf8("kora"));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
      const mangled = signature.slice();
      mangled[bit >> 3] = mangled[bit >> 3]! ^ (1 << (bit & 7));
      expect(verifyIdentity(identity.publicKey, utf8("kora"), mangled)).toBe(false);
      expect(portable.verifier(bytes)(utf8("kora"), mangled)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

describe("what is no key", () => {
  const SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  ];
  test("points of small order, whose signatures anybody can make", () => {
    for (const bytes of SMALL_ORDER) {
      expect(isValidIdentity(identityKey(bytes))).toBe(false);
      expect(verifyIdentity(identityKey(bytes), utf8("kora"), new Uint8Array(64))).toBe(false);
    }
  });
  test("encodings that are not canonical", () => {
    expect(isEd25519Key(hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))).toBe(false);
    expect(isEd25519Key(new Uint8Array(31))).toBe(false);
  });
  test("text of the wrong form", () => {
    for (const text of ["", "0x", "zz".repeat(32), "00".repeat(31), "00".repeat(33)]) {
      expect(() => identityKey(text)).toThrow("identity key");
    }
  });
});

test("an identity keeps its own copy of the seed and shows it only by name", () => {
  const seed = generateSeed();
  const identity = identityFromSeed(seed);
  const before = identity.sign(utf8("kora"));
  const kept = seed.slice();
  seed.fill(0);
  expect(identity.sign(utf8("kora"))).toEqual(before);
  expect(identity.revealSeed()).toEqual(kept);
  expect(identity.publicKey).toBe(identityKey(ed25519.getPublicKey(kept)));
  expect(JSON.stringify(identity)).not.toContain(kept.toHex());
  expect(Bun.inspect(identity)).not.toContain(kept.toHex());
});
