// Dials that are given up must not end the process: the socket is not told of the signal, the dial is.
import { expect, test } from "bun:test";
import { identityFromSeed } from "#crypto/identity.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { withoutCopies } from "#net/tcp.ts";
import type { WireEvents } from "#net/wire.ts";

test("options keep their signal, and copies of them have none", () => {
  const { signal } = new AbortController();
  const options = withoutCopies({ signal, keepAlive: true });
  expect(options.signal).toBe(signal);
  expect(options.keepAlive).toBeTrue();
  expect({ ...options }).toEqual({ keepAlive: true } as never);
});

test("a dial that ends by its signal rejects, and nothing is thrown beside it", async () => {
  const beside: unknown[] = [];
  const note = (error: unknown): void => void beside.push(error);
  process.on("uncaughtException", note);
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const plan = {
    channels: [],
    topics: [],
    gossip: {
      maxPacketBytes: 0,
      maxBacklogBytes: 0,
      inbound: { bytesPerSecond: 1, messagesPerSecond: 1 },
      outbound: { bytesPerSecond: 1, messagesPerSecond: 1 },
    },
  };
  const events = { mayConnect: () => true } as Partial<WireEvents> as WireEvents;
  const identity = identityFromSeed(new Uint8Array(32).fill(1));
  const wire = await libp2pWire({ identity, listen: [], network: "test" })(plan, events);
  await wire.start();
  const address = { host: "127.0.0.1", port: server.port, peer: undefined };
  let rejected = 0;
  for (let i = 0; i < 20; i++) {
    const giveUp = new AbortController();
    const dial = wire.dial(address, giveUp.signal).catch(() => rejected++);
    // Before, while and after the socket is made.
    for (let turn = 0; turn < i; turn++) await Promise.resolve();
    giveUp.abort();
    await dial;
  }
  await new Promise((resolve) => setImmediate(resolve));
  await wire.close();
  server.stop(true);
  process.off("uncaughtException", note);
  expect(rejected).toBe(20);
  expect(beside).toEqual([]);
});
