// The transport over a fake wire: bounds, rates, order, blame, blocks and redialling, with time in the test's hands.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { identityFromSeed } from "#crypto/identity.ts";
import { concatBytes } from "#lib/bytes.ts";
import { frameHeader } from "#net/frames.ts";
import { createRate } from "#net/rate.ts";
import { createTransport, type TransportOptions } from "#net/transport.ts";
import type { Channel, ChannelSpec, FrameHandler, PeerEvent, Transport } from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";
import { createFakeWire, FakeStream, type FakeWire, ManualClock, settle } from "./fake-wire.ts";

const [self, alice, bob, carol] = [1, 2, 3, 4].map(
  (i) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey,
) as [IdentityKey, IdentityKey, IdentityKey, IdentityKey];

const PLENTY = { bytesPerSecond: 1e9, messagesPerSecond: 1e6 };
const SPEC: ChannelSpec = {
  name: "votes",
  access: "listed",
  maxFrameBytes: 1_000,
  inbound: PLENTY,
  outbound: PLENTY,
  queue: { maxFrames: 3, maxBytes: 2_000, policy: "drop-oldest" },
};

interface Rig {
  readonly clock: ManualClock;
  readonly wire: FakeWire;
  readonly transport: Transport;
  readonly channel: Channel;
  readonly received: { readonly from: IdentityKey; readonly frame: Uint8Array }[];
  readonly log: string[];
  /** A stream that `peer` opens, or what was said when it was refused. */
  inbound(peer: IdentityKey, name?: string): FakeStream;
}

async function rig(
  spec: ChannelSpec = SPEC,
  handler?: FrameHandler,
  options: Partial<TransportOptions> = {},
): Promise<Rig> {
  const clock = new ManualClock();
  const wire = createFakeWire();
  const log: string[] = [];
  const transport = createTransport({
    self,
    wire: wire.factory,
    clock,
    random: () => 0,
    log: (message) => log.push(message),
    ...options,
  });
  const received: Rig["received"] = [];
  const channel = transport.open(
    spec,
    handler ??
      ((from, frame) => {
        received.push({ from, frame });
      }),
  );
  transport.allow([self, alice, bob]);
  await transport.start();
  return {
    clock,
    wire,
    transport,
    channel,
    received,
    log,
    inbound(peer, name = spec.name) {
      const stream = new FakeStream();
      wire.events().stream(peer, name, stream);
      return stream;
    },
  };
}

const framed = (...frames: Uint8Array[]): Uint8Array =>
  concatBytes(...frames.flatMap((frame) => [frameHeader(frame.length), frame]));
const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

