// Real connections on loopback: every payload size, in the runtime and in an executable; strangers, impostors and
// other chains kept out; a restart; a flood that costs a third peer nothing.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { ChannelSpec, FrameHandler, PeerAddress, Transport } from "#net/types.ts";
import { identity, SPEC, until } from "./loopback.ts";

const ECHO = join(import.meta.dir, "echo.ts");
const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);
const TIMEOUT = 60_000;

const open: Transport[] = [];
afterAll(async () => {
  await Promise.all(open.map((transport) => transport.close()));
});

function addressOf(transport: Transport): PeerAddress {
  const [host, port] = transport.listening()[0]!.split(":");
  return { host: host!, port: Number(port), peer: transport.self };
}

interface NodeOptions {
  readonly members?: readonly number[];
  readonly network?: string;
  readonly listen?: string;
  readonly spec?: ChannelSpec;
  readonly handler?: FrameHandler;
}
async function node(i: number, options: NodeOptions = {}) {
  const { members = [1, 2, 3], network = "test", listen = "127.0.0.1:0", spec = SPEC } = options;
  const received: Uint8Array[] = [];
  const transport = createTransport({
    self: identity(i).publicKey,
    wire: libp2pWire({ identity: identity(i), listen: [listen], network }),
  });
  open.push(transport);
  const channel = transport.open(
    spec,
    options.handler ??
      ((_from, frame) => {
        received.push(frame);
      }),
  );
  transport.allow(members.map((member) => identity(member).publicKey));
  await transport.start();
  return { transport, channel, received };
}

