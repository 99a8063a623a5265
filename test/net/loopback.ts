// What tests on real connections over loopback share: identities, a channel that holds nothing back, and patience.
import { type Identity, identityFromSeed } from "#crypto/identity.ts";
import type { ChannelSpec, Quota } from "#net/types.ts";
import { until as eventually } from "../support/kora.ts";

/** The `i`-th identity of these tests. */
export function identity(i: number): Identity {
  return identityFromSeed(new Uint8Array(32).fill(i));
}

const PLENTY: Quota = { bytesPerSecond: 1e9, messagesPerSecond: 1e6 };

export const SPEC: ChannelSpec = {
  name: "votes",
  access: "listed",
  maxFrameBytes: 100_000,
  inbound: PLENTY,
  outbound: PLENTY,
  queue: { maxFrames: 10_000, maxBytes: 1e8, policy: "refuse-newest" },
};

/** Waits for what the network brings about. */
export async function until(condition: () => boolean): Promise<void> {
  await eventually("what the network should bring about", condition);
}
