// Counts what a transport carries. A lane counts for itself; its figures are added here when it closes.
import type { Offence } from "./score.ts";
import type { ChannelFigures, TransportFigures, Verdict } from "./types.ts";

/** What a lane has counted. */
export type LaneFigures = Pick<ChannelFigures, "sentBytes" | "sentFrames" | "dropped">;

type Sums = { -readonly [K in keyof ChannelFigures]: number };

export interface Figures {
  received(channel: string, bytes: number): void;
  frame(channel: string): void;
  /** Counts a lane that has closed. */
  closed(channel: string, lane: LaneFigures): void;
  judged(topic: string, verdict: Verdict): void;
  offence(offence: Offence): void;
  block(): void;
  /** All of it, with the lanes that are open. */
  read(open: Iterable<readonly [channel: string, lane: LaneFigures]>): TransportFigures;
}

function addLane(sums: Sums, { sentBytes, sentFrames, dropped }: LaneFigures): void {
  sums.sentBytes += sentBytes;
  sums.sentFrames += sentFrames;
  sums.dropped += dropped;
}

/** Nothing counted yet. */
export function createFigures(): Figures {
  const channels = new Map<string, Sums>();
  const gossip = new Map<string, { topic: string; verdict: Verdict; count: number }>();
  const offences = new Map<Offence, number>();
  let blocks = 0;
  const of = (from: Map<string, Sums>, channel: string): Sums => {
    const sums = from.get(channel) ?? {
      ...{ sentBytes: 0, sentFrames: 0, receivedBytes: 0, receivedFrames: 0, dropped: 0 },
    };
    from.set(channel, sums);
    return sums;
  };
  return {
    received(channel, bytes) {
      of(channels, channel).receivedBytes += bytes;
    },
    frame(channel) {
      of(channels, channel).receivedFrames++;
    },
    closed: (channel, lane) => addLane(of(channels, channel), lane),
    judged(topic, verdict) {
      const name = `${topic}/${verdict}`;
      const count = (gossip.get(name)?.count ?? 0) + 1;
      gossip.set(name, { topic, verdict, count });
    },
    offence: (offence) => offences.set(offence, (offences.get(offence) ?? 0) + 1),
    block() {
      blocks++;
    },
    read(open) {
      const all = new Map([...channels].map(([channel, sums]) => [channel, { ...sums }]));
      for (const [channel, lane] of open) addLane(of(all, channel), lane);
      return { channels: all, gossip: new Map(gossip), offences: new Map(offences), blocks };
    },
  };
}
