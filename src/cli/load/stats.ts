// What a load run measured: counts, rate and latency percentiles.

export interface LoadReport {
  readonly kind: string;
  readonly submitted: number;
  readonly included: number;
  readonly failed: number;
  /** Seconds from the first submission to the last inclusion. */
  readonly seconds: number;
  /** Included transactions a second. */
  readonly rate: number;
  /** Milliseconds from submission to the block that was seen to hold the transaction. */
  readonly latency: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** CPU seconds of the generator itself. */
  readonly cpuSeconds: number;
  /** The first thing that went wrong; null where nothing did. */
  readonly problem: string | null;
}

/** The value below which `share` (0 to 1) of the ascending `sorted` lie; 0 when empty (nearest rank). */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Percentiles of unordered milliseconds, rounded to a tenth. */
export function latencies(samples: readonly number[]): LoadReport["latency"] {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => round(percentile(sorted, share));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** The report as lines for a reader. */
export function describeReport(report: LoadReport): string {
  const { latency, problem } = report;
  return [
    `submitted  ${report.submitted}`,
    `included   ${report.included}`,
    `failed     ${report.failed}`,
    `rate       ${report.rate} tx/s over ${report.seconds} s`,
    `latency    p50 ${latency.p50} ms, p90 ${latency.p90} ms, p99 ${latency.p99} ms, max ${latency.max} ms`,
    `generator  ${report.cpuSeconds} s of CPU`,
    ...(problem === null ? [] : [`problem    ${problem}`]),
  ].join("\n");
}
