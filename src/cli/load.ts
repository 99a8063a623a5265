// kora load: sends transactions to one or more nodes and measures when the chain includes them.
import { readFileSync } from "node:fs";
import { KoraError, messageOf } from "#lib/error.ts";
import { hasFlag, integerFlag, numberFlag, textFlag, usageError } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";
import { funder, loadSenders } from "./load/accounts.ts";
import { type LoadCounts, noCounts, runLoad } from "./load/engine.ts";
import { type LoadKind, prepare } from "./load/setup.ts";
import { describeReport, type LoadReport, latencies } from "./load/stats.ts";
import { createRpcClient, rpcAddresses } from "./rpc-client.ts";
import { bar, createProgress, type Progress } from "./terminal.ts";

const REDRAW_MS = 100;

interface Settings {
  readonly urls: readonly string[];
  readonly accounts: number;
  readonly total: number;
  readonly concurrency: number;
  readonly rate: number | undefined;
  readonly kind: LoadKind;
  readonly funderKey: Uint8Array | undefined;
}

function readKey(file: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw usageError(`cannot read ${file}`, messageOf(cause), "name a file with a 32-byte key in hex");
  }
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) {
    throw usageError(`${file} holds no key`, "a key is 32 bytes in hex", "name another file");
  }
  return Uint8Array.fromHex(digits);
}

function settingsOf(args: Args): Settings {
  const keyFile = textFlag(args, "funder-key");
  return {
    urls: rpcAddresses(textFlag(args, "rpc-url")),
    accounts: integerFlag(args, "accounts", { min: 1, max: 10_000 }) ?? 50,
    total: integerFlag(args, "total-txs", { min: 1, max: 100_000_000 }) ?? 1_000,
    concurrency: integerFlag(args, "concurrency", { min: 1, max: 1_000 }) ?? 8,
    rate: numberFlag(args, "rate", { min: 0.001, max: 1_000_000 }),
    kind: (textFlag(args, "kind") ?? "transfer") as LoadKind,
    funderKey: keyFile === undefined ? undefined : readKey(keyFile),
  };
}

/** What would be sent, for scripts; a null rate is as fast as the chain takes it. */
function planOf({ urls, kind, total, rate, accounts, concurrency, funderKey }: Settings): object {
  const { address } = funder(funderKey);
  return { urls, kind, total, rate: rate ?? null, accounts, concurrency, funder: address };
}

function describePlan(settings: Settings): string {
  const pace = settings.rate === undefined ? "as fast as the chain takes them" : `${settings.rate} a second`;
  return [
    `would send ${settings.total} transactions of kind ${settings.kind}, ${pace}`,
    `from ${settings.accounts} accounts, ${settings.concurrency} requests at a time`,
    `to ${settings.urls.join(", ")}`,
    `funded by ${funder(settings.funderKey).address}`,
  ].join("\n");
}

function reportOf(kind: LoadKind, counts: LoadCounts, cpuSeconds: number): LoadReport {
  const seconds = Math.max(0.001, (counts.last - counts.first) / 1000);
  return {
    kind,
    submitted: counts.submitted,
    included: counts.included,
    failed: counts.failed,
    seconds: Math.round(seconds * 1000) / 1000,
    rate: Math.round(counts.included / seconds),
    latency: latencies(counts.latencies),
    cpuSeconds,
    problem: counts.problem ?? null,
  };
}

async function measure(settings: Settings, progress: Progress, signal: AbortSignal): Promise<LoadReport> {
  const clients = settings.urls.map((url) => createRpcClient(url, signal));
  const first = clients[0] as (typeof clients)[number];
  const senders = loadSenders(settings.accounts);
  progress.step(`preparing ${settings.accounts} accounts for ${settings.kind} on ${first.url}`);
  const payer = funder(settings.funderKey);
  const plan = await prepare(first, settings.kind, payer, senders, settings.total, signal);
  progress.step(`sending ${settings.total} transactions`);
  const counts = noCounts();
  const redraw = setInterval(() => {
    const done = counts.included + counts.failed;
    progress.update(`${bar(done, settings.total)}  ${counts.included} included, ${counts.failed} failed`);
  }, REDRAW_MS);
  const before = process.cpuUsage();
  try {
    await runLoad({ ...settings, clients, senders, plan, signal }, counts);
  } catch (thrown) {
    // What was done until then is reported all the same.
    if (counts.submitted === 0 && !signal.aborted) throw thrown;
    counts.problem ??= signal.aborted ? "it was interrupted" : describeFailure(thrown);
  } finally {
    clearInterval(redraw);
    progress.done();
  }
  const { user, system } = process.cpuUsage(before);
  return reportOf(settings.kind, counts, Math.round((user + system) / 10_000) / 100);
}

function describeFailure(thrown: unknown): string {
  const why = thrown instanceof KoraError && thrown.why !== undefined ? `: ${thrown.why}` : "";
  return `${messageOf(thrown)}${why}`;
}

/** `kora load`: exit code 0 when every transaction was included and succeeded, else 1. */
export const load: CommandRun = async ({ args, out, terminal, signal }: CommandContext) => {
  const settings = settingsOf(args);
  const json = hasFlag(args, "json");
  if (hasFlag(args, "dry-run")) {
    out(json ? JSON.stringify(planOf(settings)) : describePlan(settings));
    return 0;
  }
  const report = await measure(settings, createProgress(terminal, json), signal).catch((thrown: unknown) => {
    if (!signal.aborted) throw thrown;
    throw new KoraError("the load was interrupted", { code: "INTERRUPTED", hint: "start it again" });
  });
  out(json ? JSON.stringify(report) : describeReport(report));
  return report.included === settings.total ? 0 : 1;
};
