// How followers find more peers: records under their owners' signatures, of connected peers only, and only addresses
// that mean the same to whoever hears of them.
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseSocketAddress } from "#config/kind.ts";
import { type Identity, identityFromSeed } from "#crypto/identity.ts";
import { reachOf } from "#net/address.ts";
import type { Offence } from "#net/score.ts";
import type { FrameHandler, PeerAddress, PeerEvent, Transport } from "#net/types.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { createCommittee } from "#node/validators/committee.ts";
import { startExchange } from "#node/validators/exchange.ts";
import type { IdentityKey } from "#types/identity.ts";
import { hash } from "#types/ids.ts";
import {
  decodeExchange,
  type ExchangeMessage,
  encodeExchange,
  MAX_RECORDS,
  type PeerRecord,
  recordMessage,
} from "#types/peer-record.ts";

const GENESIS = hash(`0x${"ab".repeat(32)}`);
const SPEC = channelSpecs(1_000_000).peers;
const identity = (i: number): Identity => identityFromSeed(new Uint8Array(32).fill(i));
const key = (i: number): IdentityKey => identity(i).publicKey;
const now = (): number => Math.floor(Date.now() / 1000);

function recordOf(i: number, host: string, changes: Partial<PeerRecord> = {}): PeerRecord {
  const place = { key: key(i), host, port: 30_303, time: now(), ...changes };
  return { ...place, signature: identity(i).sign(recordMessage(GENESIS, place)), ...changes };
}

const closing: Disposable[] = [];
afterEach(() => {
  for (const each of closing.splice(0)) each[Symbol.dispose]();
});

interface Options {
  readonly listening?: string[];
  readonly dialable?: string;
  readonly member?: boolean;
  /** What becomes of a dial. */
  readonly dial?: () => Promise<boolean>;
}

/** An exchange of node 1 over a transport that only notes what it is asked to do. */
function rig(options: Options = {}) {
  const peers = new Map<IdentityKey, string>();
  const sent: { to: IdentityKey; message: ExchangeMessage }[] = [];
  const dialled: PeerAddress[] = [];
  const offences: Offence[] = [];
  let handler: FrameHandler = () => {};
  let listener: (event: PeerEvent) => void = () => {};
  const transport = {
    self: key(1),
    open(_spec: unknown, given: FrameHandler) {
      handler = given;
      return {
        send: (to: IdentityKey, frame: Uint8Array) => sent.push({ to, message: decodeExchange(frame) }),
      };
    },
    listening: () => options.listening ?? ["10.0.0.1:30303"],
    peers: () => [...peers].map(([peer, address]) => ({ peer, address })),
    isConnected: (peer: IdentityKey) => peers.has(peer),
    onPeer(given: typeof listener) {
      listener = given;
      return () => {};
    },
    dial(address: PeerAddress) {
      dialled.push(address);
      return options.dial?.() ?? Promise.resolve(true);
    },
    report: (_peer: IdentityKey, offence: Offence) => offences.push(offence),
  } as unknown as Transport;
  const committee = createCommittee(options.member === true ? [key(1)] : [], key(1));
  const { dialable } = options;
  closing.push(
    startExchange({
      ...{ transport, spec: SPEC, committee, identity: identity(1), genesis: GENESIS },
      dialable: dialable === undefined ? undefined : parseSocketAddress(dialable),
    }),
  );
  return {
    sent,
    dialled,
    offences,
    connect(i: number, address: string) {
      peers.set(key(i), address);
      listener({ kind: "connected", peer: key(i) });
    },
    leave(i: number) {
      peers.delete(key(i));
      listener({ kind: "disconnected", peer: key(i) });
    },
    hear: (i: number, message: ExchangeMessage) => void handler(key(i), encodeExchange(message)),
    garbage: (i: number, frame: Uint8Array) => void handler(key(i), frame),
  };
}
const hosts = (of: readonly PeerAddress[]): string[] => of.map(({ host }) => host);

