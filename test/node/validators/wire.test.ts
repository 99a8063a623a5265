// What blocks and transactions travel in: runs, announcements and batches decode to what was encoded, and everything
// else that a peer may send is refused with BAD_ENCODING and nothing else.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KoraError } from "#lib/error.ts";
import {
  type BackfillMessage,
  decodeBackfill,
  decodeFinalBlock,
  encodeBackfill,
  encodeFinalBlock,
  MAX_HEADER_BYTES,
  MAX_RUN_BLOCKS,
  MAX_RUN_HEADERS,
} from "#types/backfill.ts";
import { decodeTransactions, encodeTransactions, MAX_BATCH_TRANSACTIONS } from "#types/batch.ts";
import { hash } from "#types/ids.ts";
import { MAX_TRANSACTION_BYTES } from "#types/limits.ts";

const MAX_BLOCK = 200;
const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const u32 = fc.nat(0xffff_ffff);
const certificate = fc.record({
  kind: fc.constantFrom("notarize" as const, "finalize" as const),
  epoch: fc.maxSafeNat(),
  view: fc.maxSafeNat(),
  parentView: fc.maxSafeNat(),
  payload: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((of) => hash(of)),
  signature: bytes(96),
  seed: bytes(96),
});
const many = (maxBytes: number, minLength: number) => fc.array(bytes(maxBytes), { minLength, maxLength: 6 });
const request = fc
  .record({ id: u32, from: fc.maxSafeNat() })
  .map((of): BackfillMessage => ({ type: "request", request: of }));
const run = fc
  .record({ id: u32, blocks: many(MAX_BLOCK, 1), headers: many(MAX_HEADER_BYTES, 0), certificate })
  .map((of): BackfillMessage => ({ type: "run", run: of }));
const empty = u32.map(
  (id): BackfillMessage => ({
    type: "run",
    run: { id, blocks: [], headers: [], certificate: undefined },
  }),
);

interface Format<T> {
  readonly name: string;
  readonly given: fc.Arbitrary<T>;
  readonly encode: (given: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}
const backfill: Format<BackfillMessage> = {
  name: "backfill",
  given: fc.oneof(request, run, empty),
  encode: encodeBackfill,
  decode: (given) => decodeBackfill(given, MAX_BLOCK),
};
const announcement: Format<ReturnType<typeof decodeFinalBlock>> = {
  name: "an announcement",
  given: fc.record({ certificate, block: bytes(MAX_BLOCK) }),
  encode: encodeFinalBlock,
  decode: (given) => decodeFinalBlock(given, MAX_BLOCK),
};
const batch: Format<readonly Uint8Array[]> = {
  name: "a batch of transactions",
  given: fc.array(bytes(100), { maxLength: 20 }),
  encode: encodeTransactions,
  decode: decodeTransactions,
};

/** The code with which `act` refuses; undefined if it does not. */
function refusal(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof KoraError) return error.code;
    throw error;
  }
}

function check<T>({ name, given, encode, decode }: Format<T>): void {
  describe(name, () => {
    test("decodes to what was encoded, and encodes to the same bytes again", () => {
      fc.assert(
        fc.property(given, (value) => {
          const encoded = encode(value);
          const decoded = decode(encoded);
          expect(decoded).toEqual(value);
          expect(encode(decoded)).toEqual(encoded);
        }),
      );
    });
    test("is refused when cut anywhere or followed by anything", () => {
      fc.assert(
        fc.property(given, (value) => {
          const encoded = encode(value);
          for (let length = 0; length < encoded.length; length += Math.max(1, encoded.length >> 6)) {
            expect(refusal(() => decode(encoded.subarray(0, length)))).toBe("BAD_ENCODING");
          }
          expect(refusal(() => decode(Uint8Array.of(...encoded, 0)))).toBe("BAD_ENCODING");
        }),
        { numRuns: 60 },
      );
    });
    test("is refused, or means just what it says, with any byte changed", () => {
      fc.assert(
        fc.property(given, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
          const encoded = encode(value);
          const place = at % encoded.length;
          encoded[place] = (encoded[place] as number) ^ change;
          let decoded: T | undefined;
          const code = refusal(() => {
            decoded = decode(encoded);
          });
          if (decoded === undefined) expect(code).toBe("BAD_ENCODING");
          else expect(encode(decoded)).toEqual(encoded);
        }),
        { numRuns: 500 },
      );
    });
  });
}
check(backfill);
check(announcement);
check(batch);

describe("bounds", () => {
  const proof = {
    ...{ kind: "finalize" as const, epoch: 0, view: 1, parentView: 0 },
    ...{ payload: hash(`0x${"11".repeat(32)}`), signature: new Uint8Array(0), seed: new Uint8Array(0) },
  };
  const runOf = (blocks: Uint8Array[], headers: Uint8Array[] = [], has = true): Uint8Array =>
    encodeBackfill({ type: "run", run: { id: 1, blocks, headers, certificate: has ? proof : undefined } });
  const items = (count: number, length = 0) => Array.from({ length: count }, () => new Uint8Array(length));
  const decode = (encoded: Uint8Array) => refusal(() => decodeBackfill(encoded, MAX_BLOCK));

  test("of a run: blocks, headers, bytes of each, and no proof without blocks", () => {
    expect(decode(runOf(items(MAX_RUN_BLOCKS), items(MAX_RUN_HEADERS)))).toBeUndefined();
    expect(decode(runOf([new Uint8Array(MAX_BLOCK)], [new Uint8Array(MAX_HEADER_BYTES)]))).toBeUndefined();
    const wrong = [
      runOf(items(MAX_RUN_BLOCKS + 1)),
      runOf(items(1), items(MAX_RUN_HEADERS + 1)),
      runOf(items(1, MAX_BLOCK + 1)),
      runOf(items(1), items(1, MAX_HEADER_BYTES + 1)),
      runOf([]),
      runOf(items(1), [], false),
      runOf([], items(1), false),
    ];
    for (const encoded of wrong) expect(decode(encoded)).toBe("BAD_ENCODING");
  });
  test("of an announcement and of a batch", () => {
    const block = new Uint8Array(MAX_BLOCK + 1);
    const announced = encodeFinalBlock({ certificate: proof, block });
    expect(refusal(() => decodeFinalBlock(announced, MAX_BLOCK))).toBe("BAD_ENCODING");
    expect(
      refusal(() => decodeTransactions(encodeTransactions(items(MAX_BATCH_TRANSACTIONS)))),
    ).toBeUndefined();
    expect(refusal(() => decodeTransactions(encodeTransactions(items(MAX_BATCH_TRANSACTIONS + 1))))).toBe(
      "BAD_ENCODING",
    );
    const long = encodeTransactions(items(1, MAX_TRANSACTION_BYTES + 1));
    expect(refusal(() => decodeTransactions(long))).toBe("BAD_ENCODING");
    const lying = Uint8Array.of(0, 0, 1, 0, 255, 255, 255, 255);
    expect(refusal(() => decodeTransactions(lying))).toBe("BAD_ENCODING");
  });
});
