// BLS12-381 against published vectors, on every implementation that can speak their suite: blst's binding knows one
// tag only, the others take any.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { loadMclArithmetic } from "#crypto/bls/mcl.ts";
import { createNobleBackend } from "#crypto/bls/noble.ts";
import { lagrangeAtZero, openScalar } from "#crypto/bls/scalar.ts";
import type { BlsBackend } from "#crypto/bls/types.ts";
import { loadBlsBackend } from "#crypto/bls.ts";
import { utf8 } from "#lib/bytes.ts";
import { haveVectors, hex, readFolder, readText, readVectors, type WycheproofFile } from "./vector-files.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const NUL = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
const QUUX = "QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";
const ONE = hex("01".padStart(64, "0"));

const own = await Promise.all((["noble", "mcl", "blst"] as const).map((name) => loadBlsBackend(name)));
/** Those of another suite. */
async function under(tag: string): Promise<BlsBackend[]> {
  return [createNobleBackend(tag), (await loadMclArithmetic(tag)).backend];
}
const nul = await under(NUL);
const quux = await under(QUUX);

function signs(backend: BlsBackend, secret: Uint8Array, message: Uint8Array): string | null {
  return openScalar(secret) === undefined ? null : backend.sign(secret, message).toHex();
}

describe.skipIf(!haveVectors)("ethereum/bls12-381-tests", () => {
  const folder = <Input, Output>(name: string) =>
    readFolder<{ input: Input; output: Output }>(`bls12-381-tests-v0.1.1/${name}`);
  const bare = (text: string | null): string | null => text?.replace(/^0x/, "") ?? null;

  test("sign", () => {
    for (const { content } of folder<{ privkey: string; message: string }, string | null>("sign")) {
      const { privkey, message } = content.input;
      for (const backend of own) {
        expect(signs(backend, hex(privkey), hex(message))).toBe(bare(content.output));
      }
    }
  });
  test("verify", () => {
    type Input = { pubkey: string; message: string; signature: string };
    for (const { content } of folder<Input, boolean>("verify")) {
      const { pubkey, message, signature } = content.input;
      const claim = { publicKey: hex(pubkey), message: hex(message), signature: hex(signature) };
      for (const backend of own) expect(backend.verifyAll([claim])).toBe(content.output);
    }
  });
  test("batch verify", () => {
    type Input = { pubkeys: string[]; messages: string[]; signatures: string[] };
    for (const { content } of folder<Input, boolean>("batch_verify")) {
      const { pubkeys, messages, signatures } = content.input;
      const claims = pubkeys.map((key, i) => ({
        publicKey: hex(key),
        message: hex(messages[i]!),
        signature: hex(signatures[i]!),
      }));
      for (const backend of own) expect(backend.verifyAll(claims)).toBe(content.output);
    }
  });
  test("points: infinity is none here, whatever a suite says of it", () => {
    for (const { name, content } of folder<{ pubkey: string }, boolean>("deserialization_G1")) {
      const expected = content.output && !name.includes("infinity");
      for (const backend of own) expect(backend.isPublicKey(hex(content.input.pubkey))).toBe(expected);
    }
    for (const { name, content } of folder<{ signature: string }, boolean>("deserialization_G2")) {
      const expected = content.output && !name.includes("infinity");
      for (const backend of own) expect(backend.isSignature(hex(content.input.signature))).toBe(expected);
    }
  });
  test("aggregates are sums with weight one", () => {
    for (const { name, content } of folder<string[], string | null>("aggregate")) {
      const signatures = content.input.map(hex);
      const expected = name.includes("infinity") ? null : bare(content.output);
      for (const backend of own) {
        if (signatures.length === 0) continue;
        const sum = backend.combine(
          signatures,
          signatures.map(() => 1n),
          1n,
        );
        expect(sum?.toHex() ?? null).toBe(expected);
      }
    }
  });
  test("keys add up as a polynomial at one", () => {
    type Input = { pubkeys: string[]; message: string; signature: string };
    for (const { content } of folder<Input, boolean>("fast_aggregate_verify")) {
      const { pubkeys, message, signature } = content.input;
      for (const backend of own) {
        const publicKey = backend.evaluate(pubkeys.map(hex), 1);
        const valid =
          publicKey !== undefined &&
          backend.verifyAll([{ publicKey, message: hex(message), signature: hex(signature) }]);
        expect(valid).toBe(content.output);
      }
    }
  });
});