describe("a follower", () => {
  test("asks whom it meets, leaving its own record, and dials whom they name", () => {
    const { sent, dialled, connect, hear } = rig();
    connect(2, "10.0.0.2:30303");
    expect(sent).toHaveLength(1);
    const asked = sent[0]?.message as Extract<ExchangeMessage, { type: "ask" }>;
    expect(asked.own).toMatchObject({ key: key(1), host: "10.0.0.1", port: 30_303 });
    hear(2, { type: "answer", records: [recordOf(3, "10.0.0.3"), recordOf(4, "8.8.8.8")] });
    expect(dialled).toEqual([
      { host: "10.0.0.3", port: 30_303, peer: key(3) },
      { host: "8.8.8.8", port: 30_303, peer: key(4) },
    ]);
  });

  test("says nothing of itself where nobody could dial it", () => {
    const { sent, connect } = rig({ listening: ["0.0.0.0:30303", "[::]:30303"] });
    connect(2, "10.0.0.2:1");
    expect(sent[0]?.message).toEqual({ type: "ask", own: undefined });
  });

  test.each([
    ["203.0.113.7:31303", { host: "203.0.113.7", port: 31_303 }],
    ["[2001:DB8::1]:30303", { host: "2001:db8::1", port: 30_303 }],
  ])("names the address %s that its operator says, wherever it listens", (dialable, named) => {
    const { sent, connect } = rig({ listening: ["0.0.0.0:30303"], dialable });
    connect(2, "9.9.9.2:1");
    const asked = sent[0]?.message as Extract<ExchangeMessage, { type: "ask" }>;
    expect(asked.own).toMatchObject({ key: key(1), ...named });
  });

  test("dials no address that means another machine here than it does there", () => {
    const named = [recordOf(3, "127.0.0.1"), recordOf(4, "192.168.0.9"), recordOf(5, "9.9.9.9")];
    for (const [from, wanted] of [
      ["9.9.9.1:1", ["9.9.9.9"]],
      ["192.168.0.1:1", ["192.168.0.9", "9.9.9.9"]],
      ["127.0.0.1:1", ["127.0.0.1", "192.168.0.9", "9.9.9.9"]],
      ["[::1]:1", ["127.0.0.1", "192.168.0.9", "9.9.9.9"]],
    ] as const) {
      const { dialled, connect, hear, offences } = rig();
      connect(2, from);
      hear(2, { type: "answer", records: named });
      expect(hosts(dialled)).toEqual([...wanted]);
      expect(offences).toEqual([]);
    }
  });

  test("takes no old record, none of itself or of a peer it has, and none that its owner did not sign", () => {
    const { dialled, connect, hear, offences } = rig();
    connect(2, "10.0.0.2:1");
    connect(3, "10.0.0.3:1");
    const old = recordOf(4, "10.0.0.4", { time: now() - 48 * 3_600 });
    const future = recordOf(4, "10.0.0.4", { time: now() + 3_600 });
    hear(2, { type: "answer", records: [old, future, recordOf(1, "10.0.0.9"), recordOf(3, "10.0.0.8")] });
    expect(offences).toEqual([]);
    const moved = { ...recordOf(5, "10.0.0.5"), host: "10.0.0.6" };
    hear(3, { type: "answer", records: [moved, recordOf(6, "10.0.0.6")] });
    expect(offences).toEqual(["badSignature"]);
    expect(dialled).toEqual([]);
  });

  test("dials in turn whom each has named: a thousand false addresses delay an honest one by one round", async () => {
    const gates: (() => void)[] = [];
    const dial = (): Promise<boolean> =>
      new Promise((resolve) => {
        gates.push(() => resolve(false));
      });
    const { dialled, connect, leave, hear } = rig({ dial });
    const LIARS = [2, 3, 4];
    let lies = 0;
    /** Comes again, is asked, and names as many as it may. */
    function lie(i: number): void {
      leave(i);
      connect(i, `10.0.0.${i}:1`);
      const records = Array.from({ length: MAX_RECORDS }, () => {
        lies++;
        return recordOf(10 + (lies % 200), `10.1.${lies >> 8}.${lies & 0xff}`);
      });
      hear(i, { type: "answer", records });
    }
    while (lies < 1_000) for (const i of LIARS) lie(i);
    expect(dialled.length).toBeLessThanOrEqual(8);
    connect(5, "10.0.0.5:1");
    hear(5, { type: "answer", records: [recordOf(6, "10.9.9.9")] });
    const before = dialled.length;
    while (!hosts(dialled).includes("10.9.9.9")) {
      // One of those who were dialled in vain is given up.
      gates.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
      lie(2);
      expect(dialled.length - before).toBeLessThanOrEqual(LIARS.length + 1);
    }
  });

  test("has enough with eight peers", () => {
    const { dialled, connect, hear } = rig();
    for (let i = 2; i < 8; i++) connect(i, `10.0.0.${i}:1`);
    hear(2, {
      type: "answer",
      records: Array.from({ length: 9 }, (_, i) => recordOf(20 + i, `10.0.1.${i + 1}`)),
    });
    expect(dialled).toHaveLength(2);
  });

  test("an answer to nothing that was asked is an offence, and garbage is", () => {
    const { connect, hear, garbage, offences, dialled } = rig();
    connect(2, "10.0.0.2:1");
    hear(2, { type: "answer", records: [] });
    hear(2, { type: "answer", records: [recordOf(3, "10.0.0.3")] });
    expect(offences).toEqual(["uselessReply"]);
    garbage(2, Uint8Array.of(9, 9));
    expect(offences).toEqual(["uselessReply", "malformed"]);
    expect(dialled).toEqual([]);
  });
});

