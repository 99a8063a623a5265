// Sends random and mutated requests to the compiled binary and watches it: no crash, no answer that is a fault of
// the node, nothing on its stderr, memory flat. Usage:
//   bun test/fuzz/rpc.ts [--count 1000000] [--seed N] [--binary ./kora | --url http://127.0.0.1:8545]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { koraBinary, rpc } from "../support/kora.ts";
import { createMessages, type Known } from "./rpc-generate.ts";

export interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
  readonly url: string;
  /** Process whose memory is watched. */
  readonly pid: number | undefined;
  readonly progress: (line: string) => void;
}

export interface FuzzResult {
  readonly sent: number;
  /** What came back, by kind: "ok", a JSON-RPC code, a status, or an event of a subscription. */
  readonly answers: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
  readonly seconds: number;
  readonly memory: Memory | undefined;
}

/** Resident memory over the run, judged as the operations page defines flat. */
export interface Memory {
  readonly lastMegabytes: number;
  /** Percent an hour, of a line through the samples after the first tenth. */
  readonly slope: number;
  /** Mean of the last quarter over the mean of the second. */
  readonly growth: number;
}

/** Requests in flight at once, every tenth over WebSocket. */
const LANES = 32;
/** Violations that are kept; one is enough to fail. */
const MAX_VIOLATIONS = 20;
/** Longest a single answer may take. */
const ANSWER_SECONDS = 30;
/** A slope by the hour says nothing of a run much shorter than that. */
const SLOPE_MINUTES = 20;
const MAX_SLOPE = 2;
const MAX_GROWTH = 1.15;

interface Sample {
  readonly seconds: number;
  readonly bytes: number;
}

function residentBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

const mean = (samples: readonly Sample[]): number =>
  samples.reduce((sum, s) => sum + s.bytes, 0) / samples.length;

/** Slope and growth of `samples`; undefined for too few. */
export function judgeMemory(samples: readonly Sample[]): Memory | undefined {
  if (samples.length < 20) return undefined;
  const settled = samples.slice(Math.ceil(samples.length / 10));
  const middle = settled.reduce((sum, s) => sum + s.seconds, 0) / settled.length;
  const level = mean(settled);
  let product = 0;
  let square = 0;
  for (const { seconds, bytes } of settled) {
    product += (seconds - middle) * (bytes - level);
    square += (seconds - middle) ** 2;
  }
  const quarter = Math.floor(samples.length / 4);
  return {
    lastMegabytes: Math.round((samples[samples.length - 1]?.bytes ?? 0) / 1e6),
    slope: ((product / square) * 3600 * 100) / level,
    growth: mean(samples.slice(-quarter)) / mean(samples.slice(quarter, 2 * quarter)),
  };
}

/** Addresses and hashes of the chain, so that some requests find something. */
async function learn(url: string): Promise<Known> {
  const accounts = ((await rpc(url, "eth_accounts")).result ?? []) as string[];
  const head = (await rpc(url, "eth_getBlockByNumber", ["latest", false])).result;
  const addresses = [
    ...accounts,
    `0x${"00".repeat(19)}01`,
    `0x${"00".repeat(19)}0a`,
    "0x4e59b44847b379578588920ca78fbf26c0b4956c",
  ];
  return { addresses, hashes: [head.hash, head.parentHash, `0x${"11".repeat(32)}`, ...head.transactions] };
}

/** What an answer is, and what is wrong with it if it is the node's fault. */
function judge(status: number, text: string): { readonly kind: string; readonly fault?: string } {
  if (status >= 500) return { kind: `HTTP ${status}`, fault: `HTTP ${status}` };
  if (status !== 200) return { kind: `HTTP ${status}` };
  if (text === "") return { kind: "nothing" };
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return { kind: "not JSON", fault: "the answer is not JSON" };
  }
  const first = Array.isArray(answer) ? answer.find((one) => one.error?.code === -32603) : answer;
  const error = (first as { error?: { code: number; message: string } } | undefined)?.error;
  if (error?.code === -32603) return { kind: "-32603", fault: `internal error: ${error.message}` };
  if (Array.isArray(answer)) return { kind: "batch" };
  if (typeof answer === "object" && answer !== null && "method" in answer) return { kind: "event" };
  return { kind: error === undefined ? "ok" : String(error.code) };
}

