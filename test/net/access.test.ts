// Who may connect to a transport and for how long not, and how it keeps its own connections.
import { describe, expect, test } from "bun:test";
import { identityFromSeed } from "#crypto/identity.ts";
import { createTransport } from "#net/transport.ts";
import type { PeerEvent } from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";
import { createFakeWire, ManualClock, settle } from "./fake-wire.ts";
import { alice, bob, bytes, carol, rig, SPEC, self } from "./rig.ts";

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

  test("strangers that come have sixteen places of one host and sixty-four in all; nobody else needs one", async () => {
    const { wire, transport } = await rig({ ...SPEC, access: "anyone" });
    const events = wire.events();
    const stranger = (i: number): IdentityKey => identityFromSeed(bytes(32, 100 + i)).publicKey;
    /** Comes from a host as the wire would have it; whether it was let in. */
    const arrive = (i: number, host: string): boolean => {
      const address = `${host}:${1_000 + i}`;
      const welcome = events.mayConnect(stranger(i), address, "inbound");
      if (welcome) events.connected(stranger(i), address, "inbound");
      return welcome;
    };
    const hosts = ["10.0.0.1", "[fd00::1]", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
    for (const [at, host] of hosts.entries()) {
      const let_in = Array.from({ length: 20 }, (_, i) => arrive(20 * at + i, host)).filter(Boolean).length;
      expect(let_in).toBe(at < 4 ? 16 : 0);
    }
    expect(transport.peers()).toHaveLength(64);
    // A member of the list from the fullest host, and whoever this node chose itself.
    expect(events.mayConnect(alice, "10.0.0.1:7", "inbound")).toBe(true);
    expect(events.mayConnect(carol, "10.0.0.1:7", "outbound")).toBe(true);
    events.connected(carol, "10.0.0.1:7", "outbound");
    // A place that becomes free is free for the same host only while the whole has one.
    events.disconnected(stranger(0));
    expect(arrive(16, "10.0.0.1")).toBe(true);
    expect(arrive(17, "10.0.0.1")).toBe(false);
    events.disconnected(stranger(20));
    expect(arrive(18, "10.0.0.1")).toBe(false);
    // Whoever has one address of an IPv6 network has them all.
    expect(arrive(19, "[fd00::2]")).toBe(true);
    expect(arrive(36, "[fd00::3:4]")).toBe(false);
    events.disconnected(stranger(40));
    expect(arrive(37, "[fd00:0:0:0:9::]")).toBe(false);
    expect(arrive(80, "10.0.0.4")).toBe(true);
  });

  test("networks of one IPv6 site share thirty-two places, however many addresses they have", async () => {
    const { wire } = await rig({ ...SPEC, access: "anyone" });
    const events = wire.events();
    let taken = 0;
    const arrive = (host: string): boolean => {
      const [key, address] = [identityFromSeed(bytes(32, 100 + taken)).publicKey, `${host}:${1_000 + taken}`];
      const welcome = events.mayConnect(key, address, "inbound");
      if (welcome) events.connected(key, address, "inbound");
      if (welcome) taken++;
      return welcome;
    };
    const welcome = Array.from({ length: 60 }, (_, i) => arrive(`[2001:db8:7:${i.toString(16)}::1]`));
    expect(welcome.filter(Boolean)).toHaveLength(32);
    expect(["[2001:db8:8::1]", "10.0.0.1", "::ffff:a00:1"].map(arrive)).toEqual([true, true, true]);
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

  test("whoever gossips on a topic that this node only speaks on is soon blocked", async () => {
    const wire = createFakeWire();
    const transport = createTransport({
      self,
      wire: wire.factory,
      clock: new ManualClock(),
      gossip: { maxPacketBytes: 100, inbound: SPEC.inbound, outbound: SPEC.outbound, maxBacklogBytes: 100 },
    });
    transport.open({ ...SPEC, access: "anyone" }, () => {});
    transport.join({ name: "news", maxMessageBytes: 10 }, undefined);
    await transport.start();
    wire.events().connected(carol, "10.0.0.1:1", "inbound");
    for (let i = 0; i < 4; i++)
      expect(await wire.events().gossiped(carol, "news", bytes(3, i))).toBe("ignore");
    expect(transport.isConnected(carol)).toBe(true);
    await wire.events().gossiped(carol, "news", bytes(3, 9));
    expect(wire.disconnected).toEqual([carol]);
  });

  test("a lesser fault does not shorten a block", async () => {
    const { wire, transport, clock } = await rig();
    transport.block(alice, 600, "signed two things");
    transport.report(alice, "malformed");
    await clock.advance(599_000);
    expect(wire.events().mayConnect(alice, "10.0.0.1:1", "inbound")).toBe(false);
    await clock.advance(2_000);
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
  test.each([
    ["nobody knows", undefined, 0, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]],
    ["a stranger", carol, 0, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]],
    ["a member", alice, 0, [250, 500, 1_000, 1_500, 1_500, 1_500]],
    ["a member, with luck", alice, 1, [125, 250, 500, 750, 750, 750]],
  ] as const)(
    "patience grows at an address of which %s answers: pauses double up to a bound",
    async (_, peer, luck, pauses) => {
      const { wire, transport, clock } = await rig({ ...SPEC, access: "anyone" }, undefined, {
        random: () => luck,
      });
      const dials: number[] = [];
      wire.dial = () => {
        dials.push(clock.now());
        return Promise.reject(new Error("nobody"));
      };
      transport.keep({ ...address, peer });
      await clock.advance(pauses.reduce((sum, each) => sum + each, 0));
      expect(dials.slice(1).map((at, i) => at - (dials[i] as number))).toEqual([...pauses]);
      // Once somebody answered, patience begins anew.
      wire.dial = async () => peer ?? carol;
      await clock.advance(30_000);
      const before = dials.length;
      wire.dial = () => {
        dials.push(clock.now());
        return Promise.reject(new Error("nobody"));
      };
      await clock.advance(11_000);
      expect(dials[before + 1]! - dials[before]!).toBe(pauses[0]);
      await transport.close();
    },
  );
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