describe("whoever is asked", () => {
  const answers = (sent: readonly { to: IdentityKey; message: ExchangeMessage }[]) =>
    sent.flatMap(({ to, message }) => (message.type === "answer" ? [{ to, records: message.records }] : []));

  test("names connected peers that said where they are, a member of the committee too, which dials nobody", () => {
    const { sent, connect, leave, hear, dialled } = rig({ member: true });
    connect(2, "10.0.0.2:1");
    connect(3, "10.0.0.3:1");
    hear(2, { type: "ask", own: recordOf(2, "10.0.0.2") });
    hear(3, { type: "ask", own: undefined });
    expect(answers(sent).at(-1)).toEqual({ to: key(3), records: [recordOf(2, "10.0.0.2")] });
    hear(2, { type: "answer", records: [recordOf(9, "10.0.0.9")] });
    expect(dialled).toEqual([]);
    leave(2);
    hear(3, { type: "ask", own: undefined });
    expect(answers(sent).at(-1)).toEqual({ to: key(3), records: [] });
  });

  test("names nobody under another's key or signature, no private address to the outside, and a few at a time", () => {
    const { sent, connect, hear } = rig();
    connect(2, "10.0.0.2:1");
    connect(3, "9.9.9.9:1");
    hear(2, { type: "ask", own: recordOf(5, "10.0.0.5") });
    hear(2, { type: "ask", own: { ...recordOf(2, "10.0.0.2"), port: 1 } });
    hear(2, { type: "ask", own: recordOf(2, "10.0.0.2") });
    hear(3, { type: "ask", own: undefined });
    expect(answers(sent).at(-1)).toEqual({ to: key(3), records: [] });
    for (let i = 10; i < 40; i++) {
      connect(i, `9.9.8.${i}:1`);
      hear(i, { type: "ask", own: recordOf(i, `9.9.8.${i}`) });
    }
    hear(3, { type: "ask", own: undefined });
    expect(answers(sent).at(-1)?.records).toHaveLength(MAX_RECORDS);
  });
});

test("how far an address reaches", () => {
  const none = [
    "",
    "host",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
  ];
  for (const host of none) expect(reachOf(host)).toBeUndefined();
  for (const host of ["127.0.0.1", "127.9.9.9", "::1"]) expect(reachOf(host)).toBe(0);
  for (const host of [
    "10.1.1.1",
    "172.16.0.1",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.0.1",
    "fd00::1",
    "fe80::1",
  ])
    expect(reachOf(host)).toBe(1);
  for (const host of ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1"]) expect(reachOf(host)).toBe(2);
});

test("messages survive their wire form", () => {
  const record = fc.record({
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((of) => identityFromSeed(of).publicKey),
    host: fc.oneof(fc.ipV4(), fc.constantFrom("::1", "2001:db8::1")),
    port: fc.integer({ min: 1, max: 65_535 }),
    time: fc.maxSafeNat(),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  });
  const message = fc.oneof(
    fc.option(record, { nil: undefined }).map((own): ExchangeMessage => ({ type: "ask", own })),
    fc
      .array(record, { maxLength: MAX_RECORDS })
      .map((records): ExchangeMessage => ({ type: "answer", records })),
  );
  fc.assert(
    fc.property(message, (given) => {
      const encoded = encodeExchange(given);
      expect(encoded.length).toBeLessThanOrEqual(SPEC.maxFrameBytes);
      expect(decodeExchange(encoded)).toEqual(given);
    }),
    { numRuns: 50 },
  );
});
