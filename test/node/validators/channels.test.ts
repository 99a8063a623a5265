// The bounds of the channels against one another: whoever keeps to its own is never above its peer's, and whoever does
// not is found out.
import { expect, test } from "bun:test";
import { createFrameReader } from "#net/frames.ts";
import { createAccount, readStream } from "#net/intake.ts";
import { Lane } from "#net/lane.ts";
import type { ChannelSpec, Quota } from "#net/types.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { FakeStream, ManualClock } from "../../net/fake-wire.ts";
import { createRng } from "../../support/rng.ts";

const LONG_MS = 20_000;
const JITTER_MS = 100;
const rng = createRng(7);
const SPECS = Object.values(channelSpecs(16 * 1024));

/** Offences of a peer that sends all that `outbound` lets it, in frames of `length`, for a while. */
async function saturate(spec: ChannelSpec, outbound: Quota, length: number): Promise<number> {
  const clock = new ManualClock();
  const [writing, reading] = [new FakeStream(), new FakeStream()];
  // In order, but not evenly: what is late for a moment comes together with what follows.
  let last = 0;
  writing.write = (bytes) => {
    last = Math.max(last, clock.now() + rng.unit() * JITTER_MS);
    clock.after(last - clock.now(), () => reading.receive(bytes));
    return true;
  };
  const queue = { maxFrames: 500, maxBytes: 500 * length, policy: "refuse-newest" } as const;
  const lane = new Lane({ ...spec, outbound, queue }, clock, async () => writing);
  let offences = 0;
  let frames = 0;
  readStream({
    reader: createFrameReader(spec.maxFrameBytes),
    clock,
    account: createAccount(spec.inbound),
    stream: reading,
    deliver: () => void frames++,
    onBytes: () => {},
    onOffence: () => void offences++,
  });
  const frame = new Uint8Array(length);
  for (let at = 0; at < LONG_MS; at += 250) {
    while (lane.send(frame) === "queued");
    await clock.advance(250);
  }
  expect(frames).toBeGreaterThan(20);
  lane.close();
  return offences;
}

/** Small frames meet the bound in messages, large ones that in bytes. */
const CASES = SPECS.flatMap((spec) =>
  [1, Math.floor(spec.maxFrameBytes / 2)].map((length) => [spec.name, length, spec] as const),
);

test.each(CASES)(
  "whoever sends all it may on %s, in frames of %p bytes, is never above the quota",
  async (_name, length, spec) => {
    expect(await saturate(spec, spec.outbound, length)).toBe(0);
  },
);

test.each(CASES)(
  "whoever sends twice as much on %s, in frames of %p bytes, is found out",
  async (_name, length, spec) => {
    const { bytesPerSecond, messagesPerSecond } = spec.outbound;
    const twice = { bytesPerSecond: 2 * bytesPerSecond, messagesPerSecond: 2 * messagesPerSecond };
    expect(await saturate(spec, twice, length)).toBeGreaterThan(3);
  },
);