describe("sending", () => {
  test("one stream is opened when first needed and kept; frames arrive in order", async () => {
    const { wire, channel, clock } = await rig();
    expect(channel.send(alice, bytes(1))).toBe("absent");
    wire.events().connected(alice, "a:1", "outbound");
    expect(wire.opened.length).toBe(0);
    for (const fill of [1, 2, 3]) expect(channel.send(alice, bytes(5, fill))).toBe("queued");
    await settle();
    for (const fill of [4, 5]) expect(channel.send(alice, bytes(5, fill))).toBe("queued");
    await clock.advance(0);
    expect(wire.opened.length).toBe(1);
    const sent = concatBytes(...wire.opened[0]!.stream.written);
    expect(sent).toEqual(framed(...[1, 2, 3, 4, 5].map((fill) => bytes(5, fill))));
  });

  test("a full queue drops the oldest, or refuses the newest, as its channel says", async () => {
    for (const policy of ["drop-oldest", "refuse-newest"] as const) {
      const { wire, channel, transport } = await rig({ ...SPEC, queue: { ...SPEC.queue, policy } });
      const gate = Promise.withResolvers<FakeStream>();
      wire.openStream = () => gate.promise;
      wire.events().connected(alice, "a:1", "outbound");
      const results = [1, 2, 3, 4, 5].map((fill) => channel.send(alice, bytes(5, fill)));
      const oldest = policy === "drop-oldest";
      expect(results.slice(3)).toEqual(oldest ? ["queued", "queued"] : ["full", "full"]);
      expect(transport.peers()[0]!.dropped).toBe(2);
      const stream = new FakeStream();
      gate.resolve(stream);
      await settle();
      const kept = oldest ? [3, 4, 5] : [1, 2, 3];
      expect(concatBytes(...stream.written)).toEqual(framed(...kept.map((fill) => bytes(5, fill))));
    }
  });

  test("the queue is bounded in bytes too, and a frame above the channel's bound is never taken", async () => {
    const { wire, channel } = await rig({ ...SPEC, queue: { ...SPEC.queue, policy: "refuse-newest" } });
    wire.openStream = () => new Promise(() => {});
    wire.events().connected(alice, "a:1", "outbound");
    expect(channel.send(alice, bytes(1_001))).toBe("full");
    expect(channel.send(alice, bytes(1_000))).toBe("queued");
    expect(channel.send(alice, bytes(1_000))).toBe("queued");
    expect(channel.send(alice, bytes(1))).toBe("full");
  });

  test("a stream that is full is waited for, in the middle of a frame too", async () => {
    const big: ChannelSpec = { ...SPEC, maxFrameBytes: 300_000, queue: { ...SPEC.queue, maxBytes: 1e6 } };
    const { wire, channel } = await rig(big);
    const stream = new FakeStream();
    stream.credit = 2;
    wire.openStream = async () => stream;
    wire.events().connected(alice, "a:1", "outbound");
    channel.send(alice, bytes(200_000, 7));
    await settle();
    expect(stream.written.length).toBe(2);
    const drained = channel.drained(alice);
    stream.drain(1);
    expect(stream.written.length).toBe(3);
    stream.drain(100);
    expect(concatBytes(...stream.written)).toEqual(framed(bytes(200_000, 7)));
    expect(await drained).toBe(true);
  });

  test("a broken stream is opened again, and the frame it broke in is not repeated", async () => {
    const { wire, channel, clock, transport } = await rig();
    const first = new FakeStream();
    first.credit = 1;
    wire.openStream = async () => (wire.opened.length === 0 ? first : new FakeStream());
    wire.events().connected(alice, "a:1", "outbound");
    channel.send(alice, bytes(5, 1));
    await settle();
    channel.send(alice, bytes(5, 2));
    channel.send(alice, bytes(5, 3));
    first.abort("gone");
    await clock.advance(150);
    expect(concatBytes(...wire.opened[1]!.stream.written)).toEqual(framed(bytes(5, 3)));
    expect(transport.peers()[0]!.dropped).toBe(1);
  });

  test("a peer that does not serve the channel is asked ever more rarely", async () => {
    const { wire, channel, clock } = await rig();
    let attempts = 0;
    wire.openStream = () => {
      attempts++;
      return Promise.reject(new Error("unsupported"));
    };
    wire.events().connected(alice, "a:1", "outbound");
    channel.send(alice, bytes(1));
    await clock.advance(60_000);
    expect(attempts).toBeGreaterThan(5);
    expect(attempts).toBeLessThan(25);
  });

  test("the outbound rate holds frames back", async () => {
    const slow = { bytesPerSecond: 1e9, messagesPerSecond: 2 };
    const queue = { maxFrames: 100, maxBytes: 1e6, policy: "drop-oldest" as const };
    const { wire, channel, clock } = await rig({ ...SPEC, outbound: slow, queue });
    wire.events().connected(alice, "a:1", "outbound");
    for (let i = 0; i < 10; i++) channel.send(alice, bytes(1, i));
    await settle();
    const sent = (): number => wire.opened[0]!.stream.written.length;
    expect(sent()).toBe(2);
    await clock.advance(1_000);
    expect(sent()).toBe(4);
    await clock.advance(3_000);
    expect(sent()).toBe(10);
  });

  test("drained answers false when the peer goes, when it is absent, and when the caller gives up", async () => {
    const { wire, channel } = await rig();
    expect(await channel.drained(alice)).toBe(false);
    wire.openStream = () => new Promise(() => {});
    wire.events().connected(alice, "a:1", "outbound");
    expect(await channel.drained(alice)).toBe(true);
    channel.send(alice, bytes(1));
    const stop = new AbortController();
    const given = channel.drained(alice, stop.signal);
    const waiting = channel.drained(alice);
    stop.abort();
    expect(await given).toBe(false);
    wire.events().disconnected(alice);
    expect(await waiting).toBe(false);
  });

  test("broadcast reaches those who may speak on the channel", async () => {
    const { wire, channel } = await rig();
    for (const peer of [alice, bob, carol]) wire.events().connected(peer, "x:1", "inbound");
    expect(channel.broadcast(bytes(3))).toBe(2);
    await settle();
    expect(wire.opened.map(({ peer }) => peer)).toEqual([alice, bob]);
    expect(channel.send(carol, bytes(3))).toBe("absent");
  });
});

