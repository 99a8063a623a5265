// What scrapes say of the network: by channel and direction, growing with the transport's own figures.
import { expect, test } from "bun:test";
import { createFigures } from "#net/figures.ts";
import type { Transport } from "#net/types.ts";
import { createMetrics } from "#node/metrics.ts";
import { watchTraffic } from "#node/validators/traffic.ts";

test("bytes, frames, drops, verdicts, offences and blocks are counted once, members as they are", () => {
  const figures = createFigures();
  const lane = { sentBytes: 100, sentFrames: 4, dropped: 1 };
  const listed = [true, true, false];
  const transport = {
    figures: () => figures.read([["votes", lane]]),
    peers: () => listed.map((each) => ({ listed: each })),
  } as unknown as Transport;
  const metrics = createMetrics();
  watchTraffic(metrics, transport);
  figures.received("votes", 30);
  figures.frame("votes");
  figures.judged("news", "accept");
  figures.offence("malformed");
  figures.block();
  lane.sentBytes += 50;
  lane.dropped++;
  metrics.text();
  // A lane that closed is counted where it was open before.
  figures.closed("votes", { sentBytes: 7, sentFrames: 1, dropped: 0 });
  const lines = metrics.text().split("\n");
  for (const line of [
    'kora_p2p_bytes_total{channel="votes",direction="in"} 30',
    'kora_p2p_bytes_total{channel="votes",direction="out"} 57',
    'kora_p2p_frames_total{channel="votes",direction="in"} 1',
    'kora_p2p_frames_total{channel="votes",direction="out"} 1',
    'kora_p2p_dropped_total{channel="votes"} 1',
    'kora_p2p_gossip_total{topic="news",verdict="accept"} 1',
    'kora_p2p_offences_total{offence="malformed"} 1',
    "kora_p2p_blocks_total 1",
    "kora_p2p_validators 2",
  ]) {
    expect(lines).toContain(line);
  }
});
