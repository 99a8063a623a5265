// Every byte format of the ceremony: decoding inverts encoding, is canonical, total and bounded.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import {
  type CeremonyBody,
  type CeremonyInfo,
  decodeCeremonyInfo,
  decodeCeremonyMessage,
  decodeConfirms,
  decodeLog,
  decodeLogSet,
  encodeCeremonyInfo,
  encodeCeremonyMessage,
  encodeConfirms,
  encodeLog,
  encodeLogSet,
  MAX_CEREMONY_MESSAGE_BYTES,
} from "#types/ceremony.ts";
import {
  CEREMONY_FAULTS,
  type CeremonyRecord,
  decodeCeremonyRecord,
  encodeCeremonyRecord,
} from "#types/ceremony-record.ts";
import { hash } from "#types/ids.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const short = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
const index = fc.integer({ min: 0, max: 255 });
const indices = fc.uniqueArray(index, { maxLength: 12 }).map((list) => list.sort((a, b) => a - b));
const id = bytes(32).map((value) => hash(value));
const keys = fc
  .uniqueArray(bytes(32), { minLength: 1, maxLength: 6, selector: (key) => key.toHex() })
  .map((list) => list.sort(compareBytes));
const entry = fc.oneof(
  bytes(64).map((signature) => ({ kind: "ack" as const, signature })),
  short(32).map((share) => ({ kind: "reveal" as const, share })),
);
const log = fc.record({
  dealer: index,
  commitment: short(200),
  entries: fc.array(entry, { maxLength: 8 }),
  signature: bytes(64),
});
const confirm = fc.record({
  kind: fc.constant("confirm" as const),
  player: index,
  digest: bytes(32),
  partial: short(96),
  signature: bytes(64),
});
const body: fc.Arbitrary<CeremonyBody> = fc.oneof(
  fc.record({
    kind: fc.constant("deal" as const),
    commitment: short(200),
    share: short(32),
    signature: bytes(64),
  }),
  fc.record({ kind: fc.constant("ack" as const), commitmentHash: bytes(32), signature: bytes(64) }),
  log.map((value) => ({ kind: "log" as const, log: value })),
  fc.record({
    kind: fc.constant("status" as const),
    shares: indices,
    acks: indices,
    logs: indices,
    confirms: indices,
    stage: fc.constantFrom("dealing" as const, "agreed" as const, "final" as const),
  }),
  confirm,
  fc.record({ kind: fc.constant("set" as const), set: short(200) }),
);
const round = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const message = fc.record({ round, ceremony: id, body });
const info: fc.Arbitrary<CeremonyInfo> = fc.record({
  chain: id,
  round,
  dealers: keys,
  players: keys,
  previous: fc.option(fc.record({ polynomial: short(200), participants: keys }), { nil: undefined }),
});
const statement = fc.oneof(
  fc.record({ kind: fc.constant("deal" as const), commitmentHash: bytes(32), signature: bytes(64) }),
  log.map((value) => ({ kind: "log" as const, log: value })),
);
const record: fc.Arbitrary<CeremonyRecord> = fc.oneof(
  fc.record({ kind: fc.constant("begin" as const), info, seed: bytes(32) }),
  fc.record({
    kind: fc.constant("share" as const),
    dealer: index,
    commitment: short(200),
    share: short(32),
    signature: bytes(64),
  }),
  fc.record({ kind: fc.constant("ack" as const), player: index, signature: bytes(64) }),
  fc.record({ kind: fc.constant("log" as const), log: short(300) }),
  fc.record({ kind: fc.constant("agreed" as const), set: short(300) }),
  fc.record({ kind: fc.constant("final" as const), confirms: short(300) }),
  fc.record({
    kind: fc.constant("fault" as const),
    member: index,
    fault: fc.constantFrom(...CEREMONY_FAULTS),
    evidence: fc.array(statement, { maxLength: 2 }),
  }),
);

/** Decoding either throws BAD_ENCODING or gives what encodes to the same bytes. */
function totalAndCanonical<T>(
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
): (input: Uint8Array) => void {
  return (input) => {
    let value: T;
    try {
      value = decode(input);
    } catch (error) {
      expect(error).toBeInstanceOf(KoraError);
      expect((error as KoraError).code).toBe("BAD_ENCODING");
      return;
    }
    expect(encode(value)).toEqual(input);
  };
}

/** A valid encoding with one byte changed, dropped or added. */
const mutated = <T>(of: fc.Arbitrary<T>, encode: (value: T) => Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(of, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.integer({ min: 0, max: 2 }))
    .map(([value, at, by, how]) => {
      const encoded = encode(value);
      const place = at % encoded.length;
      if (how === 1) return encoded.slice(0, place);
      if (how === 2) return Uint8Array.from([...encoded, by]);
      encoded[place] = (encoded[place] as number) ^ by;
      return encoded;
    });

const formats = [
  ["message", message, encodeCeremonyMessage, decodeCeremonyMessage],
  ["info", info, encodeCeremonyInfo, decodeCeremonyInfo],
  ["record", record, encodeCeremonyRecord, decodeCeremonyRecord],
  ["log", log, encodeLog, decodeLog],
  ["confirmations", fc.array(confirm, { maxLength: 4 }), encodeConfirms, decodeConfirms],
] as unknown as [
  string,
  fc.Arbitrary<unknown>,
  (value: unknown) => Uint8Array,
  (bytes: Uint8Array) => unknown,
][];

for (const [name, arbitrary, encode, decode] of formats) {
  describe(name, () => {
    test("comes back from its bytes", () => {
      fc.assert(fc.property(arbitrary, (value) => expect(decode(encode(value))).toEqual(value)));
    });
    test("is read in its canonical form only", () => {
      fc.assert(fc.property(mutated(arbitrary, encode), totalAndCanonical(decode, encode)), { numRuns: 400 });
      fc.assert(fc.property(short(200), totalAndCanonical(decode, encode)), { numRuns: 400 });
    });
  });
}

test("a set of logs is read in ascending order of dealers only", () => {
  const ascending = fc
    .uniqueArray(log, { maxLength: 5, selector: (value) => value.dealer })
    .map((logs) => logs.sort((a, b) => a.dealer - b.dealer));
  fc.assert(fc.property(ascending, (logs) => expect(decodeLogSet(encodeLogSet(logs))).toEqual(logs)));
  fc.assert(
    fc.property(ascending, (logs) => {
      if (logs.length > 1) expect(() => decodeLogSet(encodeLogSet([...logs].reverse()))).toThrow("ascending");
    }),
  );
});

test("a message above the bound is refused before it is read", () => {
  expect(() => decodeCeremonyMessage(new Uint8Array(MAX_CEREMONY_MESSAGE_BYTES + 1))).toThrow("bytes");
});
