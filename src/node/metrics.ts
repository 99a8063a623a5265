// Counters, gauges and histograms in the text form that Prometheus scrapes. Holds numbers; serves nothing.
import { assert } from "#lib/assert.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels?: Labels, amount?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  /** Seconds, or whatever unit the name says. */
  observe(value: number): void;
}

export interface Metrics {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  histogram(name: string, help: string, buckets?: readonly number[]): Histogram;
  /** Calls `read` right before each scrape, to set gauges that are cheaper to ask than to keep. */
  beforeScrape(read: () => void): void;
  /** Prometheus' text exposition format, version 0.0.4. */
  text(): string;
}

/** Label sets of one metric; more are counted together, so that nobody outside can grow a metric. */
const MAX_SERIES = 512;
const OVERFLOW: Labels = { overflow: "true" };

/** Seconds, from a fast view to a stuck one. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `${name}="${escaped}"`;
  });
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

/** Values by label set, bounded. */
function createSeries(): {
  update(labels: Labels, change: (old: number) => number): void;
  lines(name: string): string[];
} {
  const values = new Map<string, number>();
  return {
    update(labels, change) {
      const key = labelText(labels);
      const used = values.has(key) || values.size < MAX_SERIES ? key : labelText(OVERFLOW);
      values.set(used, change(values.get(used) ?? 0));
    },
    lines: (name) => [...values].map(([labels, value]) => `${name}${labels} ${value}`),
  };
}

interface Metric {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly lines: () => string[];
}

function createHistogram(
  name: string,
  buckets: readonly number[],
): { metric: Histogram; lines: () => string[] } {
  const counts = new Array<number>(buckets.length).fill(0);
  let sum = 0;
  let total = 0;
  return {
    metric: {
      observe(value) {
        sum += value;
        total += 1;
        for (let index = 0; index < buckets.length; index++) {
          if (value <= (buckets[index] as number)) counts[index] = (counts[index] as number) + 1;
        }
      },
    },
    lines: () => [
      ...buckets.map((bound, index) => `${name}_bucket{le="${bound}"} ${counts[index]}`),
      `${name}_bucket{le="+Inf"} ${total}`,
      `${name}_sum ${sum}`,
      `${name}_count ${total}`,
    ],
  };
}

/** An empty set of metrics. */
export function createMetrics(): Metrics {
  const metrics = new Map<string, Metric>();
  const readers: (() => void)[] = [];
  const register = (name: string, metric: Metric): void => {
    assert(!metrics.has(name), `metric ${name} is registered once`);
    metrics.set(name, metric);
  };
  return {
    counter(name, help) {
      const series = createSeries();
      register(name, { type: "counter", help, lines: () => series.lines(name) });
      return { add: (labels = {}, amount = 1) => series.update(labels, (old) => old + amount) };
    },
    gauge(name, help) {
      const series = createSeries();
      register(name, { type: "gauge", help, lines: () => series.lines(name) });
      return { set: (value, labels = {}) => series.update(labels, () => value) };
    },
    histogram(name, help, buckets = LATENCY_BUCKETS) {
      const { metric, lines } = createHistogram(name, buckets);
      register(name, { type: "histogram", help, lines });
      return metric;
    },
    beforeScrape: (read) => readers.push(read),
    text() {
      for (const read of readers) read();
      const lines: string[] = [];
      for (const [name, { type, help, lines: values }] of metrics) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values());
      }
      return `${lines.join("\n")}\n`;
    },
  };
}
