// Finality as a validator set lives it: from the moment a leader's proposal leaves to the moment the last validator
// holds its finalization. All nodes are on one machine and log by one clock, to the millisecond.
import { makeNetwork, processOf, untilAbove } from "../../support/network.ts";

export interface Finality {
  /** Views that became final. */
  readonly views: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Views at the start that are not counted: connections and code warm up. */
const WARM_UP_VIEWS = 40;

function momentsOf(log: string, message: string): Map<number, number> {
  const moments = new Map<number, number>();
  for (const line of log.split("\n")) {
    if (!line.includes(`"msg":"${message}"`)) continue;
    const { view, time } = JSON.parse(line) as { view: number; time: string };
    if (!moments.has(view)) moments.set(view, Date.parse(time));
  }
  return moments;
}

/** Milliseconds from proposal to the last of all nodes, ascending, one per view that every log tells of. */
export function finalityTimes(logs: readonly string[]): number[] {
  const held = logs.map((log) => momentsOf(log, "finalization held"));
  const times: number[] = [];
  for (const log of logs) {
    for (const [view, sent] of momentsOf(log, "proposal sent")) {
      const moments = held.map((of) => of.get(view));
      if (view <= WARM_UP_VIEWS || moments.includes(undefined)) continue;
      times.push(Math.max(...(moments as number[])) - sent);
    }
  }
  return times.sort((a, b) => a - b);
}

/** Runs an empty network that makes a block each `blockTime` seconds, and measures. */
export async function measureFinality(
  validators: number,
  blockTime: number,
  seconds: number,
): Promise<Finality> {
  await using network = makeNetwork({
    validators,
    blockTime,
    flags: ["--execution-empty-block-interval", String(blockTime), "--log-level", "debug"],
  });
  await Promise.all(network.nodes.map(network.start));
  await untilAbove(network.nodes, WARM_UP_VIEWS);
  await Bun.sleep(seconds * 1000);
  const processes = network.nodes.map(processOf);
  await Promise.all(network.nodes.map((node) => network.stop(node, "SIGTERM")));
  const times = finalityTimes(processes.map(({ err }) => err()));
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { views: times.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
