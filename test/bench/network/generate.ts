// The load of a bench: `kora load` as a process of its own, so that its CPU is its own, against any chain.
import type { LoadReport } from "#cli/load/stats.ts";
import { koraBinary } from "../../support/kora.ts";

export type LoadKind = "transfer" | "erc20" | "swap";

export interface LoadRequest {
  readonly kind: LoadKind;
  readonly urls: readonly string[];
  readonly total: number;
  /** Transactions a second; undefined: as fast as the chain takes them. */
  readonly rate: number | undefined;
  readonly accounts: number;
}

/** A load's report, and the monotonic seconds between which it was sent and included. */
export interface Generated {
  readonly report: LoadReport;
  readonly from: number;
  readonly to: number;
}

/** Runs one load to its end. What was not included is in the report, not an error. */
export async function generate(request: LoadRequest): Promise<Generated> {
  const { kind, urls, total, rate, accounts } = request;
  const child = Bun.spawn(
    [
      koraBinary(),
      ...["load", "--json", "--kind", kind, "--rpc-url", urls.join(",")],
      ...["--total-txs", String(total), "--accounts", String(accounts), "--concurrency", "16"],
      ...(rate === undefined ? [] : ["--rate", String(rate)]),
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const [out, told] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (!out.startsWith("{")) throw new Error(`kora load failed: ${told}`);
  const report = JSON.parse(out) as LoadReport;
  const to = performance.now() / 1000;
  return { report, from: to - report.seconds, to };
}
