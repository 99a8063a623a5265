// Sends a planned load and watches the chain include it. Transactions of one sender go out in nonce order; how many
// of it are on their way at once is bounded, so that a slow chain slows the generator instead of filling its pool.

import type { RpcAnswer, RpcClient } from "#cli/rpc-client.ts";
import type { Hex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
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
  /** The first thing that went wrong. */
  problem: string | undefined;
}

/** Counts of a run that has not begun. */
export function noCounts(): LoadCounts {
  return { submitted: 0, included: 0, failed: 0, latencies: [], first: 0, last: 0, problem: undefined };
}

/** Transactions of one sender that are sent and not yet included (geth's pool guarantees 16 slots an account). */
const WINDOW = 16;
const BATCH = 32;
/** At a given rate, what falls due in so many milliseconds goes out together. */
const PACE_MS = 20;
const WATCH_MS = 20;
const RETRY_MS = 100;
/** Without any inclusion for this long what is left counts as failed; a node silent for so long is given up. */
const STALL_MS = 60_000;

interface Lane {
  readonly client: RpcClient;
  readonly senders: readonly number[];
  /** Position of the sender whose turn it is. */
  turn: number;
}
interface Flight {
  readonly sender: number;
  /** Monotonic milliseconds at which it was sent, or was due at a given rate: waiting for a slow chain counts. */
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
  /** The chain stood still for too long: what is on its way was given up, and nothing more is sent. */
  stalled: boolean;
}

const finished = ({ options, counts, stalled }: Run): boolean =>
  stalled || options.signal.aborted || counts.included + counts.failed >= options.total;

/** Monotonic milliseconds at which the run's `index`th transaction is due. */
function dueAt({ options, counts }: Run, index: number): number {
  return options.rate === undefined ? performance.now() : counts.first + (index / options.rate) * 1000;
}

/** Transactions that may leave now; none while too few are due to be worth a request. */
function allowance({ options, counts, taken }: Run): number {
  const left = Math.min(BATCH, options.total - taken);
  if (options.rate === undefined) return left;
  const due = Math.floor(((performance.now() - counts.first) / 1000) * options.rate) + 1 - taken;
  const worth = Math.min(left, Math.ceil((options.rate * PACE_MS) / 1000));
  return due < worth ? 0 : Math.min(left, due);
}

interface Item {
  readonly sender: number;
  readonly signed: Signed;
  readonly at: number;
}

function nextBatch(run: Run, lane: Lane): Item[] {
  const { options } = run;
  const batch: Item[] = [];
  if (run.counts.first === 0) run.counts.first = performance.now();
  const room = allowance(run);
  // Senders take turns; after a round of which none may send, nobody may.
  for (let idle = 0; batch.length < room && idle < lane.senders.length; ) {
    const sender = lane.senders[lane.turn] as number;
    lane.turn = (lane.turn + 1) % lane.senders.length;
    if (run.broken.has(sender) || (run.inFlight[sender] as number) >= WINDOW) {
      idle++;
      continue;
    }
    idle = 0;
    const operation = options.plan.operation(sender, run.taken);
    const signed = signOperation(options.senders[sender] as Sender, operation, options.plan.prices.fees);
    batch.push({ sender, at: dueAt(run, run.taken), signed });
    run.inFlight[sender] = (run.inFlight[sender] as number) + 1;
    run.taken++;
  }
  return batch;
}

/** Whether the same transaction may be accepted a little later: there is no room now. A gas limit does not pass. */
const passing = (message: string): boolean =>
  /^transaction underpriced$|pool is full|too many|busy|timed out|(?:rate|account|in-flight transaction) limit/i.test(
    message,
  );

/** What `ask` answers. A node that is too busy to answer in time, or restarts, is asked again for a while. */
async function patiently<T>(run: Run, ask: () => Promise<T>): Promise<T> {
  const since = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const silent = error instanceof KoraError && error.code === "RPC_UNREACHABLE";
      if (!silent || run.options.signal.aborted || performance.now() - since > STALL_MS) throw error;
      await Bun.sleep(RETRY_MS);
    }
  }
}

