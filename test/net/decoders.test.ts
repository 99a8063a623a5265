// Every decoder of what peers send, fed with random bytes and with changed valid ones: each answers a value or throws its
// own error, and keeps nothing larger than what it was given.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { openTransaction } from "#crypto/digest.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { KoraError } from "#lib/error.ts";
import { decodeBackfill, decodeFinalBlock, encodeBackfill, encodeFinalBlock } from "#types/backfill.ts";
import { decodeTransactions, encodeTransactions } from "#types/batch.ts";
import { decodeBlock, decodeHeaderOfBlock, encodeBlock } from "#types/block.ts";
import { type CeremonyBody, decodeCeremonyMessage, encodeCeremonyMessage } from "#types/ceremony.ts";
import { decodeCertificate, encodeCertificate } from "#types/certificate.ts";
import { decodeHeader, encodeHeader } from "#types/header.ts";
import { hash } from "#types/ids.ts";
import { decodeMessage, encodeMessage } from "#types/message.ts";
import { decodeExchange, encodeExchange } from "#types/peer-record.ts";
import { decodeVote, encodeVote } from "#types/vote.ts";
import { openTestChain, transfer } from "../support/chain.ts";
import { createRng, type Rng } from "../support/rng.ts";

const MAX_BLOCK = 100_000;
const ROUNDS = 4_000;
const seed = Number(process.env["KORA_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
console.log(`decoder fuzz seed ${seed}`);

const digest = hash(`0x${"11".repeat(32)}`);
const partial = new Uint8Array(96).fill(7);
const place = { kind: "finalize" as const, epoch: 0, view: 9, parentView: 8, payload: digest };
const vote = { ...place, signer: 2, partial, seedPartial: partial, envelope: new Uint8Array(64) };
const certificate = { ...place, signature: partial, seed: partial };
const chain = openTestChain();
const { header } = chain.ledger.tip();
chain.close();
const raw = transfer({ from: 1, nonce: 0 }).raw;
const block = encodeBlock({ header, transactions: [raw, raw] });
const record = {
  ...{ key: identityFromSeed(new Uint8Array(32).fill(1)).publicKey, host: "10.0.0.1", port: 1, time: 5 },
  signature: new Uint8Array(64),
};

const signature = new Uint8Array(64);
const CEREMONY: readonly CeremonyBody[] = [
  { kind: "deal", commitment: partial, share: new Uint8Array(32), signature },
  { kind: "ack", commitmentHash: new Uint8Array(32), signature },
  { kind: "status", shares: [0, 2], acks: [1], logs: [], confirms: [], stage: "dealing" },
  { kind: "set", set: partial },
];

interface Wire {
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly valid: readonly Uint8Array[];
}
/** By the name of the function. */
const DECODERS: Readonly<Record<string, Wire>> = {
  decodeMessage: {
    decode: (bytes) => decodeMessage(bytes, MAX_BLOCK),
    valid: [
      encodeMessage({ type: "vote", vote }),
      encodeMessage({ type: "certificates", certificates: [certificate, certificate] }),
      encodeMessage({ type: "request", wants: [{ view: 3, kind: "nullify" }] }),
      encodeMessage({ type: "hello", view: 3 }),
      encodeMessage({ type: "echo", vote }),
      encodeMessage({ type: "bodyRequest", digest }),
      encodeMessage({ type: "body", body: block }),
    ],
  },
  decodeVote: { decode: decodeVote, valid: [encodeVote(vote)] },
  decodeCertificate: { decode: decodeCertificate, valid: [encodeCertificate(certificate)] },
  decodeBackfill: {
    decode: (bytes) => decodeBackfill(bytes, MAX_BLOCK),
    valid: [
      encodeBackfill({ type: "request", request: { id: 1, from: 2 } }),
      encodeBackfill({
        type: "run",
        run: { id: 1, blocks: [block], headers: [encodeHeader(header)], certificate },
      }),
    ],
  },
  decodeFinalBlock: {
    decode: (bytes) => decodeFinalBlock(bytes, MAX_BLOCK),
    valid: [encodeFinalBlock({ certificate, block })],
  },
  decodeBlock: { decode: decodeBlock, valid: [block] },
  decodeHeaderOfBlock: { decode: decodeHeaderOfBlock, valid: [block] },
  decodeHeader: { decode: decodeHeader, valid: [encodeHeader(header)] },
  decodeTransactions: { decode: decodeTransactions, valid: [encodeTransactions([raw, raw])] },
  decodeTransaction: { decode: openTransaction, valid: [raw] },
  decodeExchange: {
    decode: decodeExchange,
    valid: [
      encodeExchange({ type: "ask", own: record }),
      encodeExchange({ type: "answer", records: [record, record] }),
    ],
  },
  decodeCeremonyMessage: {
    decode: decodeCeremonyMessage,
    valid: CEREMONY.map((body) => encodeCeremonyMessage({ round: 1, ceremony: digest, body })),
  },
};

/** One of the ways in which bytes go wrong. */
function changed(rng: Rng, bytes: Uint8Array): Uint8Array {
  const at = rng.below(bytes.length + 1);
  switch (rng.below(6)) {
    case 0:
      return bytes.with(Math.min(at, bytes.length - 1), rng.below(256));
    case 1:
      return bytes.slice(0, at);
    case 2:
      return Uint8Array.of(...bytes.subarray(0, at), ...rng.bytes(1 + rng.below(8)), ...bytes.subarray(at));
    case 3:
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1 + rng.below(8)));
    case 4: {
      // A length that lies.
      const lying = bytes.slice();
      lying.set(
        rng
          .pick([
            [0xff, 0xff, 0xff, 0xff],
            [0x7f, 0xff, 0xff, 0xff],
            [0, 1, 0, 0],
            [0xfb, 0xff, 0xff, 0xff],
          ])
          .slice(0, bytes.length - at),
        at,
      );
      return lying;
    }
    default:
      return Uint8Array.of(...bytes, ...bytes.subarray(at));
  }
}

