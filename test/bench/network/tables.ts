// The figures of a network bench as lines for a reader, each beside what is wanted of it.
import type { Finality } from "./finality.ts";
import type { LoadFigures, NodeFigures } from "./load.ts";
import type { ProfiledLoad } from "./profile.ts";

const MB = 1e6;

const column = (name: string, cells: readonly string[]): string =>
  `  ${name.padEnd(26)}${cells.map((cell) => cell.padStart(10)).join("")}`;

/** Milliseconds from proposal to the last validator's finalization. */
export function describeFinality({ views, p50, p90, p99 }: Finality): string {
  return `finality, empty blocks, block_time 0.05: p50 ${p50} ms (wanted: 60), p90 ${p90}, p99 ${p99}, of ${views} views`;
}

/** A load's figures: the whole, then node by node. */
export function describeLoad(
  what: string,
  { name, report, generatorCpu, finalized, blocks, nullified, nodes }: LoadFigures,
): string {
  const { latency } = report;
  const cells = (show: (node: NodeFigures) => string): string[] => nodes.map(show);
  return [
    `${what} on ${name}, ${report.seconds.toFixed(0)} s`,
    `  final on all nodes ${finalized.toFixed(0)}/s; ${report.included} included, ${report.failed} failed`,
    `  submitted to final: p50 ${latency.p50} ms, p90 ${latency.p90}, p99 ${latency.p99}, max ${latency.max}`,
    `  ${blocks} blocks, ${nullified} views given up`,
    `  generator: ${(generatorCpu * 100).toFixed(0)} % of a core`,
    column(
      "CPU, % of a core",
      cells(({ cpu }) => (cpu * 100).toFixed(0)),
    ),
    column(
      "CPU, µs per transaction",
      cells(({ cpuPerTransaction }) => cpuPerTransaction.toFixed(0)),
    ),
    column(
      "event-loop lag p99, ms <=",
      cells(({ lagP99 }) => lagP99.toFixed(0)),
    ),
    column(
      "memory, mean, MB",
      cells(({ memoryMean }) => (memoryMean / MB).toFixed(0)),
    ),
    column(
      "memory, most, MB",
      cells(({ memoryMost }) => (memoryMost / MB).toFixed(0)),
    ),
    column(
      "memory slope, %/h",
      cells(({ memorySlope }) => (memorySlope * 100).toFixed(1)),
    ),
    column(
      "memory, 4th / 2nd quarter",
      cells(({ memoryQuarters }) => memoryQuarters.toFixed(2)),
    ),
  ].join("\n");
}

/** CPU of one final transaction on one node, by part. */
export function describeParts({ figures, parts }: ProfiledLoad): string {
  const sum = parts.reduce((all, { micros }) => all + micros, 0);
  return [
    `CPU of one final transfer on one node, by part, at ${figures.finalized.toFixed(0)}/s under the profiler`,
    ...parts.map(
      ({ part, share, micros }) =>
        `  ${part.padEnd(38)}${micros.toFixed(1).padStart(8)} µs${(share * 100).toFixed(1).padStart(7)} %`,
    ),
    `  ${"together".padEnd(38)}${sum.toFixed(1).padStart(8)} µs`,
  ].join("\n");
}
