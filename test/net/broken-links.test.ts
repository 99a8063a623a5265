// Real connections over links that are slow, cut or silent: a relay stands between both directions of dialling.
import { afterAll, expect, test } from "bun:test";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { Channel, Transport } from "#net/types.ts";
import { until } from "../support/kora.ts";
import { createArrivals, type Ends, type Relay, startRelay } from "../support/relay.ts";
import { createRng } from "../support/rng.ts";
import { identity, SPEC } from "./loopback.ts";

const TIMEOUT = 60_000;
/** Below what the library's own pings need to find a silent connection. */
const SOON_MS = 15_000;
const rng = createRng(11);

const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
});

interface Node {
  readonly transport: Transport;
  readonly channel: Channel;
  /** First byte of every frame. */
  readonly received: number[];
  readonly log: string[];
  readonly port: number;
}

async function node(i: number): Promise<Node> {
  const received: number[] = [];
  const log: string[] = [];
  const transport = createTransport({
    self: identity(i).publicKey,
    wire: libp2pWire({ identity: identity(i), listen: ["127.0.0.1:0"], network: "test" }),
    log: (message) => log.push(message),
  });
  closing.push(() => transport.close());
  const channel = transport.open(SPEC, (_from, frame) => {
    received.push(frame[0] as number);
  });
  transport.allow([1, 2, 3].map((member) => identity(member).publicKey));
  await transport.start();
  return { transport, channel, received, log, port: Number(transport.listening()[0]?.split(":")[1]) };
}

async function link(from: Node, to: Node, change: (relay: Relay) => void, ends?: Ends): Promise<Relay> {
  const relay = await startRelay(to.port, rng.fork(), ends);
  closing.push(() => relay.close());
  change(relay);
  from.transport.keep({ host: "127.0.0.1", port: relay.port, peer: to.transport.self });
  return relay;
}

const connected = (a: Node, b: Node): boolean =>
  a.transport.isConnected(b.transport.self) && b.transport.isConnected(a.transport.self);

test(
  "two that dial each other over slow links stay connected, and every frame arrives in order",
  async () => {
    const [a, b] = [await node(1), await node(2)];
    const slow = ({ state }: Relay): void => {
      state.delay = 100;
      state.jitter = 150;
    };
    await Promise.all([link(a, b, slow), link(b, a, slow)]);
    await until("both connections", () => connected(a, b));
    for (let i = 0; i < 100; i++) {
      a.channel.send(b.transport.self, Uint8Array.of(i));
      b.channel.send(a.transport.self, Uint8Array.of(i));
      await Bun.sleep(5);
    }
    const wanted = Array.from({ length: 100 }, (_, i) => i);
    for (const each of [a, b]) {
      await until("every frame", () => each.received.length === 100);
      expect(each.received).toEqual(wanted);
      expect(each.log).toEqual(["peer connected"]);
    }
  },
  TIMEOUT,
);

test(
  "on slow links one peer's frames overtake another's, each peer's stay in order, and the relays count it",
  async () => {
    const [a, b, to] = [await node(1), await node(2), await node(3)];
    const arrivals = createArrivals();
    for (const from of [a, b]) {
      const slow = ({ state }: Relay): void => {
        Object.assign(state, { delay: 40, jitter: 80 });
      };
      await link(from, to, slow, { target: arrivals, dialer: createArrivals() });
    }
    await until("both connections", () => connected(a, to) && connected(b, to));
    for (let i = 0; i < 40; i++) {
      for (const [at, from] of [a, b].entries())
        from.channel.send(to.transport.self, Uint8Array.of(2 * i + at));
      await Bun.sleep(5);
    }
    await until("every frame", () => to.received.length === 80);
    for (const parity of [0, 1]) {
      const own = to.received.filter((i) => i % 2 === parity);
      expect(own).toEqual(own.toSorted((x, y) => x - y));
    }
    expect(to.received).not.toEqual(to.received.toSorted((x, y) => x - y));
    expect(arrivals.overtaken).toBeGreaterThan(0);
    expect(arrivals.overtaken).toBeLessThan(arrivals.delivered);
  },
  TIMEOUT,
);

test(
  "links that are cut and mended, over and over, carry frames again",
  async () => {
    const [a, b] = [await node(1), await node(2)];
    const links = [await link(a, b, () => {}), await link(b, a, () => {})];
    for (let round = 1; round <= 5; round++) {
      await until("a connection", () => connected(a, b));
      const had = b.received.length;
      await until("a frame after mending", () => {
        a.channel.send(b.transport.self, Uint8Array.of(round));
        return b.received.length > had;
      });
      for (const relay of links) relay.state.cut = true;
      // In the middle of whatever the two are just saying.
      for (const relay of links) relay.apply();
      await until("the loss", () => !connected(a, b));
      for (const relay of links) relay.state.cut = false;
    }
  },
  TIMEOUT,
);

test(
  "a connection that fell silent does not stand in the way of one that a restarted peer opens",
  async () => {
    const [a, lost] = [await node(1), await node(2)];
    const relay = await link(a, lost, () => {});
    await until("the first connection", () => connected(a, lost));
    relay.state.stalled = true;
    const restarted = await node(2);
    restarted.transport.keep({ host: "127.0.0.1", port: a.port, peer: a.transport.self });
    await until("the second connection", () => restarted.transport.isConnected(a.transport.self));
    await until(
      "a frame on it",
      () => {
        a.channel.send(restarted.transport.self, Uint8Array.of(1));
        return restarted.received.length > 0;
      },
      SOON_MS,
    );
    expect(a.log).toEqual(["peer connected"]);
  },
  TIMEOUT,
);