describe.skipIf(!haveVectors)("hash to curve: a signature by the secret 1 is the hashed message", () => {
  test("RFC 9380", () => {
    interface Suite {
      readonly dst: string;
      readonly vectors: readonly { msg: string; P: { x: string; y: string } }[];
    }
    const suite = readVectors<Suite>("hash-to-curve-rfc9380/BLS12381G2_XMD_SHA-256_SSWU_RO_.json");
    expect(suite.dst).toBe(QUUX);
    for (const { msg, P } of suite.vectors) {
      const [real, imaginary] = P.x.split(",").map((part) => part.replace(/^0x/, "").padStart(96, "0"));
      for (const backend of quux) {
        const point = backend.sign(ONE, utf8(msg));
        point[0] = point[0]! & 0x1f;
        expect(point.toHex()).toBe(`${imaginary}${real}`);
      }
    }
    expect(suite.vectors.length).toBeGreaterThan(3);
  });
  test("Wycheproof", () => {
    type Case = { msg: string; expected: string };
    const file = readVectors<WycheproofFile<{ dst: string }, Case>>("wycheproof/bls_hash_to_g2_test.json");
    let cases = 0;
    for (const group of file.testGroups) {
      if (group.dst !== QUUX) continue;
      for (const { msg, expected, result } of group.tests) {
        for (const backend of quux) {
          expect(backend.sign(ONE, hex(msg)).toHex() === expected).toBe(result === "valid");
        }
        cases++;
      }
    }
    expect(cases).toBeGreaterThan(10);
  });
});

describe.skipIf(!haveVectors)("other suites under their own tag", () => {
  test("signatures of noble's list", () => {
    const lines = readText("bls-sign-noble/min_pk.txt").trim().split("\n");
    for (const [i, line] of lines.entries()) {
      const [secret, message, signature] = line.split(":").map(hex);
      // The reference is slow: it takes one line in four.
      for (const backend of i % 4 === 0 ? nul : nul.slice(1)) {
        expect(backend.sign(secret!.length === 32 ? secret! : ONE, message!)).toEqual(signature!);
      }
    }
    expect(lines.length).toBeGreaterThan(100);
  });
  test("drand's beacons verify, and do not for another round's message", () => {
    type Beacon = { variant: string; public_key: string; message: string; signature: string };
    const beacons = readVectors<Beacon[]>("drand-beacons/drand.json").filter((b) => b.variant === "min_pk");
    for (const { public_key, message, signature } of beacons) {
      const claim = { publicKey: hex(public_key), message: hex(message), signature: hex(signature) };
      for (const backend of nul) {
        expect(backend.verifyAll([claim])).toBe(true);
        expect(backend.verifyAll([{ ...claim, message: ONE }])).toBe(false);
      }
    }
    expect(beacons.length).toBe(3);
  });
  test("Wycheproof signatures", () => {
    type Case = { msg: string; sig: string };
    interface Group {
      readonly ciphersuite: string;
      readonly publicKey: { readonly pk: string };
    }
    const file = readVectors<WycheproofFile<Group, Case>>("wycheproof/bls_sig_g2_basic_verify_test.json");
    let cases = 0;
    for (const { ciphersuite, publicKey, tests } of file.testGroups) {
      expect(ciphersuite).toBe(NUL);
      for (const { msg, sig, result } of tests) {
        const claim = { publicKey: hex(publicKey.pk), message: hex(msg), signature: hex(sig) };
        for (const backend of nul) expect(backend.verifyAll([claim])).toBe(result === "valid");
        cases++;
      }
    }
    expect(cases).toBe(88);
  });
});

test.skipIf(!haveVectors)("threshold vectors: shares, partials and every listed recovery", () => {
  interface Case {
    readonly variant: string;
    readonly message: string;
    readonly public_polynomial: readonly string[];
    readonly shares: readonly {
      index: number;
      share: string;
      public_share: string;
      partial_signature: string;
    }[];
    readonly recover_subsets: readonly (readonly number[])[];
    readonly signature: string;
  }
  const { cases } = readVectors<{ cases: Case[] }>("threshold-synthetic/threshold.json");
  const ours = cases.filter(({ variant }) => variant === "min_pk");
  for (const { message, public_polynomial, shares, recover_subsets, signature } of ours) {
    const polynomial = public_polynomial.map(hex);
    const partial = (index: number): Uint8Array => hex(shares[index]!.partial_signature);
    for (const { index, share, public_share, partial_signature } of shares) {
      for (const backend of [...nul, ...own]) {
        expect(backend.evaluate(polynomial, index + 1)?.toHex()).toBe(public_share);
        expect(backend.publicKey(hex(share)).toHex()).toBe(public_share);
      }
      for (const backend of nul) {
        expect(backend.sign(hex(share), hex(message)).toHex()).toBe(partial_signature);
      }
    }
    for (const subset of recover_subsets) {
      const { weights, divisor } = lagrangeAtZero(subset);
      for (const backend of [...nul, ...own]) {
        expect(backend.combine(subset.map(partial), weights, divisor)?.toHex()).toBe(signature);
      }
    }
  }
  expect(ours.length).toBe(4);
});
