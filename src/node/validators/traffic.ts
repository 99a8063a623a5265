// What an operator learns of the network: bytes and frames by channel, what queues had to drop, offences of peers, and
// how many peers are members of the committee. Reads the transport at scrapes; counts nothing by itself.
import type { ChannelFigures, Transport } from "#net/types.ts";
import type { Counter, Metrics } from "#node/metrics.ts";

/** Adds to `counter` what `total` has grown by since `before`. */
function grow(
  counter: Counter,
  labels: Record<string, string>,
  total: number,
  before: number | undefined,
): void {
  if (total > (before ?? 0)) counter.add(labels, total - (before ?? 0));
}

/** Shows `transport` to whoever scrapes `metrics`. */
export function watchTraffic(metrics: Metrics, transport: Transport): void {
  const bytes = metrics.counter("kora_p2p_bytes_total", "Bytes of frames, by channel and direction.");
  const frames = metrics.counter("kora_p2p_frames_total", "Frames, by channel and direction.");
  const dropped = metrics.counter(
    "kora_p2p_dropped_total",
    "Frames that queues refused or gave up, by channel.",
  );
  const gossiped = metrics.counter("kora_p2p_gossip_total", "Gossiped messages, by topic and verdict.");
  const offences = metrics.counter("kora_p2p_offences_total", "Offences of peers, by kind.");
  const blocks = metrics.counter("kora_p2p_blocks_total", "Times a peer was refused for a while.");
  const members = metrics.gauge("kora_p2p_validators", "Connected peers that are members of the committee.");
  let before = transport.figures();
  metrics.beforeScrape(() => {
    const now = transport.figures();
    for (const [channel, figures] of now.channels) {
      const last: ChannelFigures | undefined = before.channels.get(channel);
      grow(bytes, { channel, direction: "in" }, figures.receivedBytes, last?.receivedBytes);
      grow(bytes, { channel, direction: "out" }, figures.sentBytes, last?.sentBytes);
      grow(frames, { channel, direction: "in" }, figures.receivedFrames, last?.receivedFrames);
      grow(frames, { channel, direction: "out" }, figures.sentFrames, last?.sentFrames);
      grow(dropped, { channel }, figures.dropped, last?.dropped);
    }
    for (const [name, { topic, verdict, count }] of now.gossip)
      grow(gossiped, { topic, verdict }, count, before.gossip.get(name)?.count);
    for (const [offence, count] of now.offences)
      grow(offences, { offence }, count, before.offences.get(offence));
    grow(blocks, {}, now.blocks, before.blocks);
    members.set(transport.peers().filter(({ listed }) => listed).length);
    before = now;
  });
}