describe("receiving", () => {
  test("frames reach the handler in order with their sender", async () => {
    const { wire, inbound, received, transport } = await rig();
    wire.events().connected(alice, "a:1", "inbound");
    const stream = inbound(alice);
    const sent = framed(bytes(3, 1), bytes(0), bytes(4, 2));
    stream.receive(sent.subarray(0, 6));
    stream.receive(sent.subarray(6));
    expect(received.map(({ from, frame }) => [from, frame.length])).toEqual([
      [alice, 3],
      [alice, 0],
      [alice, 4],
    ]);
    expect(transport.peers()[0]!.receivedBytes).toBe(sent.length);
  });

  test("an oversized frame ends the connection and blocks its sender for a while", async () => {
    const { wire, inbound, transport, clock } = await rig();
    wire.events().connected(alice, "a:1", "inbound");
    const stream = inbound(alice);
    stream.receive(frameHeader(1_001));
    expect(stream.aborted).toBeDefined();
    expect(wire.disconnected).toEqual([alice]);
    expect(transport.isConnected(alice)).toBe(false);
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(false);
    await clock.advance(61_000);
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(true);
  });

  test("a slow handler stops the reading of its stream, and nobody else's", async () => {
    const gates: (() => void)[] = [];
    const seen: number[] = [];
    const { wire, inbound } = await rig(SPEC, (_from, frame) => {
      seen.push(frame[0]!);
      if (frame[0]! >= 10) return undefined;
      return new Promise<void>((resolve) => {
        gates.push(resolve);
      });
    });
    wire.events().connected(alice, "a:1", "inbound");
    wire.events().connected(bob, "b:1", "inbound");
    const [a, b] = [inbound(alice), inbound(bob)];
    a.receive(framed(bytes(1, 1), bytes(1, 2), bytes(1, 3)));
    expect(seen).toEqual([1]);
    expect(a.paused).toBe(true);
    b.receive(framed(bytes(1, 10), bytes(1, 11)));
    expect(seen).toEqual([1, 10, 11]);
    expect(b.paused).toBe(false);
    for (const expected of [2, 3]) {
      gates.shift()!();
      await settle();
      expect(seen.at(-1)).toBe(expected);
    }
    gates.shift()!();
    await settle();
    expect(a.paused).toBe(false);
  });

  test("a peer above its rate is read more slowly, also when it opens a new stream", async () => {
    const inboundQuota = { bytesPerSecond: 1e9, messagesPerSecond: 3 };
    const { wire, inbound, received, clock } = await rig({ ...SPEC, inbound: inboundQuota });
    wire.events().connected(alice, "a:1", "inbound");
    const stream = inbound(alice);
    stream.receive(framed(...Array.from({ length: 8 }, (_, i) => bytes(1, i))));
    expect(received.length).toBe(3);
    expect(stream.paused).toBe(true);
    await clock.advance(1_010);
    expect(received.length).toBe(6);
    const second = inbound(alice);
    expect(stream.aborted).toBeDefined();
    second.receive(framed(...Array.from({ length: 8 }, (_, i) => bytes(1, i))));
    expect(received.length).toBeLessThanOrEqual(7);
    await clock.advance(1_000);
    expect(received.length).toBeLessThanOrEqual(10);
  });

  test("a handler that throws or rejects is logged and reading goes on", async () => {
    let calls = 0;
    const { wire, inbound, log } = await rig(SPEC, () => {
      calls++;
      if (calls === 1) throw new Error("now");
      return calls === 2 ? Promise.reject(new Error("later")) : undefined;
    });
    wire.events().connected(alice, "a:1", "inbound");
    inbound(alice).receive(framed(bytes(1), bytes(1), bytes(1)));
    await settle();
    expect(calls).toBe(3);
    expect(log.filter((line) => line.includes("failed")).length).toBe(2);
  });

  test("streams of strangers, of unlisted peers and on unknown channels are refused", async () => {
    const { wire, inbound, received } = await rig();
    wire.events().connected(carol, "c:1", "inbound");
    wire.events().connected(alice, "a:1", "inbound");
    for (const stream of [inbound(bob), inbound(carol), inbound(alice, "other")]) {
      expect(stream.aborted).toBeDefined();
      stream.receive(framed(bytes(1)));
    }
    expect(received).toEqual([]);
  });
});