function settleRefusal(run: Run, { sender, signed }: Item, message: string): void {
  // Given up with a chain that stood still, it has failed already.
  if (!run.pending.delete(signed.hash)) return;
  run.broken.add(sender);
  run.counts.failed++;
  run.counts.problem ??= `a transaction was refused: ${message}`;
}

async function sendBatch(run: Run, lane: Lane, batch: readonly Item[]): Promise<void> {
  const { counts, pending } = run;
  for (const { sender, signed, at } of batch) pending.set(signed.hash, { sender, at });
  let open = batch;
  while (open.length > 0 && !finished(run)) {
    const calls = open.map(({ signed }) => ({ method: "eth_sendRawTransaction", params: [signed.raw] }));
    let asked = 0;
    const answers: readonly RpcAnswer[] = await patiently(run, () => {
      asked++;
      return lane.client.batch(calls);
    });
    // What was sent before the silence may be included by now.
    const taken = asked > 1 ? /already known|nonce too low/ : /already known/;
    const again: Item[] = [];
    for (const [at, answer] of answers.entries()) {
      const item = open[at] as Item;
      if ("result" in answer || taken.test(answer.error.message)) counts.submitted++;
      else if (passing(answer.error.message)) again.push(item);
      else settleRefusal(run, item, answer.error.message);
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

interface Inclusion {
  readonly hash: Hex;
  readonly succeeded: boolean;
}

/** What a block includes. Receipts are dear, and asked for only where inclusion does not mean success. */
async function inclusionsOf(client: RpcClient, height: number, certain: boolean): Promise<Inclusion[]> {
  const at = `0x${height.toString(16)}`;
  if (certain) {
    const block = (await client.call("eth_getBlockByNumber", at, false)) as { transactions: Hex[] } | null;
    return (block?.transactions ?? []).map((hash) => ({ hash, succeeded: true }));
  }
  const receipts = await client.call("eth_getBlockReceipts", at);
  return ((receipts ?? []) as { transactionHash: Hex; status: Hex }[]).map(({ transactionHash, status }) => ({
    hash: transactionHash,
    succeeded: status === "0x1",
  }));
}

function settleBlock(run: Run, inclusions: readonly Inclusion[]): void {
  const now = performance.now();
  for (const { hash, succeeded } of inclusions) {
    const flight = run.pending.get(hash);
    if (flight === undefined) continue;
    run.pending.delete(hash);
    run.inFlight[flight.sender] = (run.inFlight[flight.sender] as number) - 1;
    run.counts.last = now;
    if (succeeded) {
      run.counts.included++;
      run.counts.latencies.push(now - flight.at);
    } else {
      run.counts.failed++;
      run.counts.problem ??= `${hash} was included and failed`;
    }
  }
}

async function watch(run: Run, client: RpcClient, from: number, sent: () => boolean): Promise<void> {
  let next = from;
  let progressed = performance.now();
  while (!finished(run) && !(sent() && run.pending.size === 0)) {
    const head = Number((await patiently(run, () => client.call("eth_blockNumber"))) as Hex);
    if (next <= head) await patiently(run, () => run.options.plan.prices.follow());
    for (; next <= head; next++) {
      const before = run.pending.size;
      settleBlock(run, await patiently(run, () => inclusionsOf(client, next, run.options.plan.certain)));
      if (run.pending.size < before) progressed = performance.now();
    }
    if (run.pending.size === 0) progressed = performance.now();
    if (performance.now() - progressed > STALL_MS) {
      run.counts.failed += run.pending.size;
      run.counts.problem ??= `the last ${run.pending.size} were not included within ${STALL_MS / 1_000} s`;
      run.pending.clear();
      run.stalled = true;
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
    stalled: false,
  };
  const watcher = clients[0] as RpcClient;
  const from = Number((await watcher.call("eth_blockNumber")) as Hex) + 1;
  const width = Math.min(concurrency, senders.length);
  const lanes: Lane[] = Array.from({ length: width }, (_, lane) => ({
    client: clients[lane % clients.length] as RpcClient,
    senders: senders.map((_sender, index) => index).filter((index) => index % width === lane),
    turn: 0,
  }));
  let sent = false;
  const sending = Promise.all(lanes.map((lane) => drive(run, lane))).then(() => {
    sent = true;
  });
  await Promise.all([sending, watch(run, watcher, from, () => sent)]);
}
