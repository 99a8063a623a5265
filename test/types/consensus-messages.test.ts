// Wire formats of consensus: total, canonical, bounded; frozen by the hash of a fixed run of encodings.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sha256 } from "#crypto/hash.ts";
import { KoraError } from "#lib/error.ts";
import { decodeCertificate, encodeCertificate, MAX_SIGNATURE_BYTES } from "#types/certificate.ts";
import { hash, ZERO_HASH } from "#types/ids.ts";
import { decodeMessage, encodeMessage, MAX_BATCH, type Message } from "#types/message.ts";
import { decodeVote, encodeVote, MAX_PARTIAL_BYTES, type Subject, type Vote } from "#types/vote.ts";
import { createRng } from "../support/rng.ts";

const MAX_BODY = 4_096;
const counter = fc.maxSafeNat();
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => hash(bytes));

const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("notarize" as const, "finalize" as const),
    epoch: counter,
    view: counter,
    parentView: counter,
    payload: digest,
  }),
  fc.record({
    kind: fc.constant("nullify" as const),
    epoch: counter,
    view: counter,
    parentView: fc.constant(0),
    payload: fc.constant(ZERO_HASH),
  }),
);
const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const vote: fc.Arbitrary<Vote> = fc
  .tuple(subject, fc.nat(255), bytes(MAX_PARTIAL_BYTES), bytes(MAX_PARTIAL_BYTES), bytes(64))
  .map(([of, signer, partial, seedPartial, envelope]) => ({ ...of, signer, partial, seedPartial, envelope }));
const certificate = fc
  .tuple(subject, bytes(200), bytes(MAX_PARTIAL_BYTES))
  .map(([of, signature, seed]) => ({ ...of, signature, seed }));
const want = fc.record({ kind: fc.constantFrom("nullify" as const, "notarize" as const), view: counter });
const message: fc.Arbitrary<Message> = fc.oneof(
  vote.map((of) => ({ type: "vote" as const, vote: of })),
  fc
    .array(certificate, { maxLength: 4 })
    .map((certificates) => ({ type: "certificates" as const, certificates })),
  fc.array(want, { maxLength: MAX_BATCH }).map((wants) => ({ type: "request" as const, wants })),
  counter.map((view) => ({ type: "hello" as const, view })),
  fc.option(vote, { nil: undefined }).map((of) => ({ type: "echo" as const, vote: of })),
  digest.map((of) => ({ type: "bodyRequest" as const, digest: of })),
  bytes(100).map((body) => ({ type: "body" as const, body })),
);

function refused(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (error) {
    return error instanceof KoraError && ["BAD_ENCODING", "BAD_HASH"].includes(error.code);
  }
}

describe("consensus messages", () => {
  test("decode to what was encoded, and encode to the same bytes again", () => {
    fc.assert(
      fc.property(message, (given) => {
        const encoded = encodeMessage(given);
        const decoded = decodeMessage(encoded, MAX_BODY);
        expect(decoded).toEqual(given);
        expect(encodeMessage(decoded)).toEqual(encoded);
      }),
    );
    fc.assert(fc.property(vote, (given) => expect(decodeVote(encodeVote(given))).toEqual(given)));
    fc.assert(
      fc.property(certificate, (given) => expect(decodeCertificate(encodeCertificate(given))).toEqual(given)),
    );
  });

  test("every truncation and every trailing byte is refused", () => {
    fc.assert(
      fc.property(message, fc.nat(), (given, at) => {
        const encoded = encodeMessage(given);
        expect(refused(() => decodeMessage(encoded.subarray(0, at % encoded.length), MAX_BODY))).toBeTrue();
        expect(refused(() => decodeMessage(Uint8Array.of(...encoded, 0), MAX_BODY))).toBeTrue();
      }),
    );
  });

  test("any bytes are a message or refused, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (given) => {
        try {
          expect(encodeMessage(decodeMessage(given, MAX_BODY))).toEqual(given);
        } catch (error) {
          expect(error).toBeInstanceOf(KoraError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("a nullify that names a payload, a signature, a batch or a body above its bound are refused", () => {
    const base = { epoch: 0, view: 1, parentView: 0, payload: hash(`0x${"11".repeat(32)}`) };
    const short = new Uint8Array(0);
    const signed = { signer: 0, partial: short, seedPartial: short, envelope: short };
    expect(refused(() => decodeVote(encodeVote({ kind: "nullify", ...base, ...signed })))).toBeTrue();
    const long = {
      kind: "notarize" as const,
      ...base,
      signature: new Uint8Array(MAX_SIGNATURE_BYTES + 1),
      seed: short,
    };
    expect(refused(() => decodeCertificate(encodeCertificate(long)))).toBeTrue();
    const wants = Array.from({ length: MAX_BATCH + 1 }, (_, view) => ({ view, kind: "nullify" as const }));
    expect(refused(() => decodeMessage(encodeMessage({ type: "request", wants }), MAX_BODY))).toBeTrue();
    const body = encodeMessage({ type: "body", body: new Uint8Array(MAX_BODY + 1) });
    expect(refused(() => decodeMessage(body, MAX_BODY))).toBeTrue();
  });

  test("the formats are frozen", () => {
    const rng = createRng(2_026);
    const parts: number[] = [];
    for (let i = 0; i < 50; i++) {
      const kind = rng.pick(["notarize", "nullify", "finalize"] as const);
      const named = kind !== "nullify";
      const of = {
        kind,
        epoch: rng.below(3),
        view: rng.u32(),
        parentView: named ? rng.u32() : 0,
        payload: named ? hash(rng.bytes(32)) : ZERO_HASH,
      };
      const signed = {
        signer: rng.below(256),
        partial: rng.bytes(96),
        seedPartial: rng.bytes(96),
        envelope: rng.bytes(64),
      };
      parts.push(...encodeMessage({ type: "vote", vote: { ...of, ...signed } }));
      const certificates = [{ ...of, signature: rng.bytes(96), seed: rng.bytes(96) }];
      parts.push(...encodeMessage({ type: "certificates", certificates }));
      parts.push(...encodeMessage({ type: "request", wants: [{ view: rng.u32(), kind: "nullify" }] }));
    }
    expect(sha256(Uint8Array.from(parts)).toHex()).toBe(
      "653c40035d5afb62baf78268aa3fdedb814e9b7d80d0d730f1c9168e9c517bb1",
    );
  });
});
