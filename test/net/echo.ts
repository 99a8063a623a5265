// Two transports over libp2p in one process that echo frames of the sizes at which things have broken before; prints
// OK. Run as it is and compiled, since native parts and WebAssembly behave differently inside an executable.
import { identityFromSeed } from "#crypto/identity.ts";
import { equalBytes } from "#lib/bytes.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { ChannelSpec } from "#net/types.ts";

const SIZES = [0, 1, 1_024, 1_199, 1_200, 1_201, 65_536, 262_144, 2 * 1024 * 1024];
const quota = { bytesPerSecond: 1e9, messagesPerSecond: 1e6 };
const spec: ChannelSpec = {
  name: "echo",
  access: "listed",
  maxFrameBytes: 3 * 1024 * 1024,
  inbound: quota,
  outbound: quota,
  queue: { maxFrames: 100, maxBytes: 32 * 1024 * 1024, policy: "refuse-newest" },
};

const identities = [1, 2].map((i) => identityFromSeed(new Uint8Array(32).fill(i)));
const [a, b] = identities.map((identity) =>
  createTransport({
    self: identity.publicKey,
    wire: libp2pWire({ identity, listen: [process.argv[2] ?? "127.0.0.1:0"], network: "test" }),
  }),
) as [ReturnType<typeof createTransport>, ReturnType<typeof createTransport>];

let answered: (frame: Uint8Array) => void = () => {};
const ours = a.open(spec, (_from, frame) => answered(frame));
const theirs = b.open(spec, (from, frame) => {
  theirs.send(from, frame);
});
for (const transport of [a, b]) {
  transport.allow(identities.map(({ publicKey }) => publicKey));
  await transport.start();
}
const connected = new Promise<void>((resolve) => a.onPeer(() => resolve()));
const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(b.listening()[0] ?? "") ?? [];
a.keep({ host: host ?? "", port: Number(port), peer: b.self });
await connected;
for (const size of SIZES) {
  const frame = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const answer = new Promise<Uint8Array>((resolve) => {
    answered = resolve;
  });
  ours.send(b.self, frame);
  if (!equalBytes(await answer, frame)) throw new Error(`${size} bytes came back changed`);
}
await Promise.all([a.close(), b.close()]);
console.log("OK");
