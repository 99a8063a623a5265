// What a running validator uses and has done, read from outside: /proc for CPU and memory, its metrics for the rest.
import { readFileSync } from "node:fs";
import { processOf, type TestNode } from "../../support/network.ts";

/** Kernel clock ticks a second in /proc. */
const TICKS = 100;
const PAGE_BYTES = 4096;

/** A moment of one node. */
export interface Sample {
  /** Monotonic seconds. */
  readonly at: number;
  /** CPU seconds of the process so far. */
  readonly cpu: number;
  /** Resident bytes. */
  readonly memory: number;
  readonly height: number;
  /** Views given up so far. */
  readonly nullified: number;
  /** Transactions in final blocks so far. */
  readonly finalized: number;
  /** Cumulative counts of event-loop lag by upper bound in seconds; the last bound is Infinity. */
  readonly lag: ReadonlyMap<number, number>;
}

/** CPU seconds and resident bytes of a process. */
export function usageOf(pid: number): { readonly cpu: number; readonly memory: number } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Fields after the command name, which may hold spaces: 12 and 13 are user and system time, 22 resident pages.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpu: ticks / TICKS, memory: Number(fields[21]) * PAGE_BYTES };
}

function metricsAddress(node: TestNode): string {
  const address = /"address":"([^"]+)"/.exec(processOf(node).err())?.[1];
  if (address === undefined) throw new Error(`node${node.index} serves no metrics`);
  return address;
}

function parseMetrics(text: string): { value(name: string): number; lag: ReadonlyMap<number, number> } {
  const lag = new Map<number, number>();
  for (const [, bound, count] of text.matchAll(
    /^kora_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm,
  )) {
    lag.set(bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), Number(count));
  }
  return {
    lag,
    value: (name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0),
  };
}

/** Watches nodes once a second until it is disposed of. */
export interface Watch extends Disposable {
  /** Samples of each node, oldest first. */
  readonly samples: readonly Sample[][];
}

async function sampleOf(node: TestNode, address: string): Promise<Sample> {
  const { pid } = processOf(node);
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const { value, lag } = parseMetrics(text);
  return {
    at: performance.now() / 1000,
    ...usageOf(pid),
    height: value("kora_finalized_height"),
    nullified: value("kora_consensus_nullified_total"),
    finalized: value("kora_finalized_transactions_total"),
    lag,
  };
}

/** Starts watching `nodes`, which run. */
export function watchNodes(nodes: readonly TestNode[]): Watch {
  const samples = nodes.map((): Sample[] => []);
  const addresses = nodes.map(metricsAddress);
  let over = false;
  void (async () => {
    while (!over) {
      const took = await Promise.all(nodes.map((node, at) => sampleOf(node, addresses[at] as string)));
      took.forEach((sample, at) => {
        samples[at]?.push(sample);
      });
      await Bun.sleep(1_000);
    }
  })().catch(() => {
    // The node is being stopped: what was sampled stands.
  });
  return {
    samples,
    [Symbol.dispose]() {
      over = true;
    },
  };
}

/** Upper bound, in milliseconds, of the bucket in which `share` of what was observed between two samples lies. */
export function lagPercentile(first: Sample, last: Sample, share: number): number {
  const counted = (bound: number): number => (last.lag.get(bound) ?? 0) - (first.lag.get(bound) ?? 0);
  const wanted = counted(Number.POSITIVE_INFINITY) * share;
  const bounds = [...last.lag.keys()].sort((a, b) => a - b);
  return (bounds.find((bound) => counted(bound) >= wanted) ?? Number.POSITIVE_INFINITY) * 1000;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/**
 * How memory moved: megabytes an hour along a line through all but the first tenth of the samples, as a share of their
 * mean; and the last quarter's mean over the second's.
 */
export function flatness(samples: readonly Sample[]): { readonly slope: number; readonly quarters: number } {
  const settled = samples.slice(Math.floor(samples.length / 10));
  const [at, memory] = [settled.map((sample) => sample.at), settled.map((sample) => sample.memory)];
  const [atMean, memoryMean] = [mean(at), mean(memory)];
  let covariance = 0;
  let variance = 0;
  for (const [i, moment] of at.entries()) {
    covariance += (moment - atMean) * ((memory[i] as number) - memoryMean);
    variance += (moment - atMean) ** 2;
  }
  const quarter = Math.floor(samples.length / 4);
  const quarterMean = (index: number): number =>
    mean(samples.slice(index * quarter, (index + 1) * quarter).map((sample) => sample.memory));
  return {
    slope: variance === 0 ? 0 : ((covariance / variance) * 3600) / memoryMean,
    quarters: quarterMean(3) / quarterMean(1),
  };
}