describe("payloads of every size", () => {
  test(
    "in the runtime",
    async () => {
      const run = Bun.spawn([process.execPath, ECHO], { stdout: "pipe", stderr: "inherit" });
      expect((await new Response(run.stdout).text()).trim()).toBe("OK");
    },
    TIMEOUT,
  );
  test.skipIf(!hasIpv6)(
    "over IPv6",
    async () => {
      const run = Bun.spawn([process.execPath, ECHO, "[::1]:0"], { stdout: "pipe", stderr: "inherit" });
      expect((await new Response(run.stdout).text()).trim()).toBe("OK");
    },
    TIMEOUT,
  );
  test(
    "in an executable",
    async () => {
      const dir = mkdtempSync(join(tmpdir(), "kora-net-"));
      try {
        const target = join(dir, "echo");
        const built = await Bun.build({
          entrypoints: [ECHO],
          compile: { outfile: target },
          target: "bun",
          format: "esm",
          bytecode: true,
          minify: { whitespace: true, syntax: true, identifiers: false },
        });
        expect(built.success).toBe(true);
        const run = Bun.spawn([target], { cwd: dir, stdout: "pipe", stderr: "inherit" });
        expect((await new Response(run.stdout).text()).trim()).toBe("OK");
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
    TIMEOUT,
  );
});

test(
  "a peer that restarts on its address is reached again and gets what was not lost",
  async () => {
    const a = await node(1);
    let b = await node(2);
    const address = addressOf(b.transport);
    a.transport.keep(address);
    await until(() => a.transport.isConnected(address.peer!));
    await b.transport.close();
    await until(() => !a.transport.isConnected(address.peer!));
    expect(a.channel.send(address.peer!, new Uint8Array(3))).toBe("absent");
    b = await node(2, { listen: `127.0.0.1:${address.port}` });
    await until(() => a.transport.isConnected(address.peer!));
    a.channel.send(address.peer!, Uint8Array.of(7));
    await until(() => b.received.length === 1);
    expect(b.received).toEqual([Uint8Array.of(7)]);
  },
  TIMEOUT,
);

test(
  "strangers are kept out, impostors are not accepted, and another chain shares no channel",
  async () => {
    const a = await node(1);
    const stranger = await node(9, { members: [1, 2, 3, 9] });
    stranger.transport.keep(addressOf(a.transport));
    const impostor = await node(9, { members: [1, 2, 3, 9] });
    const second = await node(2);
    second.transport.keep({ ...addressOf(impostor.transport), peer: identity(3).publicKey });
    const elsewhere = await node(3, { network: "other" });
    elsewhere.transport.keep(addressOf(a.transport));
    const friend = await node(2);
    friend.transport.keep(addressOf(a.transport));
    await until(() => a.transport.isConnected(friend.transport.self));
    await until(() => a.transport.isConnected(elsewhere.transport.self));
    elsewhere.channel.send(a.transport.self, Uint8Array.of(1));
    friend.channel.send(a.transport.self, Uint8Array.of(2));
    await until(() => a.received.length > 0);
    expect(a.received).toEqual([Uint8Array.of(2)]);
    expect(a.transport.isConnected(stranger.transport.self)).toBe(false);
    expect(second.transport.peers()).toEqual([]);
  },
  TIMEOUT,
);

test(
  "a block cuts the connection and is refused at the door until it ends",
  async () => {
    const a = await node(1);
    const b = await node(2);
    b.transport.keep(addressOf(a.transport));
    await until(() => a.transport.isConnected(b.transport.self));
    a.transport.block(b.transport.self, 1, "test");
    await until(() => !b.transport.isConnected(a.transport.self));
    expect(a.transport.isConnected(b.transport.self)).toBe(false);
    await until(() => a.transport.isConnected(b.transport.self));
  },
  TIMEOUT,
);

test(
  "one peer has four connections at most, however many processes share its key",
  async () => {
    const a = await node(1);
    const claimants = await Promise.all(Array.from({ length: 7 }, () => node(2)));
    // One after the other: a dozen connections a second are taken from one address.
    for (const each of claimants) await each.transport.dial(addressOf(a.transport));
    const connected = () => claimants.filter(({ transport }) => transport.isConnected(a.transport.self));
    await until(() => connected().length <= 4);
    expect(connected()).toHaveLength(4);
    connected()[3]?.channel.send(a.transport.self, Uint8Array.of(1));
    await until(() => a.received.length === 1);
    expect(a.transport.peers()).toHaveLength(1);
  },
  TIMEOUT,
);

test(
  "a flood is read at its quota, and another peer's frames get through meanwhile",
  async () => {
    const inbound = { bytesPerSecond: 100_000, messagesPerSecond: 50 };
    const counts = new Map<string, number>();
    const a = await node(1, {
      spec: { ...SPEC, inbound },
      handler: (from) => {
        counts.set(from, (counts.get(from) ?? 0) + 1);
      },
    });
    const [flooder, honest] = [await node(2), await node(3)];
    for (const each of [flooder, honest]) {
      each.transport.keep(addressOf(a.transport));
      await until(() => each.transport.isConnected(a.transport.self));
    }
    for (let i = 0; i < 2_000; i++) flooder.channel.send(a.transport.self, new Uint8Array(1_000));
    const of = (each: { transport: Transport }): number => counts.get(each.transport.self) ?? 0;
    await until(() => of(flooder) >= 50);
    const started = performance.now();
    for (let i = 0; i < 20; i++) {
      honest.channel.send(a.transport.self, new Uint8Array(10));
      await until(() => of(honest) === i + 1);
    }
    const seconds = (performance.now() - started) / 1000;
    expect(of(honest)).toBe(20);
    expect(of(flooder)).toBeLessThan(50 * (seconds + 3));
  },
  TIMEOUT,
);

test(
  "what a peer may not say yet is not read: it waits at the peer, and its window is all that is held here",
  async () => {
    const inbound = { bytesPerSecond: 100_000, messagesPerSecond: 50 };
    const FRAME = 10_000;
    const queue = { maxFrames: 10_000, maxBytes: 1e9, policy: "refuse-newest" } as const;
    const a = await node(1, { spec: { ...SPEC, inbound }, handler: () => {} });
    const flooder = await node(2, { spec: { ...SPEC, queue } });
    flooder.transport.keep(addressOf(a.transport));
    await until(() => flooder.transport.isConnected(a.transport.self));
    const started = performance.now();
    for (let i = 0; i < 6_000; i++) flooder.channel.send(a.transport.self, new Uint8Array(FRAME));
    const received = (): number => a.transport.figures().channels.get(SPEC.name)?.receivedFrames ?? 0;
    // Several times through the window, at ten frames a second; the fewer the slower.
    await until(() => received() >= 60);
    const [sent] = flooder.transport.peers();
    const seconds = (performance.now() - started) / 1000;
    const WINDOWS = 4 * 1024 * 1024;
    expect(sent?.sentBytes).toBeLessThan(WINDOWS + inbound.bytesPerSecond * (seconds + 2));
    expect(sent?.dropped).toBe(0);
    expect(received()).toBeLessThan((inbound.bytesPerSecond / FRAME) * (seconds + 2));
  },
  TIMEOUT,
);

/** Sockets from another address of this machine that connect, say `opening` a byte at a time and then nothing. */
function slowSockets(port: number, count: number, opening: Uint8Array) {
  const closed = new Set<number>();
  const sockets = Array.from({ length: count }, (_, i) => {
    const socket = createConnection({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
    socket.on("error", () => {});
    socket.on("close", () => closed.add(i));
    // What is written to a socket that was refused goes nowhere.
    socket.on("connect", () => socket.write(opening.subarray(0, i % (opening.length + 1))));
    socket.resume();
    return socket;
  });
  return {
    open: () => count - closed.size,
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

test(
  "handshakes that do not get on are few for each address, end by themselves, and nobody else waits for them",
  async () => {
    const a = await node(1);
    const friend = await node(2);
    const { port } = addressOf(a.transport);
    const opening = new TextEncoder().encode("\u0013/multistream/1.0.0\n\u0007/noise\n");
    const slow = slowSockets(port, 100, opening);
    // A dozen a second are taken; the rest is turned away at once.
    await until(() => slow.open() <= 24);
    expect(slow.open()).toBeGreaterThan(0);
    friend.transport.keep(addressOf(a.transport));
    await until(() => friend.transport.isConnected(a.transport.self));
    expect(slow.open()).toBeGreaterThan(0);
    await until(() => slow.open() === 0);
    slow.end();
    friend.channel.send(a.transport.self, Uint8Array.of(1));
    await until(() => a.received.length === 1);
    expect(a.transport.peers()).toHaveLength(1);
  },
  TIMEOUT,
);

test("an address that is taken, and one that is none, are said in three lines", async () => {
  const a = await node(1);
  const taken = node(2, { listen: `127.0.0.1:${addressOf(a.transport).port}` });
  expect(taken).rejects.toMatchObject({ code: "LISTEN_FAILED", exitCode: 2 });
  await taken.catch((error) => expect(error.why).toBeString());
  for (const listen of ["", "here", "127.0.0.1", "127.0.0.1:70000", "example.org:1", "/nonsense/1"]) {
    const failed = await node(2, { listen }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "BAD_ADDRESS", exitCode: 2 });
  }
});
