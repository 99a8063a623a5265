// The transport over a fake wire: what is sent and what is read, with its bounds, rates, order and blame.
import { describe, expect, test } from "bun:test";
import { concatBytes } from "#lib/bytes.ts";
import { frameHeader } from "#net/frames.ts";
import type { ChannelSpec } from "#net/types.ts";
import { FakeStream, settle } from "./fake-wire.ts";
import { alice, bob, bytes, carol, framed, rig, SPEC } from "./rig.ts";

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
    for (let i = 0; i < 50; i++) {
      const next = inbound(alice);
      next.receive(framed(bytes(1, i), bytes(1, i)));
    }
    expect(stream.aborted).toBeDefined();
    expect(received.length).toBe(6);
    await clock.advance(1_010);
    expect(received.length).toBe(8);
  });

  test("a peer that opens new streams, or connects anew, waits for its handler, and for nobody else's", async () => {
    const gates: (() => void)[] = [];
    const seen: number[] = [];
    const { wire, inbound } = await rig(SPEC, (from, frame) => {
      seen.push(frame[0]!);
      if (from !== alice) return undefined;
      return new Promise<void>((resolve) => {
        gates.push(resolve);
      });
    });
    for (let i = 0; i < 5; i++) {
      wire.events().connected(alice, "a:1", "inbound");
      for (let again = 0; again < 5; again++) inbound(alice).receive(framed(bytes(1, 10 * i + again)));
      if (i < 4) wire.events().disconnected(alice);
    }
    wire.events().connected(bob, "b:1", "inbound");
    inbound(bob).receive(framed(bytes(1, 100)));
    expect(seen).toEqual([0, 100]);
    gates.shift()!();
    await settle();
    // What other streams held has gone with them.
    expect(seen).toEqual([0, 100, 44]);
    gates.shift()!();
    await settle();
    inbound(alice).receive(framed(bytes(1, 50)));
    expect(seen.at(-1)).toBe(50);
  });

  test("waiting for the rate is held against a peer whatever streams it opens", async () => {
    const inboundQuota = { bytesPerSecond: 1e9, messagesPerSecond: 1 };
    const { wire, inbound, transport, clock } = await rig({ ...SPEC, inbound: inboundQuota });
    wire.events().connected(alice, "a:1", "inbound");
    for (let i = 0; i < 40; i++) {
      inbound(alice).receive(framed(bytes(1), bytes(1), bytes(1)));
      await clock.advance(900);
    }
    const offences = transport.figures().offences.get("overQuota") ?? 0;
    expect(offences).toBeGreaterThan(10);
    expect(offences).toBeLessThanOrEqual(36);
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