/** Calls back after ANSWER_SECONDS in which this process ran: while it is stopped, what it watches may be too. */
function outOfPatience(callback: () => void): Disposable {
  let left = ANSWER_SECONDS;
  const timer = setInterval(() => {
    left--;
    if (left === 0) callback();
  }, 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function overHttp(url: string, body: string): Promise<{ status: number; text: string }> {
  const headers = { "content-type": "application/json" };
  const controller = new AbortController();
  using _ = outOfPatience(() => controller.abort(new Error(`nothing within ${ANSWER_SECONDS} s`)));
  const response = await fetch(url, { method: "POST", body, headers, signal: controller.signal });
  return { status: response.status, text: await response.text() };
}

/** Sends and does not wait: what comes back is judged as it comes. */
function overWebSocket(url: string, onAnswer: (text: string) => void) {
  let socket: WebSocket | undefined;
  return async (text: string): Promise<void> => {
    if (socket?.readyState !== WebSocket.OPEN) {
      socket = new WebSocket(url.replace("http", "ws"));
      const opening = socket;
      opening.onmessage = ({ data }) => onAnswer(String(data));
      await new Promise<void>((resolve, reject) => {
        opening.onopen = () => resolve();
        opening.onclose = () => reject(new Error("the WebSocket could not be opened"));
      });
    }
    socket.send(text);
  };
}

/** Sends `count` messages and reports what became of them. Ends early when there are enough violations. */
export async function fuzzRpc(options: FuzzOptions): Promise<FuzzResult> {
  const { count, seed, url, pid, progress } = options;
  const next = createMessages(seed, await learn(url));
  const answers = new Map<string, number>();
  const violations: string[] = [];
  const samples: Sample[] = [];
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let sent = 0;
  const record = (request: string, status: number, text: string): void => {
    const { kind, fault } = judge(status, text);
    answers.set(kind, (answers.get(kind) ?? 0) + 1);
    if (fault !== undefined) violations.push(`${fault}\n    request: ${request.slice(0, 400)}`);
  };
  const lane = async (): Promise<void> => {
    const send = overWebSocket(url, (text) => record("(over WebSocket)", 200, text));
    while (sent < count && violations.length < MAX_VIOLATIONS) {
      const text = next();
      sent++;
      try {
        if (sent % 10 === 0) {
          await send(text);
        } else {
          const { status, text: answer } = await overHttp(url, text);
          record(text, status, answer);
        }
      } catch (error) {
        violations.push(`no answer: ${String(error)}\n    request: ${text.slice(0, 400)}`);
      }
    }
  };
  const watch = setInterval(() => {
    const bytes = pid === undefined ? undefined : residentBytes(pid);
    if (bytes !== undefined) samples.push({ seconds: elapsed(), bytes });
    const rate = Math.round(sent / elapsed());
    const memory = bytes === undefined ? "" : `, ${Math.round(bytes / 1e6)} MB`;
    progress(`${sent} of ${count} requests, ${rate}/s${memory}, ${violations.length} violations`);
  }, 500);
  await Promise.all(Array.from({ length: LANES }, lane));
  clearInterval(watch);
  const alive = await rpc(url, "eth_chainId").catch((error: unknown) => ({ error: String(error) }));
  if (alive.result === undefined) violations.push(`does not answer any more: ${JSON.stringify(alive)}`);
  const memory = judgeMemory(samples);
  if (memory !== undefined && memory.growth > MAX_GROWTH) {
    violations.push(`memory grew ${memory.growth.toFixed(2)}-fold from the second to the last quarter`);
  }
  if (memory !== undefined && memory.slope > MAX_SLOPE && elapsed() > SLOPE_MINUTES * 60) {
    violations.push(`memory rises ${memory.slope.toFixed(1)} % an hour`);
  }
  return { sent, answers, violations, seconds: elapsed(), memory };
}

/** Lines of a process's stderr that tell of a fault it did not expect. */
export function faultsIn(stderr: string): string[] {
  return stderr
    .split("\n")
    .filter((line) => /unhandled|uncaught|panic|INVARIANT|\b\w*Error\b|\bat .*\.[jt]s/i.test(line));
}

/** The binary with a local chain in memory. */
async function startBinary(path: string) {
  const child = Bun.spawn([path, "dev", "--port", "0", "--silent"], { stdout: "pipe", stderr: "pipe" });
  let stderr = "";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) stderr += decoder.decode(chunk, { stream: true });
  })();
  const reader = child.stdout.getReader();
  let stdout = "";
  while (!/^Listening on \S+$/m.test(stdout)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the binary ended: ${stdout}${stderr}`);
    stdout += new TextDecoder().decode(value);
  }
  const drain = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  void drain();
  const at = /^Listening on (\S+)$/m.exec(stdout)?.[1];
  return { child, url: `http://${at}`, stderr: () => stderr };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "1000000" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      binary: { type: "string" },
      url: { type: "string" },
    },
  });
  const seed = Number(values.seed);
  const count = Number(values.count);
  console.log(`seed ${seed}, ${count} requests`);
  const node = values.url === undefined ? await startBinary(values.binary ?? koraBinary()) : undefined;
  const progress = (line: string): void => {
    process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${line}` : "");
  };
  const url = node?.url ?? (values.url as string);
  const result = await fuzzRpc({ count, seed, url, pid: node?.child.pid, progress });
  const violations = [...result.violations];
  if (node !== undefined) {
    if (node.child.exitCode !== null) violations.push(`the process ended with ${node.child.exitCode}`);
    violations.push(...faultsIn(node.stderr()).map((line) => `stderr: ${line}`));
    node.child.kill();
    await node.child.exited;
  }
  console.log(`\nanswers: ${[...result.answers].map(([kind, n]) => `${kind} ${n}`).join(", ")}`);
  if (result.memory !== undefined) {
    const { lastMegabytes, slope, growth } = result.memory;
    console.log(
      `memory: ${lastMegabytes} MB, last/second quarter ${growth.toFixed(3)}, ${slope.toFixed(1)} %/h`,
    );
  }
  for (const violation of violations) console.log(`violation: ${violation}`);
  if (violations.length > 0) console.log(`again: npx bun test/fuzz/rpc.ts --count ${count} --seed ${seed}`);
  const rate = Math.round(result.sent / result.seconds);
  console.log(
    `${result.sent} requests in ${result.seconds.toFixed(1)} s (${rate}/s), ${violations.length} violations, seed ${seed}`,
  );
  process.exit(violations.length === 0 ? 0 : 1);
}

if (import.meta.main) await main();