describe("who may connect", () => {
  test("listed peers; others only where a channel is open to anyone, up to a quota", async () => {
    const closed = await rig();
    expect(closed.wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(true);
    expect(closed.wire.events().mayConnect(carol, "10.0.0.1:1", "inbound")).toBe(false);
    expect(closed.wire.events().mayConnect(self, "10.0.0.1:1", "inbound")).toBe(false);
    const open = await rig({ ...SPEC, access: "anyone" }, undefined, { maxUnlisted: 1 });
    expect(open.wire.events().mayConnect(carol, "10.0.0.1:1", "inbound")).toBe(true);
    open.wire.events().connected(carol, "c:1", "inbound");
    const another = identityFromSeed(bytes(32, 9)).publicKey;
    expect(open.wire.events().mayConnect(another, "10.0.0.1:1", "inbound")).toBe(false);
    expect(open.wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(true);
  });

  test("a peer that loses its place is cut off", async () => {
    const { wire, transport, inbound } = await rig();
    wire.events().connected(alice, "a:1", "inbound");
    const stream = inbound(alice);
    transport.allow([self, bob]);
    expect(stream.aborted).toBeDefined();
    expect(wire.disconnected).toEqual([alice]);
    expect(transport.peers()).toEqual([]);
  });

  test("a block ends", async () => {
    const { wire, transport, clock } = await rig();
    transport.block(alice, 30, "a bad vote");
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(false);
    await clock.advance(29_999);
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(false);
    await clock.advance(2);
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(true);
  });

  test("listeners hear of the first connection and the last end", async () => {
    const { wire, transport } = await rig();
    const events: PeerEvent[] = [];
    const stop = transport.onPeer((event) => events.push(event));
    wire.events().connected(alice, "a:1", "inbound");
    wire.events().connected(alice, "a:2", "outbound");
    wire.events().disconnected(alice);
    stop();
    wire.events().connected(bob, "b:1", "inbound");
    expect(events).toEqual([
      { kind: "connected", peer: alice },
      { kind: "disconnected", peer: alice },
    ]);
  });
});

describe("keeping connections", () => {
  const address = { host: "127.0.0.1", port: 1, peer: alice };
  test("attempts become rarer, though never rare for listed peers, and stop with the transport", async () => {
    const { wire, transport, clock } = await rig();
    transport.keep(address);
    transport.keep(address);
    await settle();
    expect(wire.dialled.length).toBe(1);
    await clock.advance(60_000);
    const tries = wire.dialled.length;
    expect(tries).toBeGreaterThan(60_000 / 1_500 - 1);
    expect(tries).toBeLessThan(60_000 / 1_500 + 4);
    transport.allow([]);
    await clock.advance(1_500);
    const before = wire.dialled.length;
    await clock.advance(60_000);
    expect(wire.dialled.length).toBe(before);
    await transport.close();
    await clock.advance(60_000);
    expect(clock.pending).toBe(0);
  });
  test("an address whose owner nobody knows is tried ever more rarely", async () => {
    const { wire, transport, clock } = await rig();
    transport.keep({ ...address, peer: undefined });
    await clock.advance(60_000);
    const tries = wire.dialled.length;
    expect(tries).toBeGreaterThan(6);
    expect(tries).toBeLessThan(14);
    await transport.close();
    await clock.advance(60_000);
    expect(wire.dialled.length).toBe(tries);
    expect(clock.pending).toBe(0);
  });
  test("a connection that ends is dialled again soon; while it lives it is not", async () => {
    const { wire, transport, clock } = await rig();
    wire.dial = async () => {
      wire.events().connected(alice, "a:1", "outbound");
      return alice;
    };
    transport.keep(address);
    await clock.advance(30_000);
    expect(wire.dialled.length).toBe(1);
    wire.events().disconnected(alice);
    await clock.advance(300);
    expect(wire.dialled.length).toBe(2);
    expect(transport.isConnected(alice)).toBe(true);
  });
  test("addresses given before the start are dialled after it; this node's own never", async () => {
    const wire = createFakeWire();
    const transport = createTransport({ self, wire: wire.factory, clock: new ManualClock() });
    transport.keep({ ...address, peer: self });
    transport.keep({ ...address, peer: undefined });
    await transport.start();
    await settle();
    expect(wire.dialled.length).toBe(1);
  });
  test("a blocked peer is not dialled until its block ends", async () => {
    const { wire, transport, clock } = await rig();
    transport.block(alice, 60, "flood");
    transport.keep(address);
    await clock.advance(55_000);
    expect(wire.dialled.length).toBe(0);
    await clock.advance(20_000);
    expect(wire.dialled.length).toBeGreaterThan(0);
  });
});

test("a rate never lets more through than its credit and time allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 5_000 })), {
        maxLength: 200,
      }),
      (messagesPerSecond, bytesPerSecond, arrivals) => {
        const rate = createRate({ messagesPerSecond, bytesPerSecond });
        let now = 0;
        let messages = 0;
        let total = 0;
        for (const [gap, size] of arrivals) {
          now += gap;
          if (rate.wait(now) > 0) continue;
          rate.take(now, size);
          messages++;
          total += size;
          const seconds = 1 + now / 1000;
          expect(messages).toBeLessThanOrEqual(messagesPerSecond * seconds + 1e-6);
          // One message may be in debt.
          expect(total - size).toBeLessThanOrEqual(bytesPerSecond * seconds + 1e-6);
        }
      },
    ),
  );
});

test("waiting as long as a rate says is enough", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 0, max: 50_000 }), { maxLength: 30 }),
      (messagesPerSecond, bytesPerSecond, sizes) => {
        const rate = createRate({ messagesPerSecond, bytesPerSecond });
        let now = 0;
        for (const size of sizes) {
          now += rate.wait(now);
          expect(rate.wait(now)).toBe(0);
          rate.take(now, size);
        }
      },
    ),
    { examples: [[1, 9, [48_294, 0]]] },
  );
});