/** Bytes of all arrays within a value. */
function heldBy(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + heldBy(each), 0);
  if (value !== null && typeof value === "object")
    return Object.values(value).reduce((sum: number, each) => sum + heldBy(each), 0);
  return 0;
}

describe("decoders of what peers send", () => {
  for (const [name, { decode, valid }] of Object.entries(DECODERS)) {
    test(`${name} takes what is right, and throws nothing but its own error for the rest`, () => {
      const rng = createRng(seed);
      for (const bytes of valid) expect(decode(bytes)).toBeDefined();
      let refused = 0;
      for (let i = 0; i < ROUNDS; i++) {
        const base = valid.length === 0 || rng.chance(0.2) ? rng.bytes(rng.below(400)) : rng.pick(valid);
        const given = base.length === 0 ? base : changed(rng, base);
        try {
          expect(heldBy(decode(given))).toBeLessThanOrEqual(2 * given.length + 64);
        } catch (error) {
          if (!(error instanceof KoraError && error.code.startsWith("BAD_")))
            throw new Error(`${name} of ${given.toHex()} (seed ${seed}) threw ${error}`);
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(ROUNDS / 10);
    });
  }

  test("are all of them: what src/net, src/node and src/types decode of peers is listed here", () => {
    /** Of files, journals, stores and extra data; or parts of what is listed. */
    const elsewhere = new Set([
      ...["decodeCeremonyInfo", "decodeLog", "decodeLogSet", "decodeConfirms", "decodeCeremonyRecord"],
      ...["decodeBody"],
    ]);
    const root = join(import.meta.dir, "../../src");
    const found = [...new Glob("{net,node,types}/**/*.ts").scanSync(root)].flatMap((path) =>
      [...readFileSync(join(root, path), "utf8").matchAll(/export function (decode\w+)/g)].map(
        ([, name]) => name as string,
      ),
    );
    const missing = found.filter((name) => !(name in DECODERS) && !elsewhere.has(name));
    expect(missing).toEqual([]);
  });
});
