// What somebody whom nobody knows may cost a node, on real sockets: lines without end before a key was proved or a
// protocol was chosen, sockets that say nothing, keys without end from one host.
import { afterAll, expect, test } from "bun:test";
import { concatBytes } from "#lib/bytes.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { HANDSHAKE_BOUNDS, STREAM_BOUNDS } from "#net/negotiation.ts";
import { createTransport } from "#net/transport.ts";
import type { Transport } from "#net/types.ts";
import { until as eventually } from "../support/kora.ts";
import { identity, SPEC, until } from "./loopback.ts";
import { countLines, HELLO, lines, type Stranger, speak, stranger } from "./stranger.ts";

const TIMEOUT = 60_000;
const NETWORK = "test";

const open: Transport[] = [];
afterAll(async () => {
  await Promise.all(open.map((transport) => transport.close()));
});

async function node(i: number) {
  const transport = createTransport({
    self: identity(i).publicKey,
    wire: libp2pWire({ identity: identity(i), listen: ["127.0.0.1:0"], network: NETWORK }),
  });
  open.push(transport);
  const received: number[] = [];
  const channel = transport.open({ ...SPEC, access: "anyone" }, (_from, frame) => {
    received.push(frame[0] as number);
  });
  transport.allow([1, 2].map((member) => identity(member).publicKey));
  await transport.start();
  return { transport, channel, received, port: Number(transport.listening()[0]?.split(":")[1]) };
}

/** A member is let in and heard. */
async function memberIsHeard({ transport, received, port }: Awaited<ReturnType<typeof node>>): Promise<void> {
  const member = await node(2);
  member.transport.keep({ host: "127.0.0.1", port, peer: transport.self });
  await until(() => member.transport.isConnected(transport.self));
  member.channel.send(transport.self, Uint8Array.of(7));
  await until(() => received.includes(7));
  await member.transport.close();
}

test(
  "lines before the handshake are answered a few times, whatever they say, and then nobody listens",
  async () => {
    const victim = await node(1);
    for (const [line, answer] of [
      [HELLO, HELLO],
      ["ls", "/noise"],
      ["no-such-thing", "na"],
    ] as const) {
      const socket = await speak(victim.port);
      socket.send(lines(line, 3_000));
      await until(() => socket.closed());
      expect(countLines(answer, socket.received())).toBeLessThanOrEqual(HANDSHAKE_BOUNDS.answers);
    }
    await memberIsHeard(victim);
  },
  TIMEOUT,
);

test(
  "what is said before the handshake without being a line is not kept either",
  async () => {
    const victim = await node(1);
    // Came first, and is closed when its time is up.
    const silent = await speak(victim.port);
    const socket = await speak(victim.port);
    socket.send(lines(HELLO, 1));
    socket.send(lines("/noise", 1));
    await until(() => countLines("/noise", socket.received()) === 1);
    // A first message of the handshake that never becomes whole.
    socket.send(concatBytes(Uint8Array.of(0xff, 0xff), new Uint8Array(HANDSHAKE_BOUNDS.bytes)));
    await until(() => socket.closed());
    expect(silent.closed()).toBeFalse();
    await until(() => silent.closed());
    await memberIsHeard(victim);
  },
  TIMEOUT,
);

test(
  "lines on a stream are answered a few times, and its data is not kept before it has a protocol",
  async () => {
    const victim = await node(1);
    await using guest = await stranger(victim.port);
    for (const [line, answer] of [
      [HELLO, HELLO],
      ["ls", `/kora/${NETWORK}/${SPEC.name}/1`],
    ] as const) {
      const stream = await guest.open();
      stream.send(lines(line, Math.floor(STREAM_BOUNDS.bytes / (line.length + 2))));
      await until(() => stream.closed());
      expect(countLines(answer, stream.received())).toBeLessThanOrEqual(STREAM_BOUNDS.answers);
    }
    const stream = await guest.open();
    stream.send(new Uint8Array(STREAM_BOUNDS.bytes).fill(0x80));
    stream.send(new Uint8Array(1).fill(0x80));
    await until(() => stream.closed());
    expect(guest.isOpen()).toBeTrue();
    await memberIsHeard(victim);
  },
  TIMEOUT,
);

test(
  "sockets that close their half, or break off in the middle of a handshake, leave nothing behind",
  async () => {
    const victim = await node(1);
    const opening = lines(HELLO, 1);
    for (let i = 0; i < 100; i++) {
      const socket = await speak(victim.port, "127.0.0.2");
      socket.send(opening.subarray(0, i % (opening.length + 1)));
      socket.end();
      await until(() => socket.closed());
    }
    await memberIsHeard(victim);
    await until(() => victim.transport.peers().length === 0);
  },
  TIMEOUT,
);

test(
  "keys without end from one host get sixteen places, and a member of the committee one more",
  async () => {
    const victim = await node(1);
    await using guests = new AsyncDisposableStack();
    const strangers: Stranger[] = [];
    let refused = 0;
    // A dozen connections a second are taken from one address, members' among them.
    await eventually("sixteen let in, and eight refused after them", async () => {
      const guest = await stranger(victim.port).catch(() => undefined);
      if (guest !== undefined) strangers.push(guests.use(guest));
      else if (strangers.length >= 16) refused++;
      return refused >= 8;
    });
    await until(() => victim.transport.peers().length === 16);
    expect(strangers.filter((guest) => guest.isOpen()).length).toBeLessThanOrEqual(16);
    await memberIsHeard(victim);
  },
  TIMEOUT,
);
