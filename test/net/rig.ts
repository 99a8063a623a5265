// A transport over a fake wire with time in the test's hands, for the transport's tests.
import { identityFromSeed } from "#crypto/identity.ts";
import { concatBytes } from "#lib/bytes.ts";
import { frameHeader } from "#net/frames.ts";
import { createTransport, type TransportOptions } from "#net/transport.ts";
import type { Channel, ChannelSpec, FrameHandler, Transport } from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";
import { createFakeWire, FakeStream, type FakeWire, ManualClock } from "./fake-wire.ts";

const keyOf = (i: number): IdentityKey => identityFromSeed(new Uint8Array(32).fill(i)).publicKey;
export const self: IdentityKey = keyOf(1);
export const alice: IdentityKey = keyOf(2);
export const bob: IdentityKey = keyOf(3);
/** Not on the list. */
export const carol: IdentityKey = keyOf(4);

const PLENTY = { bytesPerSecond: 1e9, messagesPerSecond: 1e6 };
export const SPEC: ChannelSpec = {
  name: "votes",
  access: "listed",
  maxFrameBytes: 1_000,
  inbound: PLENTY,
  outbound: PLENTY,
  queue: { maxFrames: 3, maxBytes: 2_000, policy: "drop-oldest" },
};

export interface Rig {
  readonly clock: ManualClock;
  readonly wire: FakeWire;
  readonly transport: Transport;
  readonly channel: Channel;
  readonly received: { readonly from: IdentityKey; readonly frame: Uint8Array }[];
  readonly log: string[];
  /** A stream that `peer` opens, or what was said when it was refused. */
  inbound(peer: IdentityKey, name?: string): FakeStream;
}

export async function rig(
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

export const framed = (...frames: Uint8Array[]): Uint8Array =>
  concatBytes(...frames.flatMap((frame) => [frameHeader(frame.length), frame]));
export const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);
