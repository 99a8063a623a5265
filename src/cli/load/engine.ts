// Sends a planned load and watches the chain include it. Transactions of one sender go out in nonce order; how many
// of it are on their way at once is bounded, so that a slow chain slows the generator instead of filling its pool.

import type { RpcAnswer, RpcClient } from "#cli/rpc-client.ts";
import type { Hex } from "#lib/bytes.ts";
import { type Sender, type Signed, signOperation } from "./accounts.ts";
import type { Plan } from "./setup.ts";

export interface LoadOptions {
  readonly clients: readonly RpcClient[];
  readonly senders: readonly Sender[];
  readonly plan: Plan;
  readonly total: number;
  /** Requests under way at once. */
  readonly concurrency: number;
  /** Transactions a second at most; undefined: as fast as the chain takes them. */
  readonly rate: number | undefined;
  readonly signal: AbortSignal;
}

export interface LoadCounts {
  submitted: number;
  included: number;
  failed: number;
  /** Milliseconds from submission to inclusion, one per included transaction. */
  readonly latencies: number[];
  /** Monotonic milliseconds of the first submission and the last inclusion. */
  first: number;
  last: number;
}

/** Transactions of one sender that are sent and not yet included (geth's pool guarantees 16 slots an account). */
const WINDOW = 16;
const BATCH = 32;
const WATCH_MS = 20;
const RETRY_MS = 100;
/** Without any inclusion for this long what is left counts as failed. */
const STALL_MS = 60_000;

interface Lane {
  readonly client: RpcClient;
  readonly senders: readonly number[];
}
interface Flight {
  readonly sender: number;
  readonly at: number;
}
interface Run {
  readonly options: LoadOptions;
  readonly counts: LoadCounts;
  readonly pending: Map<Hex, Flight>;
  readonly inFlight: Uint16Array;
  /** Senders with a refused transaction: their later nonces would wait for ever. */
  readonly broken: Set<number>;
  taken: number;
}

const finished = ({ options, counts }: Run): boolean =>
  options.signal.aborted || counts.included + counts.failed >= options.total;

function allowance({ options, counts, taken }: Run): number {
  const left = options.total - taken;
  if (options.rate === undefined || counts.first === 0) return left;
  const due = Math.floor(((performance.now() - counts.first) / 1000) * options.rate) + 1;
  return Math.min(left, due - taken);
}

function nextBatch(run: Run, lane: Lane): { readonly sender: number; readonly signed: Signed }[] {
  const { options } = run;
  const batch: { sender: number; signed: Signed }[] = [];
  const room = Math.min(BATCH, allowance(run));
  for (const sender of lane.senders) {
    if (run.broken.has(sender)) continue;
    while (batch.length < room && (run.inFlight[sender] as number) < WINDOW) {
      const from = options.senders[sender] as Sender;
      batch.push({
        sender,
        signed: signOperation(from, options.plan.operation(sender, run.taken), options.plan.fees),
      });
      run.inFlight[sender] = (run.inFlight[sender] as number) + 1;
      run.taken++;
    }
  }
  return batch;
}

/** Whether the same transaction may be accepted a little later: there is no room now. A gas limit does not pass. */
const passing = (message: string): boolean =>
  /^transaction underpriced$|pool is full|too many|busy|timed out|(?:rate|account|in-flight transaction) limit/i.test(
    message,
  );

function settleRefusal(run: Run, sender: number, hash: Hex): void {
  run.pending.delete(hash);
  run.broken.add(sender);
  run.counts.failed++;
}

async function sendBatch(run: Run, lane: Lane, batch: ReturnType<typeof nextBatch>): Promise<void> {
  const { counts, pending } = run;
  const started = performance.now();
  if (counts.first === 0) counts.first = started;
  for (const { sender, signed } of batch) pending.set(signed.hash, { sender, at: started });
  let open = batch;
  while (open.length > 0 && !finished(run)) {
    const calls = open.map(({ signed }) => ({ method: "eth_sendRawTransaction", params: [signed.raw] }));
    const answers: readonly RpcAnswer[] = await lane.client.batch(calls);
    const again: typeof open = [];
    for (const [at, answer] of answers.entries()) {
      const item = open[at] as (typeof open)[number];
      if ("result" in answer || /already known/.test(answer.error.message)) counts.submitted++;
      else if (passing(answer.error.message)) again.push(item);
      else settleRefusal(run, item.sender, item.signed.hash);
    }
    open = again;
    if (open.length > 0) await Bun.sleep(RETRY_MS);
  }
}

async function drive(run: Run, lane: Lane): Promise<void> {
  while (!finished(run) && run.taken < run.options.total) {
    const batch = nextBatch(run, lane);
    if (batch.length === 0) {
      if (lane.senders.every((sender) => run.broken.has(sender))) return;
      await Bun.sleep(1);
    } else {
      await sendBatch(run, lane, batch);
    }
  }
}

interface BlockReceipt {
  readonly transactionHash: Hex;
  readonly status: Hex;
}

function settleBlock(run: Run, receipts: readonly BlockReceipt[]): void {
  const now = performance.now();
  for (const { transactionHash, status } of receipts) {
    const flight = run.pending.get(transactionHash);
    if (flight === undefined) continue;
    run.pending.delete(transactionHash);
    run.inFlight[flight.sender] = (run.inFlight[flight.sender] as number) - 1;
    run.counts.last = now;
    if (status === "0x1") {
      run.counts.included++;
      run.counts.latencies.push(now - flight.at);
    } else {
      run.counts.failed++;
    }
  }
}

async function watch(run: Run, client: RpcClient, from: number, sent: () => boolean): Promise<void> {
  let next = from;
  let progressed = performance.now();
  while (!finished(run) && !(sent() && run.pending.size === 0)) {
    const head = Number((await client.call("eth_blockNumber")) as Hex);
    for (; next <= head; next++) {
      const before = run.pending.size;
      const receipts = await client.call("eth_getBlockReceipts", `0x${next.toString(16)}`);
      settleBlock(run, (receipts ?? []) as readonly BlockReceipt[]);
      if (run.pending.size < before) progressed = performance.now();
    }
    if (run.pending.size === 0) progressed = performance.now();
    if (performance.now() - progressed > STALL_MS) {
      run.counts.failed += run.pending.size;
      run.pending.clear();
      return;
    }
    await Bun.sleep(WATCH_MS);
  }
}

/** Runs the load; `counts` is filled as it goes, so that a caller can show progress. */
export async function runLoad(options: LoadOptions, counts: LoadCounts): Promise<void> {
  const { clients, senders, concurrency } = options;
  const run: Run = {
    options,
    counts,
    pending: new Map(),
    inFlight: new Uint16Array(senders.length),
    broken: new Set(),
    taken: 0,
  };
  const watcher = clients[0] as RpcClient;
  const from = Number((await watcher.call("eth_blockNumber")) as Hex) + 1;
  const width = Math.min(concurrency, senders.length);
  const lanes: Lane[] = Array.from({ length: width }, (_, lane) => ({
    client: clients[lane % clients.length] as RpcClient,
    senders: senders.map((_sender, index) => index).filter((index) => index % width === lane),
  }));
  let sent = false;
  const watching = watch(run, watcher, from, () => sent);
  await Promise.all(lanes.map((lane) => drive(run, lane)));
  sent = true;
  await watching;
}
